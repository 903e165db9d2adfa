"""Lists of a run: the best of each prompt, ranked, cut out, with times of day; and tags and comparisons."""

import csv

import numpy as np
import pytest
import soundfile

from flam.annotations import read_events
from flam.core import output_lock

FIND = ("-p", "loud", "-p", "quiet", "--min-duration", "0.25", "--threshold", "0.5")


@pytest.fixture
def recordings(make_recording, tmp_path):
    """Three recordings, of which the last holds nothing loud."""
    make_recording("in/site_20240310_220000.wav", 4.0, ((1.0, 2.0),), n_channels=2)
    make_recording("in/deep/b.wav", 3.0, ((0.5, 1.0), (2.0, 2.5)))
    make_recording("in/silent.wav", 2.0, ())
    return tmp_path / "in"


def rows_of(text):
    return list(csv.DictReader(text.splitlines()))


def test_top_and_rank_list_the_best_first(run, stub, recordings):
    done = run("detect", recordings, "-p", "loud", "--threshold", 0.5, "--format", "csv", "--rank", "--top", 2)
    assert done.code == 0, done.err
    events = [row for row in rows_of(done.out) if row["onset_s"]]
    assert len(events) == 2
    assert [row["max_score"] for row in events] == sorted((row["max_score"] for row in events), reverse=True)
    table = run("detect", recordings, "-p", "loud", "--threshold", 0.5, "--rank")
    assert [word in table.out for word in ("max", "recording", "b.wav", "silent.wav")] == [True, True, True, False]


def test_recordings_without_events_are_hidden_where_asked(run, stub, recordings):
    everything = run("detect", recordings, "-p", "loud", "--threshold", 0.5, "--format", "csv")
    fewer = run("detect", recordings, "-p", "loud", "--threshold", 0.5, "--format", "csv", "--hide-empty")
    assert len(rows_of(everything.out)) == len(rows_of(fewer.out)) + 1
    assert "silent" not in fewer.out
    assert "3 recordings done" in fewer.err


@pytest.mark.parametrize("output", [None, "all.json", "results/"])
def test_found_clips_are_cut_out_of_every_kind_of_run(run, stub, recordings, tmp_path, output):
    where = () if output is None else ("-o", output)
    done = run("detect", recordings, "-p", "loud", "--threshold", 0.5, "--cut", "clips", "--cut-padding", 0, *where)
    assert done.code == 0, done.err
    clips = sorted(path.relative_to(tmp_path / "clips").as_posix() for path in (tmp_path / "clips").rglob("*.flac"))
    assert len(clips) == 3
    assert clips[0].startswith("deep/b_00000.50s_loud_0.90")
    assert clips[2].startswith("site_20240310_220000_00001.00s_2024-03-10T22-00-01_loud_0.90")
    assert soundfile.info(tmp_path / "clips" / clips[2]).channels == 2


def test_times_of_day_and_minutes_heard(run, stub, recordings):
    zone = ("--time-zone", "+01:00")
    done = run("detect", recordings, "-p", "loud", "--threshold", 0.5, "--format", "csv", *zone)
    assert done.code == 0, done.err
    [row] = [row for row in rows_of(done.out) if "site" in row["recording"]]
    assert row["onset_time"] == "2024-03-10T22:00:01.000+01:00"
    assert "2 recordings do not say when they began" in done.err
    assert "events in 0.1 minutes" in done.err
    run("detect", recordings, "-p", "loud", "--threshold", 0.5, "-o", "all.json", *zone)
    [found] = [found for found in read_events("all.json") if "site" in found.recording]
    assert found.began.isoformat() == "2024-03-10T22:00:00+01:00"
    wrong = run("detect", recordings, "-p", "loud", "--time-zone", "Atlantis")
    assert (wrong.code, wrong.err.count("\n")) == (2, 1)


def test_raven_boxes_reach_up_to_half_the_rate(run, stub, recordings, tmp_path):
    run("detect", recordings, "-p", "loud", "--threshold", 0.5, "-o", "out/", "--format", "raven")
    table = (tmp_path / "out" / "site_20240310_220000.selections.txt").read_text()
    assert "\t4000.0\t" in table  # recordings of 8 kHz


