"""The verbs index, search and count, from the command line to files."""

import csv
import io
import json
import os
import shutil
from types import SimpleNamespace

import pytest
import soundfile

import flam
import flam.hub.hub
from flam.annotations import read_events
from flam.cli.main import main
from flam.search import Archive
from flam.search.catalogue import Catalogue


@pytest.fixture
def run(capsys, monkeypatch, tmp_path, detector, model_id):
    """Run the program with the detector of these tests: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(flam, "load", type(detector), raising=False)
    monkeypatch.setattr(flam.hub.hub, "resolve", lambda name, notify=None: tmp_path)
    monkeypatch.setattr("flam.search.layout.resolve", lambda name: tmp_path)
    monkeypatch.setattr("flam.search.layout.model_id", lambda folder: model_id)

    def call(*arguments):
        code = main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err
        return SimpleNamespace(code=code, out=printed.out, err=printed.err)

    return call


def table(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_build_info_verify_compact_and_parquet(run, sounds, tmp_path, detector):
    found = run("index", "build", sounds, "-o", "archive", "--form", "compact", "--jobs", 1)
    assert (found.code, found.out) == (0, "")
    assert "5 recordings added: archive" in found.err
    found = run("index", "build", sounds, "-o", "archive", "--jobs", 1)
    assert "0 recordings added, 5 unchanged" in found.err
    info = run("index", "info", "archive").out
    assert "recordings    5, 1:04.6" in info
    assert "compact" in info
    assert "2026-05-01 22:00:00 to 2026-05-02 05:00:00, 2 with a time" in info
    assert run("index", "verify", "archive").code == 0
    assert "1 segments became 1" in run("index", "compact", "archive").err
    assert run("index", "export", "archive", "-o", "tables").code == 0
    assert run("index", "import", "tables", "-o", "again", "--form", "exact").code == 0
    first, second = Archive("archive", detector), Archive("again", detector)
    spans, again = (archive.search(["tone 1000"], threshold=0.6) for archive in (first, second))
    assert [(s.recording.path, s.event.onset_s, s.event.offset_s) for s in spans] == [
        (s.recording.path, s.event.onset_s, s.event.offset_s) for s in again
    ]
    import pyarrow.parquet

    frames = pyarrow.parquet.read_table(tmp_path / "tables" / "frames.parquet")
    assert frames.column_names == ["recording", "frame", "onset_s", "level_db", "features"]
    assert frames.num_rows == sum(row.n_frames for row in first.recordings)
    assert run("index", "import", "tables", "-o", "again").code == 2


def test_build_tells_of_bad_files_and_refuses_what_does_not_fit(run, sounds, tmp_path, monkeypatch):
    folder = shutil.copytree(sounds, tmp_path / "folder")
    (folder / "bad.wav").write_bytes(b"RIFF")
    found = run("index", "build", folder, "-o", "archive", "--jobs", 1)
    assert found.code == 1
    assert found.err.count("bad.wav") == 1
    assert run("index", "build", folder, "-o", "archive", "--form", "tiny").code == 2
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("dear")
    assert "letter.txt" in run("index", "build", folder, "-o", "other").err
    monkeypatch.setattr("flam.search.layout.model_id", lambda folder: "fedcba9876543210")
    refused = run("index", "build", folder, "-o", "archive")
    assert refused.code == 2
    assert "features of two models can't be compared" in refused.err
    assert run("index", "build", "-o", "archive").code == 2


def test_an_archive_is_told_where_its_model_has_gone(run, sounds, tmp_path):
    (tmp_path / "here").mkdir()
    run("index", "build", sounds / "short.wav", "-o", "archive", "--model", "here", "--jobs", 1)
    with Catalogue.open(tmp_path / "archive" / "catalogue.sqlite", write=True) as catalogue:
        catalogue.move_model(str(tmp_path / "nowhere"))
    lost = run("search", "archive", "-p", "tone 1000")
    assert lost.code == 2
    assert "its model is no longer at" in lost.err
    assert run("index", "build", sounds / "short.wav", "-o", "archive", "--model", "here", "--jobs", 1).code == 0
    assert run("search", "archive", "-p", "tone 1000").code == 0


def test_search_ranks_and_writes(run, archive_paths, sounds, tmp_path):
    archive = archive_paths["exact"]
    shown = run("search", archive, "-p", "tone 1000", "--threshold", 0.6)
    assert shown.code == 0
    assert str(sounds) in shown.out
    assert "2026-05-01 22:00" in shown.out
    assert run("search", archive, "-p", "tone 1000", "--threshold", 0.6, "-o", "hits.csv", "-q").code == 0
    rows = table((tmp_path / "hits.csv").read_text())
    scores = [float(row["max_score"]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    assert len(rows) >= 3
    best = run("search", archive, "-p", "tone 1000", "--threshold", 0.6, "--format", "json", "--top", 1)
    assert len(json.loads(best.out)) == 1
    run("search", archive, "-p", "tone 1000", "--threshold", 0.6, "-o", "hits.json")
    assert sum(len(found.events) for found in read_events(tmp_path / "hits.json")) == len(rows)
    middle = run("search", archive, "-p", "tone 1000", "--threshold", 0.6, "--from-score", scores[1], "--format", "csv")
    assert len(table(middle.out)) < len(rows) + 1
    assert float(table(middle.out)[0]["max_score"]) <= scores[1] + 1e-6
    loud = run("search", archive, "-p", "tone 1000", "--threshold", 0.6, "--loudness", "-200..-1", "--format", "csv")
    assert len(table(loud.out)) == len(rows)
    late = run(
        "search", archive, "-p", "tone 1000", "--threshold", 0.6, "--time-of-day", "04:00-06:00", "--format", "csv"
    )
    assert all("050000" in row["recording"] for row in table(late.out))
    assert "3 recordings skipped" in late.err


def test_search_cuts_clips_and_draws_a_sheet(run, archive_paths, tmp_path):
    found = run(
        "search", archive_paths["exact"], "-p", "tone 1000", "--threshold", 0.6,
        "--cut", "clips", "--sheet", "hits.png", "--format", "csv",
    )  # fmt: skip
    assert found.code == 0
    clips = sorted((tmp_path / "clips").iterdir())
    assert len(clips) == len(table(found.out))
    assert any("2026-05-01T22-00-10" in clip.name and "tone-1000" in clip.name for clip in clips)
    assert soundfile.info(clips[0]).samplerate == 8_000
    assert (tmp_path / "hits.png").read_bytes().startswith(b"\x89PNG")


def test_many_spans_are_told_and_not_poured_out(run, archive_paths, tmp_path, monkeypatch):
    asked = ("search", archive_paths["exact"], "-p", "tone 1000", "--threshold", 0.6)
    n_spans = len(table(run(*asked, "--format", "csv").out))
    assert n_spans >= 3
    monkeypatch.setattr("flam.cli.search_answers.SHOWN_SPANS", 2)
    monkeypatch.setattr("flam.cli.search_answers.MOST_CLIPS", 2)
    shown = run(*asked)
    assert f"the best 2 of {n_spans} spans" in shown.err
    assert shown.out.count("2026-05-0") + shown.out.count("short.wav") == 2
    whole = run(*asked, "--top", n_spans)
    assert "the best" not in whole.err
    assert len(whole.out.splitlines()) == len(shown.out.splitlines()) + n_spans - 2
    assert run(*asked, "-o", "hits.csv").err == ""
    assert len(table((tmp_path / "hits.csv").read_text())) == n_spans
    refused = run(*asked, "--cut", "clips")
    assert refused.code == 2
    assert f"--cut would write {n_spans} clips" in refused.err
    assert not (tmp_path / "clips").exists()
    assert run(*asked, "--cut", "clips", "--top", n_spans).code == 0
    assert len(list((tmp_path / "clips").iterdir())) == n_spans
    assert run(*asked, "--top", 0).code == 2
    assert run(*asked, "--sheet", "hits.bmp").out == ""
    assert run(*asked, "--cut", "c", "--padding", -1).out == ""


def test_recordings_of_one_name_keep_clips_and_files_of_their_own(run, make_sound, axes, tmp_path):
    axes.save(tmp_path / "search_axes.safetensors")
    for site in ("north", "south"):
        make_sound(tmp_path / "in" / site / "20260501_220000.wav", 1, 5.0, [(1000, 1, 3)])
    make_sound(tmp_path / "in" / "south" / "20260501_230000.wav", 1, 5.0, [(1000, 1, 3)])
    run("index", "build", "in", "-o", "archive", "--jobs", 1)
    asked = ("search", "archive", "-p", "tone 1000", "--threshold", 0.6)
    assert run(*asked, "--cut", "clips", "-o", "raven/", "--format", "raven").code == 0
    names = sorted(path.name.split("_000")[0] for path in (tmp_path / "clips").iterdir())
    assert names == ["20260501_230000", "north_20260501_220000", "south_20260501_220000"]
    files = sorted(path.relative_to(tmp_path / "raven").as_posix() for path in (tmp_path / "raven").rglob("*.txt"))
    assert [file.split(".")[0] for file in files] == [f"north/{n}" for n in ("20260501_220000",)] + [
        "south/20260501_220000",
        "south/20260501_230000",
    ]
    assert run(*asked, "--format", "raven").code == 2


def test_recordings_that_are_gone_still_answer_and_their_clips_are_told(run, archive_paths, sounds, tmp_path):
    archive = shutil.copytree(archive_paths["exact"], tmp_path / "archive")
    folder = shutil.copytree(sounds, tmp_path / "folder")
    run("index", "build", folder, "-o", archive, "--jobs", 1)
    (folder / "SITE1_20260501_220000.wav").unlink()
    found = run("search", archive, "-p", "tone 1000", "--path", f"{folder}/*", "--cut", "clips", "--format", "csv")
    assert found.code == 1
    assert "no such file" in found.err
    assert any("220000" in row["recording"] for row in table(found.out))
    soundfile.write(folder / "SITE1_20260501_220000.wav", [0.0] * 800, 8_000)
    found = run("search", archive, "-p", "tone 1000", "--path", f"{folder}/SITE1_20260501*", "--cut", "cut")
    assert found.code == 1
    assert found.err.count("has changed since it was read") == 1


@pytest.mark.slow
def test_sounds_together_and_examples(run, archive_paths, sounds):
    archive = archive_paths["exact"]
    then = run(
        "search",
        archive,
        "-p",
        "tone 1000",
        "--then",
        "tone 2500",
        "--within",
        "5s",
        "--threshold",
        0.6,
        "--format",
        "csv",
    )
    [row] = table(then.out)
    assert row["prompt"] == "tone 1000 > tone 2500"
    assert (round(float(row["onset_s"])), round(float(row["offset_s"]))) == (10, 14)
    example = f"{sounds / 'SITE1_20260501_220000.wav'}@10.2-11.8"
    like = table(run("search", archive, "--like", example, "--format", "csv").out)
    assert {row["recording"] for row in like} >= {str(sounds / "SITE1_20260501_220000.wav")}
    both = run("search", archive, "--like", example, "-p", "tone 1000", "--format", "csv")
    assert both.code == 0
    quiet = run("search", archive, "--like", example, "--not", "tone 1000", "--format", "csv")
    found = {
        (row["recording"], row["onset_s"])
        for row in table(run("search", archive, "-p", "tone 1000", "--format", "csv").out)
    }
    assert found
    assert not found & {(row["recording"], row["onset_s"]) for row in table(quiet.out)}
    assert len(table(quiet.out)) < len(like)
    parts = run("search", archive, "--like", example, "--like", f"{sounds / 'short.wav'}", "--format", "csv")
    assert {row["prompt"] for row in table(parts.out)} == {"SITE1_20260501_220000.wav@10.2-11.8", "short.wav"}
    assert run("search", archive, "--like", example, "-p", "a", "-p", "b").code == 2
    assert run("search", archive, "-p", "a", "-p", "b", "--all", "--any").code == 2
    assert run("search", archive, "-p", "a", "--within", "5s").code == 2
    assert run("search", archive, "-p", "a", "--all").code == 2
    assert run("search", archive, "-p", "a", "--then", "b", "--within", "soon").code == 2
    assert run("search", archive).code == 2
    assert run("search", "nowhere", "-p", "a").code == 2


def test_clips_are_ranked(run, archive_paths, sounds, tmp_path, monkeypatch):
    rows = table(run("search", archive_paths["exact"], "-p", "tone 400", "--clips", "--top", 3).out)
    assert [row["rank"] for row in rows] == ["1", "2", "3"]
    assert rows[0]["recording"].endswith("plain.wav")
    monkeypatch.setattr("flam.cli.clip_search.SHOWN_CLIPS", 2)
    few = run("search", archive_paths["exact"], "-p", "tone 400", "--clips")
    assert len(table(few.out)) == 2
    assert "the best 2 of 5 files" in few.err
    assert run("search", archive_paths["exact"], "-p", "tone 400", "--clips", "-o", "ranks.csv").err == ""
    assert len(table((tmp_path / "ranks.csv").read_text())) == 5
    same = table(run("search", archive_paths["exact"], "--clips", "--like", sounds / "short.wav", "--top", 1).out)
    assert float(same[0]["cosine"]) == pytest.approx(1.0, abs=1e-3)
    may_2 = run("search", archive_paths["exact"], "-p", "tone 400", "--clips", "--after", "2026-05-02", "--top", 9)
    assert [row["recording"].split("/")[-1] for row in table(may_2.out)] == ["SITE1_20260502_050000.wav"]
    short = run("search", archive_paths["exact"], "-p", "tone 400", "--clips", "--duration", "..1", "--top", 9)
    assert [row["recording"].split("/")[-1] for row in table(short.out)] == ["short.wav"]
    for option in (("--cut", "c"), ("--loudness", "-10.."), ("--not", "x"), ("--format", "csv")):
        assert run("search", archive_paths["exact"], "-p", "a", "--clips", *option).code == 2
    nothing = run("search", archive_paths["exact"], "--clips")
    assert (nothing.code, nothing.out) == (2, "")
    pairs = run("search", archive_paths["exact"], "--duplicates", 0.5)
    assert pairs.out.startswith("cosine,recording,other\n")


def test_counts_of_archives_and_of_results(run, archive_paths, sounds, tmp_path):
    archive = archive_paths["exact"]
    options = ("-p", "tone 1000", "--threshold", 0.6, "--by", "prompt", "--by", "day")
    found = run("count", archive, *options, "--map", "map.png")
    assert found.code == 0
    by_day = {row["day"]: int(row["n"]) for row in table(found.out)}
    assert by_day["2026-05-01"] >= 2
    assert by_day["2026-05-02"] >= 1
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
    run("search", archive, "-p", "tone 1000", "--threshold", 0.6, "-o", "hits.csv")
    again = run("count", "hits.csv", "--by", "prompt", "--by", "day")
    assert {row["day"]: int(row["n"]) for row in table(again.out)} == by_day
    assert run("count", "hits.csv", archive, "-p", "tone 1000").code == 2
    assert run("count", tmp_path / "clips-of-nobody").code == 1


def test_watching_adds_what_comes_and_tells_of_a_bad_file_once(run, sounds, axes, tmp_path, monkeypatch):
    axes.save(tmp_path / "search_axes.safetensors")  # of the model, so that an empty folder will do to begin with
    folder = tmp_path / "folder"
    folder.mkdir()
    rounds = []

    def sleep(seconds):
        """What happens between two looks at the folder."""
        rounds.append(len(Archive("archive").recordings))
        if len(rounds) == 1:
            (folder / "bad.wav").write_bytes(b"RIFF")
            shutil.copy(sounds / "short.wav", folder)
            os.utime(folder / "bad.wav", ns=(1, 1))
            os.utime(folder / "short.wav", ns=(1, 1))
            shutil.copy(sounds / "quiet.wav", folder / "growing.wav")
            os.utime(folder / "growing.wav")
        elif len(rounds) == 2:
            os.utime(folder / "growing.wav", ns=(1, 1))
        elif len(rounds) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr("flam.cli.index.time.sleep", sleep)
    found = run("index", "build", folder, "-o", "archive", "--watch")
    assert rounds == [0, 1, 2, 2]
    assert found.err.count("bad.wav") == 1
    assert found.code == 130
