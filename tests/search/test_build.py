"""A build adds what is new, and nothing that stops it costs more than what it was working on."""

import multiprocessing
import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from flam.core import ConfigError, FlamError, OutputError
from flam.hub.hub import resolve
from flam.search import Archive
from flam.search import build as build_module
from flam.search import joining as joining_module
from flam.search.build import BuildReport, build_archive
from flam.search.catalogue import ArchiveSettings, Catalogue
from flam.search.layout import ArchiveFolder, model_axes
from flam.search.maintain import check_archive, compact_archive, repair_archive
from flam.search.segment import SegmentWriter

SETTINGS = ArchiveSettings("spectrum", "0123456789abcdef", 8_000, 800, "exact", 0.2)


def contents(path):
    """What an archive holds, wherever in it that lies: frames, levels, clip vectors and facts by recording."""
    archive = Archive(path)
    held = {}
    for segment, recordings in archive.segments:
        for row in recordings:
            rows = slice(row.first_frame, row.first_frame + row.n_frames)
            stored = segment.stored(rows)
            held[row.path] = (
                stored.prefix.tobytes(),
                stored.detail.tobytes(),
                segment.level_db[rows].tobytes(),
                segment.clips[row.clip_row].tobytes(),
                (row.content_hash, row.start_time, row.n_samples, row.problems),
            )
    return held


@pytest.fixture
def folder(sounds, tmp_path):
    return shutil.copytree(sounds, tmp_path / "folder")


@pytest.fixture
def archive(new_archive, tmp_path):
    return new_archive(tmp_path / "archive", "compact")


def test_new_changed_moved_touched_and_gone(archive, folder, build, make_sound):
    archive, encoder = archive
    assert build(archive, encoder, folder)[0].n_encoded == 5
    before = contents(archive.path)
    assert build(archive, encoder, folder)[0].n_unchanged == 5
    make_sound(folder / "quiet.wav", 77, 6.0)
    os.rename(folder / "SITE1_20260501_220000.wav", folder / "deep" / "SITE1_20260501_230000.wav")
    os.utime(folder / "short.wav", ns=(1, 1))
    (folder / "deep" / "plain.wav").unlink()
    make_sound(folder / "new.wav", 78, 3.0)
    totals, messages = build(archive, encoder, folder)
    assert (totals.n_encoded, totals.n_touched, totals.n_gone, totals.n_unchanged) == (2, 2, 1, 1)
    assert messages == []
    after = contents(archive.path)
    moved = after[str(folder / "deep" / "SITE1_20260501_230000.wav")]
    assert moved[:4] == before[str(folder / "SITE1_20260501_220000.wav")][:4]
    assert moved[4][1] == "2026-05-01T23:00:00"
    assert str(folder / "deep" / "plain.wav") not in after
    assert after[str(folder / "quiet.wav")] != before[str(folder / "quiet.wav")]
    assert compact_archive(archive).n_after == 1
    assert contents(archive.path) == after
    assert build(archive, encoder, folder)[0].n_unchanged == 5


