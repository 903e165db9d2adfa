"""``flam detect``: what is found, where it goes, and what it says."""

import csv
import io
import json
import os
import sys

import numpy as np
import pytest

from flam.annotations import FORMATS, read_events
from flam.cli.detect_options import Format
from flam.core import FrameScores, load_yaml
from flam.jobs.settings import DetectSettings


def rows(text):
    """Events as (recording, onset, offset); a recording without events has a line without times."""
    found = [row for row in csv.DictReader(io.StringIO(text)) if row["onset_s"]]
    return [(row["recording"], float(row["onset_s"]), float(row["offset_s"])) for row in found]


def test_finds_what_is_there(run, stub, make_recording):
    make_recording("a.wav")
    outcome = run("detect", "a.wav", "-p", "loud", "--format", "csv")
    assert outcome.code == 0
    assert rows(outcome.out) == [("a.wav", 1.0, 2.0)]
    assert outcome.err == ""


@pytest.mark.skipif(not os.path.exists("/dev/stdout"), reason="this system has no such name")
def test_stdout_by_name_is_stdout(run, stub, make_recording):
    make_recording("a.wav")
    plain = run("detect", "a.wav", "-p", "loud", "--format", "csv")
    assert run("detect", "a.wav", "-p", "loud", "--format", "csv", "-o", "/dev/stdout") == plain


def test_table_is_what_a_person_sees(run, stub, make_recording):
    make_recording("a.wav")
    assert "0:01.0  0:02.0  loud    0.90  0.90" in run("detect", "a.wav", "-p", "loud").out


def test_option_names_every_format():
    assert Format.__args__ == tuple(FORMATS)


@pytest.mark.parametrize("format", [name for name in FORMATS if name != "table"])
def test_writes_every_format_to_a_file(run, stub, make_recording, tmp_path, format):
    make_recording("a.wav")
    path = tmp_path / f"out{FORMATS[format].suffix}"
    assert run("detect", "a.wav", "-p", "loud", "--format", format, "-o", path).code == 0
    [found] = read_events(path, format)
    assert [(event.onset_s, event.offset_s, event.prompt) for event in found.events] == [(1.0, 2.0, "loud")]


@pytest.mark.parametrize(
    ("name", "format"),
    [("a.json", "json"), ("a.label-studio.json", "label-studio"), ("a.selections.txt", "raven"), ("a.ndjson", "jsonl")],
)
def test_suffix_decides_the_format(run, stub, make_recording, tmp_path, name, format):
    make_recording("a.wav")
    assert run("detect", "a.wav", "-p", "loud", "-o", name).code == 0
    assert load_yaml(DetectSettings, tmp_path / f"{name}.settings.yaml").format == format
    assert len(read_events(tmp_path / name, format)[0].events) == 1


