"""SIGKILL at random moments of build and compact, then the same again: the same archive.

``FLAM_KILLS=30`` kills more often; ``benchmarks/search_kill.py`` does the same to the program with a real model.
"""

import os
import random
import signal
import sys
import time
from functools import partial

import pytest

from flam.search import Archive
from flam.search import build as build_module
from flam.search.maintain import check_archive, compact_archive

N_KILLS = int(os.environ.get("FLAM_KILLS", "4"))

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def killed(work, after_s):
    """Do work in a process of its own, which is killed after some time, or ends before; seconds that it took."""
    start = time.perf_counter()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    ended = 0
    while not ended and time.perf_counter() - start < after_s:
        ended = os.waitpid(child, os.WNOHANG)[0]
        time.sleep(0.0005)
    if not ended:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return time.perf_counter() - start


def contents(path):
    archive = Archive(path)
    held = {}
    for segment, recordings in archive.segments:
        for row in recordings:
            rows = slice(row.first_frame, row.first_frame + row.n_frames)
            stored = segment.stored(rows)
            parts = stored.prefix, stored.detail, segment.level_db[rows], segment.clips[row.clip_row]
            held[row.path] = (*(part.tobytes() for part in parts), row.content_hash)
    return held


@pytest.mark.slow
def test_killed_builds_and_compactions_end_with_the_same_archive(new_archive, tmp_path, build, make_sound, monkeypatch):
    monkeypatch.setattr(build_module, "MOST_FRAMES", 300)  # a segment for every few recordings
    folder = tmp_path / "folder"
    for number in range(24):
        make_sound(folder / f"{number:02d}.wav", number, 5.0 + number % 7, [(1000, 1, 2)])
    whole, encoder = new_archive(tmp_path / "whole", "compact")
    took_s = killed(partial(build, whole, encoder, folder), after_s=300)
    expected = contents(whole.path)
    assert len(expected) == 24

    chance = random.Random(1)
    rounds = 0
    archive, encoder = new_archive(tmp_path / "archive-0", "compact")
    for _ in range(N_KILLS):
        killed(partial(build, archive, encoder, folder), after_s=chance.uniform(0, 0.7) * took_s)
        held = contents(archive.path)
        assert held.items() <= expected.items()
        if len(held) == 24:
            rounds += 1
            archive, encoder = new_archive(tmp_path / f"archive-{rounds}", "compact")
    totals, messages = build(archive, encoder, folder)
    assert messages == []
    assert totals.n_encoded + totals.n_unchanged == 24
    assert contents(archive.path) == expected
    assert list(check_archive(archive)) == []

    took_s = killed(partial(compact_archive, whole), after_s=300)
    for _ in range(N_KILLS):
        killed(partial(compact_archive, archive), after_s=chance.uniform(0, 0.9) * took_s)
        assert contents(archive.path) == expected
    compact_archive(archive)
    assert contents(archive.path) == expected
    assert list(check_archive(archive)) == []
    assert len(Archive(archive.path).segments) == 1
