"""Kill builds and compactions of an archive at random moments and see that the same command ends with the same archive.

    python benchmarks/search_kill.py recordings/ --kills 30

The recordings are built into an archive once without a kill; then in new folders, where ``flam index build`` is killed
with SIGKILL after a random part of the time that it took, again and again, and left to end at last. The same for
``flam index compact``. Frames, levels, vectors and facts of every recording must be equal.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from flam.search import Archive
from flam.search.layout import ArchiveFolder
from flam.search.maintain import check_archive


def contents(path: Path) -> dict[str, str]:
    """A hash of all that an archive holds of each recording."""
    held = {}
    for segment, recordings in Archive(path).segments:
        for row in recordings:
            rows = slice(row.first_frame, row.first_frame + row.n_frames)
            stored = segment.stored(rows)
            digest = hashlib.sha256()
            for part in (stored.prefix, stored.detail, segment.level_db[rows], segment.clips[row.clip_row]):
                digest.update(part.tobytes())
            digest.update(repr((row.content_hash, row.start_time, row.n_samples, row.problems)).encode())
            held[row.path] = digest.hexdigest()
    return held


def run(*arguments: object, kill_after_s: float | None = None) -> float:
    """Run the program, kill it where that is asked for, and give the seconds that it took."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "flam", *map(str, arguments)], stderr=subprocess.PIPE, text=True)
    try:
        _, errors = process.communicate(timeout=kill_after_s)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        return time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"{arguments}: exit code {process.returncode}\n{errors}")
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    chance = random.Random(0)
    with tempfile.TemporaryDirectory() as work:
        whole, killed = Path(work, "whole"), Path(work, "killed")
        build = ("index", "build", options.folder, "--jobs", options.jobs, "-q", "-o")
        took_s = run(*build, whole)
        expected = contents(whole)
        for kill in range(options.kills):
            run(*build, killed, kill_after_s=chance.uniform(0.05, 1.0) * took_s)
            held = contents(killed) if ArchiveFolder(killed).exists() else {}
            assert held.items() <= expected.items()
            if len(held) == len(expected):
                shutil.rmtree(killed)  # all is done: the next kill needs an archive of its own
            print(f"build killed {kill + 1} times, {len(held)} of {len(expected)} recordings done", flush=True)
        run(*build, killed)
        assert contents(killed) == expected
        assert list(check_archive(ArchiveFolder(killed))) == []
        print(f"build: {len(expected)} recordings, equal after {options.kills} kills")
        took_s = run("index", "compact", whole)
        for _ in range(options.kills):
            run("index", "compact", killed, kill_after_s=chance.uniform(0.1, 1.0) * took_s)
            assert contents(killed) == expected
        run("index", "compact", killed)
        assert contents(killed) == expected
        assert list(check_archive(ArchiveFolder(killed))) == []
        print(f"compact: equal after {options.kills} kills")


if __name__ == "__main__":
    main()
