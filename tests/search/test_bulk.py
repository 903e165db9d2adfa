"""Recordings in a store that is no folder give the archive that a build gives."""

import csv
import json
import shutil
import sys
import zlib
from pathlib import PurePosixPath
from types import SimpleNamespace

import fsspec
import pytest

import flam
import flam.search.bulk as bulk
from flam.cli.main import main
from flam.core import AudioError, ConfigError, Event, RecordingEvents, to_mapping
from flam.search import Archive
from flam.search.bulk import DetectWork, EmbedWork, Outcome, not_embedded, run_work, settle_axes
from flam.search.catalogue import Catalogue
from flam.search.joining import MOST_SMALL
from flam.search.maintain import adopt_segments, check_archive, repair_archive
from flam.search.stores import find_urls, relative_path


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
    outcomes = list(run_work([*urls, f"{store}/in/bad.wav"], work, jobs=1))
    assert [outcome.url for outcome in outcomes if outcome.error] == [f"{store}/in/bad.wav"]
    assert f"{store}/in/bad.wav" in outcomes[-1].error
    assert all(outcome.was_done for outcome in run_work(urls, work, jobs=1))
    # a segment without its header was being written when a worker was killed
    [victim] = [path for path in memory.find("/bucket/out/segments") if "segment.json" in path][:1]
    memory.rm_file(victim)
    assert sum(outcome.was_done for outcome in run_work(urls, work, jobs=1)) == 4
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
    monkeypatch.setattr(bulk, "_detector", lambda settings, n_threads: None)
    settings = SimpleNamespace(identity=lambda: "settings", format="csv")
    work = DetectWork(settings, f"{store}/in", f"{store}/results", ".csv")
    urls = find_urls([f"{store}/in"])
    assert [outcome.error for outcome in run_work(urls, work, jobs=1)] == [""] * 5
    memory = fsspec.filesystem("memory")
    assert "siren" in memory.cat_file("/bucket/results/deep/plain.csv").decode()
    assert all(outcome.was_done for outcome in run_work(urls, work, jobs=1))
    assert len(analysed) == 5
    other = DetectWork(SimpleNamespace(identity=lambda: "others", format="csv"), work.root, work.output, ".csv")
    assert not any(outcome.was_done for outcome in run_work(urls, other, jobs=1))


@pytest.mark.slow
def test_the_command_finds_what_detect_finds(store, sounds, tmp_path):
    asked = ["-p", "siren", "-p", "a tone", "--threshold", "0.01", "--format", "csv", "-q"]
    assert main(["bulk", "detect", "--input", f"{store}/in", "-o", f"{store}/events", "--jobs", "1", *asked]) == 0
    assert main(["detect", str(sounds), "-o", str(tmp_path), *asked]) == 0

    def rows(text):
        return [[row[name] for name in ("onset_s", "offset_s", "prompt")] for row in csv.DictReader(text.splitlines())]

    memory = fsspec.filesystem("memory")
    expected = {path.stem: rows(path.read_text()) for path in tmp_path.rglob("*.csv")}
    found = {
        PurePosixPath(path).stem: rows(memory.cat_file(path).decode())
        for path in memory.find("/bucket/events")
        if path.endswith(".csv")
    }
    assert any(found.values())
    assert found == expected


class FakeRay(SimpleNamespace):
    """As much of Ray as a job uses: it runs actors here and keeps what was asked of it."""

    def __init__(self):
        context = SimpleNamespace(get_current=lambda: SimpleNamespace(enable_progress_bars=True))
        super().__init__(data=SimpleNamespace(DataContext=context, from_items=self.from_items), asked=[])

    def is_initialized(self):
        return False

    def init(self, address, **options):
        self.address = address

    def cluster_resources(self):
        return {"CPU": 16.0, "GPU": 4.0}

    def from_items(self, items, override_num_blocks):
        self.n_blocks = override_num_blocks
        rows = [{"item": item} for item in items]

        def mapped(actor, **asked):
            self.asked.append(asked)
            worker = actor()
            return SimpleNamespace(iter_rows=lambda: map(worker, rows))

        return SimpleNamespace(map=mapped)


