"""Recordings in a store that is no folder give the archive that a build gives."""

import shutil
from types import SimpleNamespace

import fsspec
import pytest

import flam.search.bulk as bulk
from flam.core import AudioError, Event, RecordingEvents, to_mapping
from flam.search import Archive
from flam.search.bulk import DetectWork, EmbedWork, find_urls, relative_path, run_work
from flam.search.catalogue import Catalogue
from flam.search.maintain import adopt_segments


@pytest.fixture
def store(sounds):
    """The sounds in fsspec's store in memory."""
    memory = fsspec.filesystem("memory")
    memory.put(str(sounds), "/bucket/in", recursive=True)
    yield "memory://bucket"
    memory.rm("/bucket", recursive=True)


def test_embedding_a_store_equals_a_build(new_archive, archive_paths, store, sounds, tmp_path):
    folder, encoder = new_archive(tmp_path / "archive", "compact")
    with Catalogue.open(folder.catalogue_path) as catalogue:
        settings = to_mapping(catalogue.settings())
    urls = find_urls([f"{store}/in"])
    assert len(urls) == 5
    memory = fsspec.filesystem("memory")
    memory.pipe_file("/bucket/in/bad.wav", b"RIFF")
    work = EmbedWork(encoder, f"{store}/out", settings)
    outcomes = list(run_work([*urls, f"{store}/in/bad.wav"], work, workers=0))
    assert [outcome.url for outcome in outcomes if outcome.error] == [f"{store}/in/bad.wav"]
    assert f"{store}/in/bad.wav" in outcomes[-1].error
    assert all(outcome.was_done for outcome in run_work(urls, work, workers=0))
    # a segment without its header was being written when a worker was killed
    [victim] = [path for path in memory.find("/bucket/out/segments") if "segment.json" in path][:1]
    memory.rm_file(victim)
    assert sum(outcome.was_done for outcome in run_work(urls, work, workers=0)) == 4
    memory.get("/bucket/out/segments/", str(folder.segments_path), recursive=True)
    assert adopt_segments(folder) == 5
    found, whole = Archive(folder.path), Archive(archive_paths["compact"])
    by_hash = {row.content_hash: row for row in whole.recordings}
    assert {row.content_hash for row in found.recordings} == by_hash.keys()
    for row in found.recordings:
        assert row.path.startswith("memory://")
        assert (found.frames(row) == whole.frames(by_hash[row.content_hash])).all()
    assert adopt_segments(folder) == 0


def test_detecting_a_store(store, monkeypatch, sounds):
    analysed = []

    def analyse(detector, path, settings, extras):
        analysed.append(path.name)
        return RecordingEvents(str(path), 1.0, (Event(0.0, 1.0, "siren", 0.5, 0.9),))

    monkeypatch.setattr("flam.jobs.analysis.analyse", analyse)
    monkeypatch.setattr(bulk, "_detector", lambda settings: None)
    settings = SimpleNamespace(identity=lambda: "settings", format="csv")
    work = DetectWork(settings, f"{store}/in", f"{store}/results", ".csv")
    urls = find_urls([f"{store}/in"])
    assert [outcome.error for outcome in run_work(urls, work, workers=0)] == [""] * 5
    memory = fsspec.filesystem("memory")
    assert "siren" in memory.cat_file("/bucket/results/deep/plain.csv").decode()
    assert all(outcome.was_done for outcome in run_work(urls, work, workers=0))
    assert len(analysed) == 5
    other = DetectWork(SimpleNamespace(identity=lambda: "others", format="csv"), work.root, work.output, ".csv")
    assert not any(outcome.was_done for outcome in run_work(urls, other, workers=0))


def test_urls(store, sounds, tmp_path):
    assert relative_path(f"{store}/in/deep/plain.wav", f"{store}/in") == "deep/plain"
    copy = shutil.copytree(sounds, tmp_path / "copy")
    assert len(find_urls([str(copy)])) == 5
    assert relative_path(find_urls([str(copy)])[0], str(copy)) == "SITE1_20260501_220000"
    with pytest.raises(AudioError, match="no such file or folder"):
        find_urls([f"{store}/nowhere"])
