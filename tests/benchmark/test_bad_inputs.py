"""What is wrong with data, truth or scores, as one meets it who types ``flam evaluate``: told and counted."""

import json
import re
import shutil

import numpy as np
import pytest
import soundfile
from safetensors.numpy import load_file, save_file

from flam.hub.hub import resolve

RATE = 48_000
HEADER = "filename\tonset\toffset\tevent_label\n"


@pytest.fixture
def desed(tmp_path):
    """Three seconds of noise as DESED is laid out; the caller says what is in its table."""
    root = tmp_path / "corpora" / "DESED"
    audio = root / "audio" / "validation" / "validation"
    audio.mkdir(parents=True)
    for number in range(3):
        noise = np.random.default_rng(number).normal(0, 0.1, RATE).astype(np.float32)
        soundfile.write(audio / f"{number}.wav", noise, RATE, subtype="FLOAT")
    table = root / "metadata" / "validation" / "validation.tsv"
    table.parent.mkdir(parents=True)

    def write(*rows):
        table.write_text(HEADER + "".join("\t".join(row.split()) + "\n" for row in rows))
        return audio

    write("0.wav 0.2 0.8 Dog", "1.wav 0.5 1.0 Cat", "2.wav")
    return write


@pytest.fixture
def evaluate(run, tmp_path):
    def call(*arguments, model="flam-mini"):
        outcome = run(
            *("evaluate", "--model", model, "--benchmark", "desed", "--data-root", tmp_path / "corpora"),
            *("--device", "cpu", "--cache", tmp_path / "cache", "-o", tmp_path / "report", "-q", *arguments),
        )
        table = tmp_path / "report" / "table.md"
        outcome.table = table.read_text() if table.exists() else ""
        return outcome

    return call


def test_a_wrong_data_root_is_told_with_where_to_get_the_corpus(run, tmp_path):
    (tmp_path / "empty").mkdir()
    for root, message in (("nowhere", "no such folder"), ("empty", "holds no folder DESED with its tables")):
        outcome = run("evaluate", "--benchmark", "desed", "--data-root", root, "--cache", "c", "-o", "report")
        assert outcome.code == 2
        assert message in outcome.err
    assert "https://" in outcome.err
    assert not (tmp_path / "report").exists()


def test_an_incomplete_data_root_is_evaluated_and_counted(desed, evaluate):
    (desed("0.wav 0.2 0.8 Dog", "1.wav 0.5 1.0 Cat", "2.wav") / "1.wav").unlink()
    outcome = evaluate()
    assert outcome.code == 1
    assert "warning: desed: 1 of 3 recordings are not there" in outcome.err
    assert "- 2 recordings of 3" in outcome.table
    assert "1.wav" in outcome.table


def test_rows_that_make_no_sense_are_named_with_the_recordings_they_cost(desed, evaluate):
    desed("0.wav 0.1 nan Dog", "1.wav 0.5 0.2 Dog", "2.wav 0.1 0.5 Dog")
    outcome = evaluate()
    assert outcome.code == 1
    for line, recording in ((2, "0.wav"), (3, "1.wav")):
        assert f"line {line}: " in outcome.err
        assert f"'{recording}' is left out" in outcome.err
    assert "- 1 recordings" in outcome.table
    assert outcome.table.count("is left out") == 2


def test_classes_missing_from_the_prompts(desed, evaluate):
    desed("0.wav 0.2 0.8 Unicorn", "1.wav 0.2 0.8 Dog")
    outcome = evaluate()
    assert outcome.code == 2
    assert "recordings hold 1 classes beside its prompts: unicorn; add or correct them" in outcome.err
    assert not outcome.table


def test_recordings_without_events_count_and_nothing_but_them_is_refused(desed, evaluate):
    outcome = evaluate()
    assert outcome.code == 0
    assert "- 3 recordings\n" in outcome.table
    assert "- 1 recordings without events, which count for false positives" in outcome.table
    assert "- 8 prompts sound nowhere, or everywhere, and have no AUROC of their own" in outcome.table
    desed("0.wav", "1.wav")
    outcome = evaluate()
    assert outcome.code == 2
    assert "no events in any of 2 recordings" in outcome.err


def test_truth_outside_of_the_recording_is_cut_and_counted(desed, evaluate):
    desed("0.wav 0.5 3.0 Dog", "1.wav 2.0 3.0 Dog", "2.wav 0.1 0.4 Dog", "2.wav 0.3 0.6 Dog")
    outcome = evaluate()
    assert outcome.code == 0
    assert "- 1 events reach beyond the end of their recording and were cut there" in outcome.table
    assert "- 1 events without length inside of their recording were left out" in outcome.table
    assert "- 1 events touch another of their prompt and were joined with it" in outcome.table


def test_samples_that_are_not_finite_fail_their_recording_alone(desed, evaluate):
    audio = desed("0.wav 0.2 0.8 Dog", "1.wav 0.5 1.0 Cat", "2.wav")
    samples = np.full(RATE, 0.1, np.float32)
    samples[RATE // 2] = np.nan
    soundfile.write(audio / "1.wav", samples, RATE, subtype="FLOAT")
    outcome = evaluate()
    assert outcome.code == 1
    assert re.search(r"error: flam-mini: 1\.wav: .*(NaN|nan)", outcome.err)
    assert "1 recordings left out for all systems" in outcome.table
    assert "- left out: flam-mini: 1.wav: " in outcome.table


def test_scores_that_are_not_finite_are_refused_and_not_kept(desed, evaluate, tmp_path):
    folder = tmp_path / "broken"
    shutil.copytree(resolve("flam-mini"), folder)
    weights = load_file(folder / "model.safetensors")
    name = next(name for name in weights if name.startswith("audio") and weights[name].ndim > 1)
    save_file(weights | {name: np.full_like(weights[name], np.nan)}, folder / "model.safetensors")
    outcome = evaluate(model=folder)
    assert outcome.code == 2
    assert "not finite" in outcome.err
    assert not outcome.table
    assert not list((tmp_path / "cache").rglob("*.npz"))


@pytest.mark.slow
def test_an_answer_that_was_damaged_is_asked_again(desed, evaluate, tmp_path):
    assert evaluate().code == 0
    first = json.loads((tmp_path / "report" / "report.json").read_text())
    damaged, *_ = (tmp_path / "cache").rglob("*.npz")
    damaged.write_bytes(damaged.read_bytes()[:40])
    assert evaluate().code == 0
    assert json.loads((tmp_path / "report" / "report.json").read_text()) == first