@pytest.mark.parametrize(
    ("device", "jobs", "expected"),
    [
        ("cpu", None, {"concurrency": 16, "num_gpus": None}),
        ("auto", 3, {"concurrency": 3, "num_gpus": None}),
        ("cuda", None, {"concurrency": 4, "num_gpus": 1}),
        ("cuda", 2, {"concurrency": 2, "num_gpus": 1}),
    ],
)
@pytest.mark.parametrize("verb", ["embed", "detect"])
def test_actors_of_ray_get_the_device(verb, device, jobs, expected, store, monkeypatch, sounds, model_id):
    """The whole command; only Ray, the model, and what is done with a recording are not the real ones."""
    ray, loaded, done = FakeRay(), [], []
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setattr("flam.search.bulk.require_extra", lambda *_: None)
    real_load = flam.load
    monkeypatch.setattr(
        flam, "load", lambda *args, **options: loaded.append(options["device"]) or real_load(*args, **options)
    )

    def work(self, url):
        done.append(self.encoder.device if verb == "embed" else self.settings.device)
        return Outcome(url)

    monkeypatch.setattr(EmbedWork if verb == "embed" else DetectWork, "__call__", work)
    asked = ["bulk", verb, "--input", f"{store}/in", "-o", f"{store}/out", "--ray", "local", "--device", device, "-q"]
    asked += [] if jobs is None else ["--jobs", str(jobs)]
    assert main([*asked, "-p", "siren"] if verb == "detect" else asked) == 0
    assert ray.asked == [expected]
    assert done == ["cpu" if device == "auto" else device] * 5
    assert loaded == ["cpu"]  # here, where there may be no GPU


def test_urls(store, sounds, tmp_path):
    assert relative_path(f"{store}/in/deep/plain.wav", f"{store}/in") == "deep/plain"
    copy = shutil.copytree(sounds, tmp_path / "copy")
    assert len(find_urls([str(copy)])) == 5
    assert relative_path(find_urls([str(copy)])[0], str(copy)) == "SITE1_20260501_220000"
    with pytest.raises(AudioError, match="no such file or folder"):
        find_urls([f"{store}/nowhere"])


def test_axes_of_a_store_are_settled_once(store, detector, archive_paths, model_id):
    with Catalogue.open(archive_paths["compact"] / "catalogue.sqlite") as catalogue:
        settings = catalogue.settings()
    urls = find_urls([f"{store}/in"])
    axes = settle_axes(f"{store}/out", settings, None, detector, urls)
    again = settle_axes(f"{store}/out", settings, None, detector, urls[:1])
    assert (axes.rotation == again.rotation).all()
    memory = fsspec.filesystem("memory")
    memory.pipe_file("/bucket/out/segments/a/segment.json", b'{"model_id": "another", "form": "compact"}')
    with pytest.raises(ConfigError, match="made with model another in form compact"):
        settle_axes(f"{store}/out", settings, None, detector, urls)


def test_segments_of_a_bulk_job_are_joined_and_known_again(new_archive, tmp_path, make_sound):
    sounds = tmp_path / "sounds"
    for number in range(MOST_SMALL + 4):
        make_sound(sounds / f"{number}.wav", number, 2.0)
    folder, encoder = new_archive(tmp_path / "archive", "compact")
    with Catalogue.open(folder.catalogue_path) as catalogue:
        settings = to_mapping(catalogue.settings())
    urls = find_urls([str(sounds)])
    work = EmbedWork(encoder, str(folder.path), settings)
    assert not any(outcome.error for outcome in run_work(urls, work, jobs=1))
    assert adopt_segments(folder) == len(urls)
    assert len(Archive(folder.path).segments) == 1
    assert {row.path for row in Archive(folder.path).recordings} == {str(path) for path in sounds.iterdir()}
    new = make_sound(sounds / "new.wav", 99, 2.0)
    assert not_embedded(find_urls([str(sounds)]), folder) == [f"file://{new}"]


def test_an_archive_of_many_segments_opens_few_files(new_archive, tmp_path, make_sound):
    resource = pytest.importorskip("resource")
    sounds = tmp_path / "sounds"
    make_sound(sounds / "a.wav", 1, 2.0)
    folder, encoder = new_archive(tmp_path / "archive", "compact")
    with Catalogue.open(folder.catalogue_path) as catalogue:
        settings = to_mapping(catalogue.settings())
    [url] = find_urls([str(sounds)])
    list(run_work([url], EmbedWork(encoder, str(folder.path), settings), jobs=1))
    [segment] = folder.segments_path.iterdir()
    for number in range(100):
        copy = shutil.copytree(segment, segment.with_name(f"copy{number}"))
        rows = (copy / "recordings.json").read_text().replace("a.wav", f"{number}.wav")
        (copy / "recordings.json").write_text(rows)
        header = json.loads((copy / "segment.json").read_text())
        header["checksums"]["recordings.json"] = zlib.crc32(rows.encode())
        (copy / "segment.json").write_text(json.dumps(header))
    folder.catalogue_path.unlink()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (150, hard))
    try:
        assert repair_archive(folder).problems == []
        assert len(Archive(folder.path).recordings) == 101
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert list(check_archive(folder)) == []