@pytest.mark.parametrize("option", [("--top", 3), ("--rank",), ("--hide-empty",)])
def test_options_of_one_list_are_refused_with_a_folder(run, stub, recordings, option):
    done = run("detect", recordings, "-p", "loud", "-o", "out/", *option)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert not stub.detector


def test_second_run_on_one_output_is_refused_and_changes_nothing(run, stub, recordings, tmp_path):
    with output_lock(tmp_path / "all.csv"):
        refused = run("detect", recordings, *FIND, "-o", "all.csv")
    assert refused.code == 1
    assert refused.err.count("\n") == 1
    assert "process" in refused.err
    assert run("detect", recordings, *FIND, "-o", "all.csv").code == 0
    assert {row["recording"].rpartition("/")[2] for row in rows_of((tmp_path / "all.csv").read_text())} == {
        "site_20240310_220000.wav",
        "b.wav",
        "silent.wav",
    }


def test_rows_that_vanish_while_a_run_goes_on_are_told(run, stub, recordings, tmp_path):
    def vanish(path):
        for part in (tmp_path / "all.csv.partial").rglob("*.json"):
            if part.parent.name != ".flam" and ".flam" not in part.parts:
                part.unlink()

    stub.on_recording = vanish
    done = run("detect", recordings, *FIND, "-o", "all.csv")
    assert done.code == 1
    assert "gone since they were written" in done.err
    assert not (tmp_path / "all.csv").exists()
    stub.on_recording = lambda path: None
    assert run("detect", recordings, *FIND, "-o", "all.csv").code == 0


def test_tags_name_the_loudest_word_of_each_file(run, stub, recordings, tmp_path):
    done = run("tag", recordings, "-p", "loud", "-p", "quiet", "-p", "else", "--top", 2, "--beside", "-o", "tags.csv")
    assert done.code == 0, done.err
    rows = {row["recording"].rpartition("/")[2]: row for row in rows_of((tmp_path / "tags.csv").read_text())}
    assert {row["tag_1"] for row in rows.values()} == {"loud", "quiet"}
    assert rows["silent.wav"]["tag_1"] == "quiet"
    assert rows["silent.wav"]["tag_2"] == "else"
    assert float(rows["b.wav"]["duration_s"]) == 3.0
    beside = rows_of((recordings / "silent.wav.tags.csv").read_text())
    assert [row["tag_1"] for row in beside] == ["quiet"]
    assert len(rows_of(run("tag", recordings / "deep", "-p", "loud").out)) == 1


def test_bad_recording_costs_its_own_tags_only(run, stub, recordings):
    (recordings / "broken.wav").write_bytes(b"no audio")
    done = run("tag", recordings, "-p", "loud")
    assert done.code == 1
    assert len(rows_of(done.out)) == 3
    assert "broken.wav" in done.err


def test_results_are_compared_with_reviewed_labels(run, stub, recordings, tmp_path):
    run("detect", recordings, "-p", "loud", "--threshold", 0.5, "-o", "found.csv")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "site_20240310_220000.txt").write_text("1.0\t2.0\tloud\n3.0\t3.5\tloud\n")
    (tmp_path / "labels" / "b.txt").write_text("0.5\t1.0\tloud\n")
    done = run("compare", "found.csv", "labels", "-o", "compared.csv")
    assert done.code == 0, done.err
    assert "1 recordings are not reviewed and left out: silent" in done.err
    loud, every = rows_of((tmp_path / "compared.csv").read_text())
    assert (loud["prompt"], loud["events"], loud["found"], loud["detections"], loud["right"]) == ("loud", *"3232")
    assert np.isclose(float(every["precision"]), 2 / 3, atol=1e-3)
    assert "precision" in run("compare", "found.csv", "labels").out
    wrong = run("compare", "found.csv", tmp_path / "labels" / "b.txt", "--min-overlap", 0)
    assert (wrong.code, wrong.err.count("\n")) == (2, 1)