def test_folder_keeps_the_tree_and_tells_equal_names_apart(run, stub, make_recording, tmp_path):
    for name in ("in/a.wav", "in/b/a.wav", "in/b/a.flac", "other/a.wav"):
        make_recording(name)
    outcome = run("detect", "in", "other/a.wav", "-p", "loud", "-o", "out/", "--format", "srt")
    assert outcome.code == 0
    written = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.srt"))
    assert written == ["a.srt", "a.wav.srt", "b/a.srt", "b/a.wav.srt"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have shorter paths")
def test_names_without_room_for_a_suffix_are_cut_and_stay_apart(run, stub, make_recording, tmp_path):
    for ending in "ab":
        make_recording("in/" + "\u9ce5" * 82 + f"{ending}.wav")
    command = ("detect", "in", "-p", "loud", "-o", "out/", "--format", "label-studio", "--save-scores", "scores/")
    assert run(*command).code == 0
    assert len(list((tmp_path / "out").glob("*.label-studio.json"))) == len(list((tmp_path / "scores").iterdir())) == 2
    run(*command)
    assert stub.detector.recordings == []


def test_second_run_into_a_folder_spares_another_recordings_results(run, stub, make_recording, tmp_path):
    make_recording("x/a.wav", loud=[(0.5, 1.0)])
    make_recording("y/a.wav", loud=[(2.0, 2.5)])
    run("detect", "x/a.wav", "-p", "loud", "-o", "out")
    run("detect", "y/a.wav", "-p", "loud", "-o", "out")
    assert rows((tmp_path / "out/a.csv").read_text()) == [("x/a.wav", 0.5, 1.0)]
    assert rows((tmp_path / "out/a.wav.csv").read_text()) == [("y/a.wav", 2.0, 2.5)]


def test_recording_named_twice_counts_once(run, stub, make_recording):
    make_recording("in/a.wav")
    assert len(rows(run("detect", "in", "in/a.wav", "-p", "loud", "--format", "csv").out)) == 1


def test_everyday_is_a_list_that_comes_along(run, stub, make_recording, tmp_path):
    make_recording("a.wav")
    assert run("detect", "a.wav", "-p", "loud", "--prompts", "everyday", "-o", "a.json").code == 0
    prompts = load_yaml(DetectSettings, tmp_path / "a.json.settings.yaml").prompts
    assert len(prompts) == len(set(prompts)) == 301
    assert {"loud", "siren", "dog bark", "rain"} <= set(prompts)
    (tmp_path / "everyday").write_text("quiet\n")  # one's own file wins
    assert run("detect", "a.wav", "--prompts", "everyday", "-o", "b.json").code == 0
    assert load_yaml(DetectSettings, tmp_path / "b.json.settings.yaml").prompts == ("quiet",)


def test_prompts_file_and_options_add_up(run, stub, make_recording, tmp_path):
    make_recording("a.wav")
    (tmp_path / "prompts.txt").write_text("\ufeff# sounds\nquiet\n\n  loud \n", encoding="utf-8")
    outcome = run("detect", "a.wav", "-p", "loud", "--prompts", "prompts.txt", "-o", "a.json")
    assert outcome.code == 0
    assert load_yaml(DetectSettings, tmp_path / "a.json.settings.yaml").prompts == ("loud", "quiet")


def test_spaces_around_a_prompt_do_not_make_it_another(run, stub, make_recording):
    make_recording("a.wav")
    outcome = run("detect", "a.wav", "-p", "loud", "-p", " loud ", "--format", "csv")
    assert outcome.out.count("loud") == 1
    outcome = run("detect", "a.wav", "-p", "loud", "--not", "loud ")
    assert outcome.code == 2
    assert "'loud' is asked for and suppressed" in outcome.err


def test_options_reach_the_rule_of_events(run, stub, make_recording):
    make_recording("a.wav", loud=[(1.0, 1.2), (1.5, 2.5)])

    def found(*options):
        return rows(run("detect", "a.wav", "-p", "loud", "--format", "csv", *options).out)

    assert len(found()) == 2
    assert found("--merge-gap", "0.4") == [("a.wav", 1.0, 2.5)]
    assert found("--min-duration", "0.5") == [("a.wav", 1.5, 2.5)]
    assert found("--threshold", "0.95") == []


def test_settings_replay_the_run(run, stub, make_recording, tmp_path):
    make_recording("a.wav", loud=[(1.0, 1.2), (1.5, 2.5)])
    run("detect", "a.wav", "-p", "loud", "-o", "first.csv", "--merge-gap", "0.4")
    stub.detector = None
    replayed = run("detect", "--settings", "first.csv.settings.yaml", "-o", "again.csv")
    assert replayed.code == 0
    assert (tmp_path / "again.csv").read_text() == (tmp_path / "first.csv").read_text()
    assert stub.detector.config.merge_gap_s == 0.4
    won = run("detect", "--settings", "first.csv.settings.yaml", "--merge-gap", "0", "--format", "csv")
    assert len(rows(won.out)) == 2


def test_replay_with_another_model_is_told(run, stub, make_recording):
    make_recording("a.wav")
    run("detect", "a.wav", "-p", "loud", "-o", "first.csv")
    (stub.folder / "config.json").write_text("{ }")
    assert "another model" in run("detect", "--settings", "first.csv.settings.yaml").err


def test_settings_with_a_typo_name_it(run, stub, make_recording, tmp_path):
    (tmp_path / "s.yaml").write_text("recordings: [a.wav]\nprompts: [loud]\ndetection: {treshold: 0.3}\n")
    outcome = run("detect", "--settings", "s.yaml")
    assert outcome.code == 2
    assert "treshold" in outcome.err


def test_saved_scores_are_those_of_the_recording(run, stub, make_recording, tmp_path):
    make_recording("a.wav", duration_s=3.05)
    assert run("detect", "a.wav", "-p", "loud", "-p", "x", "--save-scores", "a.npz").code == 0
    scores = FrameScores.load(tmp_path / "a.npz")
    assert scores.prompts == ("loud", "x")
    assert scores.end_s == 3.05
    assert (scores.scores[:, 0] > 0.5).nonzero()[0].tolist() == list(range(10, 20))


@pytest.mark.slow
def test_pictures_of_many_go_to_a_folder(run, stub, make_recording, tmp_path):
    for name in ("in/a.wav", "in/b/a.wav"):
        make_recording(name)
    outcome = run("detect", "in", "-p", "loud", "--not", "quiet", "--plot", "pictures/", "--format", "csv")
    assert outcome.code == 0
    assert len(stub.detector.recordings) == 2  # the model hears each once, for events and picture together
    for name in ("a.png", "b/a.png"):
        assert (tmp_path / "pictures" / name).read_bytes().startswith(b"\x89PNG")


def test_what_suppresses_is_drawn_but_neither_found_nor_saved(run, stub, make_recording, tmp_path):
    make_recording("a.wav")
    command = ("detect", "a.wav", "-p", "loud", "--not", "quiet", "--format", "csv", "--save-scores")
    plain = run(*command, "plain.npz")
    assert run(*command, "drawn.npz", "--plot", "a.png") == plain
    drawn = FrameScores.load(tmp_path / "drawn.npz")
    assert drawn.prompts == ("loud",)
    assert np.array_equal(drawn.scores, FrameScores.load(tmp_path / "plain.npz").scores)


def test_summary_counts(run, stub, make_recording):
    make_recording("in/a.wav")
    make_recording("in/b.wav", loud=[])
    outcome = run("detect", "in", "-p", "loud", "-o", "out.json")
    assert outcome.err == "2 recordings done, 1 event in 0.1 minutes -> out.json\n"


def test_recordings_without_events_are_in_the_file(run, stub, make_recording, tmp_path):
    make_recording("in/a.wav", loud=[])
    run("detect", "in", "-p", "loud", "-o", "out.json")
    [entry] = json.loads((tmp_path / "out.json").read_text())
    assert entry == {"recording": "in/a.wav", "duration_s": 3.0, "events": []}


def test_prompts_file_of_a_review_sets_thresholds_alternatives_and_probabilities(run, stub, make_recording, tmp_path):
    make_recording("a.wav", duration_s=4.0, loud=((1.0, 2.0),))
    (tmp_path / "p.yaml").write_text(
        "prompts:\n"
        "- {prompt: noise, alternatives: [loud], probability: {offset: 0.0, slope: 1.0}, min_duration_s: 0.5}\n"
        "- {prompt: quiet, negatives: [loud], threshold: 0.95}\n"
        "- {prompt: silence, alternatives: [quiet], negatives: [loud]}\n"
    )
    outcome = run("detect", "a.wav", "--prompts", "p.yaml", "--format", "csv", "-o", "out.csv")
    assert outcome.code == 0, outcome.err
    found = list(csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text())))
    assert [(row["prompt"], float(row["onset_s"])) for row in found] == [
        ("silence", 0.0),
        ("noise", 1.0),
        ("silence", 2.0),
    ]
    assert [row["probability"] for row in found] == ["", "0.900000", ""]
    again = run("detect", "--settings", "out.csv.settings.yaml", "--format", "csv")
    assert again.out == (tmp_path / "out.csv").read_text()
    # a threshold on the command line is meant for every prompt
    by_hand = run("detect", "a.wav", "--prompts", "p.yaml", "--threshold", "0.85", "--format", "csv")
    assert sorted({row[3] for row in csv.reader(io.StringIO(by_hand.out))} - {"prompt"}) == [
        "noise",
        "quiet",
        "silence",
    ]