def test_bad_recordings_are_told_and_the_rest_is_done(archive, folder, build):
    archive, encoder = archive
    (folder / "empty.wav").write_bytes(b"")
    (folder / "noise.wav").write_bytes(os.urandom(5_000))
    whole = (folder / "SITE1_20260502_050000.wav").read_bytes()
    (folder / "SITE1_20260502_050000.wav").write_bytes(whole[: len(whole) // 2])
    totals, messages = build(archive, encoder, folder)
    assert (totals.n_encoded, totals.n_failed) == (5, 2)
    assert sum("empty.wav" in message for message in messages) == 1
    assert sum("noise.wav" in message for message in messages) == 1
    [cut_off] = [row for row in Archive(archive.path).recordings if "050000" in row.path]
    assert cut_off.problems
    assert cut_off.n_samples == pytest.approx(80_000, abs=2_000)


def test_a_folder_that_is_not_there_takes_nothing_out(archive, folder, build):
    archive, encoder = archive
    build(archive, encoder, folder)
    os.rename(folder, folder.with_name("unplugged"))
    totals, messages = build(archive, encoder, folder)
    assert (totals.n_gone, totals.n_failed, len(messages)) == (0, 1, 1)
    assert len(Archive(archive.path).recordings) == 5


class Stop(BaseException):
    """The end of the process, as the code under test sees it."""


@pytest.mark.parametrize("step", ["append_stored", "finish", "publish", "add_segment", "remove_part"])
@pytest.mark.parametrize("at", [0, 2])
def test_build_goes_on_after_a_stop_anywhere(
    new_archive, tmp_path, folder, build, monkeypatch, archive_paths, step, at
):
    """No clean-up code runs: the archive is copied at the moment of the stop."""
    archive, encoder = new_archive(tmp_path / "archive", "compact")
    monkeypatch.setattr(build_module, "MOST_FRAMES", 150)
    owner, n_calls = (
        {"publish": archive.__class__, "add_segment": Catalogue, "remove_part": build_module}.get(step, SegmentWriter),
        0,
    )
    original = getattr(owner, step)

    def stopping(*arguments, **options):
        nonlocal n_calls
        n_calls += 1
        if n_calls == at + 1:
            shutil.copytree(archive.path, tmp_path / "stopped")
            raise Stop
        return original(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(owner, step, stopping)
        with pytest.raises(Stop):
            build(archive, encoder, folder)
    stopped, encoder = archive.__class__(tmp_path / "stopped"), encoder
    Archive(stopped.path)
    totals, messages = build(stopped, encoder.__class__(**{**vars(encoder), "incoming": stopped.incoming_path}), folder)
    assert messages == []
    assert totals.n_encoded + totals.n_unchanged == 5
    known = {path.removeprefix(str(folder)): held for path, held in contents(stopped.path).items()}
    whole = contents(archive_paths["compact"])
    assert {held[:4] for held in known.values()} == {held[:4] for held in whole.values()}
    assert not list(stopped.incoming_path.glob("*"))
    names = {folder.name for folder in stopped.segments_path.iterdir()}
    with Catalogue.open(stopped.catalogue_path) as catalogue:
        assert names == set(catalogue.contents().segments.values())


@pytest.mark.parametrize("step", ["append_stored", "finish", "publish", "add_segment"])
def test_compact_goes_on_after_a_stop_anywhere(archive, folder, build, monkeypatch, tmp_path, step):
    archive, encoder = archive
    monkeypatch.setattr(build_module, "MOST_FRAMES", 10)
    build(archive, encoder, folder)
    before = contents(archive.path)
    owner = {"publish": archive.__class__, "add_segment": Catalogue}.get(step, SegmentWriter)

    def stopping(*arguments, **options):
        shutil.copytree(archive.path, tmp_path / "stopped")
        raise Stop

    with monkeypatch.context() as patch:
        patch.setattr(owner, step, stopping)
        with pytest.raises(Stop):
            compact_archive(archive)
    stopped = archive.__class__(tmp_path / "stopped")
    assert contents(stopped.path) == before
    done = compact_archive(stopped)
    assert (done.n_before, done.n_after) == (5, 1)
    assert contents(stopped.path) == before


def test_a_search_keeps_what_it_opened(archive, folder, build, detector, monkeypatch):
    archive, encoder = archive
    monkeypatch.setattr(build_module, "MOST_FRAMES", 10)
    build(archive, encoder, folder)
    opened = Archive(archive.path, detector)
    expected = opened.search(["tone 1000"], threshold=0.6)
    (folder / "SITE1_20260502_050000.wav").unlink()
    build(archive, encoder, folder)
    compact_archive(archive)
    assert opened.search(["tone 1000"], threshold=0.6) == expected
    again = Archive(archive.path, detector).search(["tone 1000"], threshold=0.6)
    assert {span.recording.path for span in again} == {
        span.recording.path for span in expected if "050000" not in span.recording.path
    }


def test_two_builds_at_once_are_refused(archive, folder, build):
    from flam.core.files import output_lock

    archive, encoder = archive
    with output_lock(archive.path), pytest.raises(OutputError, match="writes there"):
        build(archive, encoder, folder)


def test_full_disk_keeps_what_is_done(archive, folder, build, monkeypatch):
    archive, encoder = archive
    monkeypatch.setattr(build_module, "MOST_FRAMES", 10)
    n_finished, finish = 0, SegmentWriter.finish

    def full(writer, sync=True):
        nonlocal n_finished
        n_finished += sync
        if n_finished == 3:
            raise OSError(28, "No space left on device")
        return finish(writer, sync)

    with monkeypatch.context() as patch:
        patch.setattr(SegmentWriter, "finish", full)
        with pytest.raises(OutputError, match=r"No space left on device.*run the same command again"):
            build(archive, encoder, folder)
    assert len(Archive(archive.path).recordings) == 2
    assert build(archive, encoder, folder)[0].n_encoded == 3


def test_a_new_catalogue_is_whole_without_its_log(tmp_path):
    with Catalogue.create(tmp_path / "a.sqlite", SETTINGS):
        shutil.copyfile(tmp_path / "a.sqlite", tmp_path / "b.sqlite")
    with Catalogue.open(tmp_path / "b.sqlite") as catalogue:
        assert catalogue.settings() == SETTINGS


def test_an_archive_that_can_not_be_made_leaves_no_catalogue(tmp_path, axes, monkeypatch):
    def full(path, settings):
        for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
            path.with_name(name).touch()
        raise OutputError(f"{path}: can't be written (disk I/O error)")

    archive = ArchiveFolder(tmp_path / "archive")
    with monkeypatch.context() as patch:
        patch.setattr(Catalogue, "create", full)
        with pytest.raises(OutputError, match="disk I/O error"):
            archive.create(SETTINGS, axes)
    assert sorted(path.name for path in archive.path.iterdir()) == ["search_axes.safetensors", "segments"]
    archive.create(SETTINGS, axes)
    assert archive.exists()


@pytest.mark.parametrize("damage", ["changed", "cut off", "missing", "header"])
def test_damaged_segment_is_named_and_repaired(archive, folder, build, monkeypatch, damage):
    archive, encoder = archive
    monkeypatch.setattr(build_module, "MOST_FRAMES", 10)
    build(archive, encoder, folder)
    before = contents(archive.path)
    victim = sorted(archive.segments_path.iterdir())[1]
    path = victim / ("segment.json" if damage == "header" else "detail.i8")
    if damage == "missing":
        path.unlink()
    elif damage == "cut off":
        os.truncate(path, path.stat().st_size // 2)
    else:
        with open(path, "r+b") as file:
            file.seek(7)
            file.write(b"\xff\x00\xff")
    [problem] = list(check_archive(archive))
    assert problem.segment == victim.name
    if damage != "changed":
        with pytest.raises(FlamError, match=rf"{victim.name}.*verify --repair"):
            Archive(archive.path)
    assert [found.n_recordings for found in repair_archive(archive).problems] == [1]
    assert list(check_archive(archive)) == []
    assert build(archive, encoder, folder)[0].n_encoded == 1
    assert contents(archive.path) == before


def test_a_lost_catalogue_or_lost_axes_cost_no_segment(archive, folder, build):
    archive, encoder = archive
    build(archive, encoder, folder)
    expected = [row.path for row in Archive(archive.path).recordings]
    settings = Archive(archive.path).settings
    for path in archive.path.glob("catalogue.sqlite*"):
        path.unlink()
    with pytest.raises(FlamError, match=r"is lost; flam index verify .* --repair"):
        Archive(archive.path)
    with pytest.raises(ConfigError, match="is lost"):
        archive.create(settings, encoder.codec.axes)
    assert repair_archive(archive).made_catalogue
    assert [row.path for row in Archive(archive.path).recordings] == expected
    kept = archive.axes_path.read_bytes()
    archive.axes_path.unlink()
    with pytest.raises(FlamError, match="bring it back from a copy"):
        Archive(archive.path)
    with pytest.raises(FlamError, match="bring it back from a copy"):
        repair_archive(archive)
    archive.axes_path.write_bytes(kept)
    assert [row.path for row in Archive(archive.path).recordings] == expected


def test_damaged_catalogue_is_made_again(archive, folder, build):
    archive, encoder = archive
    build(archive, encoder, folder)
    before = contents(archive.path)
    for damage in (b"not a database at all" * 100, b""):
        archive.catalogue_path.write_bytes(damage)
        with pytest.raises(FlamError, match=r"verify .* --repair"):
            Archive(archive.path)
        repaired = repair_archive(archive)
        assert repaired.made_catalogue
        assert repaired.problems == []
        assert contents(archive.path) == before
    assert build(archive, encoder, folder)[0].n_unchanged == 5


def test_no_archive(tmp_path):
    with pytest.raises(FlamError, match="no archive; make one with"):
        Archive(tmp_path / "nowhere")


def test_names_that_are_not_text(archive, folder, build, make_sound):
    archive, encoder = archive
    make_sound(folder / "plain-name.wav", 9, 2.0)
    os.rename(os.fsencode(folder / "plain-name.wav"), os.fsencode(folder) + b"/\xff\xfe.wav")
    totals, messages = build(archive, encoder, folder)
    assert (totals.n_encoded, messages) == (6, [])
    assert build(archive, encoder, folder)[0].n_unchanged == 6
    assert np.sum([row.path.endswith("\udcff\udcfe.wav") for row in Archive(archive.path).recordings]) == 1


def test_a_build_joins_its_small_segments(archive, folder, build, monkeypatch, detector):
    archive, encoder = archive
    build(archive, encoder, folder)
    before = contents(archive.path)
    fresh = archive.__class__(archive.path.with_name("fresh"))
    with Catalogue.open(archive.catalogue_path) as catalogue:
        fresh.create(catalogue.settings(), encoder.codec.axes)
    monkeypatch.setattr(build_module, "MOST_FRAMES", 10)
    monkeypatch.setattr(joining_module, "MOST_SMALL", 3)
    build(fresh, replace(encoder, incoming=fresh.incoming_path), folder)
    assert len(Archive(fresh.path).segments) < 3
    assert contents(fresh.path) == before
    names = {folder.name for folder in fresh.segments_path.iterdir()}
    assert names == {segment.folder.name for segment, _ in Archive(fresh.path).segments}


def test_several_processes_make_the_same_archive(archive, folder, build, monkeypatch):
    """What each process loads is shown by the model's own tests; here the parts come from two processes."""
    archive, encoder = archive
    build(archive, encoder, folder)
    several = archive.__class__(archive.path.with_name("several"))
    with Catalogue.open(archive.catalogue_path) as catalogue:
        several.create(catalogue.settings(), encoder.codec.axes)
    monkeypatch.setattr(build_module, "each_file", forked)
    report = BuildReport(print, print)
    totals = build_archive(several, [folder], replace(encoder, incoming=several.incoming_path), 2, report)
    assert totals.n_encoded == 5
    assert contents(several.path) == contents(archive.path)


def forked(paths, work, on_crash, workers):
    """``each_file`` with processes that inherit the detector of these tests."""
    assert (workers, work.n_threads) == (2, 1)
    with ProcessPoolExecutor(workers, multiprocessing.get_context("fork")) as pool:
        yield from zip(paths, pool.map(replace(work, n_threads=None), paths), strict=True)


def test_flam_mini_ships_its_axes():
    axes = model_axes(resolve("flam-mini"))
    assert axes is not None
    assert axes.dim == 256