def test_false_alarm_budget_chooses_the_threshold_by_the_number_of_prompts(run, stub, make_recording, monkeypatch):
    make_recording("a.wav")
    outcome = run("detect", "a.wav", "-p", "loud", "--false-alarms", "1/h")
    assert outcome.code == 2
    assert "nobody measured" in outcome.err
    assert run("detect", "a.wav", "-p", "loud", "--false-alarms", "often").code == 2
    assert "give one of them" in run("detect", "a.wav", "-p", "x", "--false-alarms", "1/h", "--threshold", "0.5").err


def test_precision_needs_a_review(run, stub, make_recording, tmp_path):
    make_recording("a.wav")
    assert "run flam review" in run("detect", "a.wav", "-p", "loud", "--precision-target", "0.9").err
    (tmp_path / "p.yaml").write_text(
        "prompts: [{prompt: loud, threshold: 0.99, threshold_for_precision: {0.8: 0.7, 0.95: 0.95}}]"
    )
    base = ("detect", "a.wav", "--prompts", "p.yaml", "--format", "csv")
    assert rows(run(*base).out) == []
    assert len(rows(run(*base, "--precision-target", "0.8").out)) == 1
    assert rows(run(*base, "--precision-target", "0.9").out) == []
    assert "its review found none" in run(*base, "--precision-target", "0.99").err
