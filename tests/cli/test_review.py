"""Review, calibration and listening from the command line, on a bundled recording."""

import csv
import io
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

import flam
from flam.audio import read_audio
from flam.detection.prompt_file import read_prompt_file
from flam.review import recording_hash

STREET = Path(flam.__file__).parent / "assets" / "demo" / "street.ogg"


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    """Three pieces of the street scene, as files."""
    folder = tmp_path_factory.mktemp("street")
    waveform = read_audio(STREET, 48_000)
    for number in range(3):
        soundfile.write(folder / f"{number}.wav", waveform[number * 480_000 : (number + 1) * 480_000], 48_000)
    return folder


def answer(monkeypatch, text):
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


@pytest.mark.slow
def test_answers_become_a_prompts_file_that_detect_takes(run, street, monkeypatch, tmp_path):
    answer(monkeypatch, "x\ny\nu\ny\nn\n?\n" + "y\n" * 20)
    outcome = run("review", street, "-p", "rain", "-o", "prompts.yaml", "--floor", "0.6")
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith("rain: precision .")
    [entry] = read_prompt_file(tmp_path / "prompts.yaml").prompts
    rows = list(csv.DictReader((tmp_path / "prompts.labels.csv").open()))
    assert entry.n == sum(row["verdict"] != "unsure" for row in rows)
    assert entry.score == "approximate"
    assert {row["model_id"] for row in rows} == {entry.model_id}
    found = run("detect", street, "--prompts", "prompts.yaml", "--threshold", "0.8", "--format", "csv")
    assert found.code == 0
    assert all(0 < float(row["probability"]) < 1 for row in csv.DictReader(io.StringIO(found.out)) if row["onset_s"])


@pytest.mark.slow
def test_answers_that_were_given_are_not_asked_again(run, street, monkeypatch, tmp_path):
    answer(monkeypatch, "y\nq\n")
    assert run("review", street, "-p", "rain", "-o", "prompts.yaml", "--floor", "0.6").code == 0
    first = list(csv.DictReader((tmp_path / "prompts.labels.csv").open()))
    assert len(first) == 1
    answer(monkeypatch, "n\nq\n")
    assert run("review", street, "-p", "rain", "-o", "prompts.yaml", "--floor", "0.6").code == 0
    second = list(csv.DictReader((tmp_path / "prompts.labels.csv").open()))
    assert [row["verdict"] for row in second] == ["right", "wrong"]
    assert second[0] == first[0]


@pytest.mark.slow
def test_an_archive_is_reviewed_without_encoding_it_again(run, street, monkeypatch, tmp_path):
    assert run("index", "build", street, "-o", "archive", "-q").code == 0
    monkeypatch.setattr("flam.detection.Detector.detect", None)
    answer(monkeypatch, "y\n" * 20)
    outcome = run("review", "archive", "-p", "rain", "-o", "archived.yaml", "--floor", "0.6")
    assert outcome.code == 0, outcome.err
    rows = list(csv.DictReader((tmp_path / "archived.labels.csv").open()))
    assert rows
    assert {Path(row["recording"]).parent.name for row in rows} == {street.name}
    assert all(row["recording_hash"] == recording_hash(row["recording"]) for row in rows)


@pytest.mark.slow
def test_clips_and_questions_go_out_and_answers_come_back(run, street, tmp_path):
    assert run("review", street, "-p", "rain", "-o", "p.yaml", "--clips", "ask", "--floor", "0.6").code == 0
    text = (tmp_path / "ask" / "rain.csv").read_text()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(list((tmp_path / "ask").glob("*.wav"))) == len(rows) > 0
    for row in rows:
        row["verdict"] = "y"
    with (tmp_path / "answered.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    assert run("review", street, "-p", "rain", "-o", "p.yaml", "--answers", "answered.csv", "--floor", "0.6").code == 0
    assert read_prompt_file(tmp_path / "p.yaml").prompts[0].n == len(rows)


def test_annotated_recordings_answer_too(run, street, tmp_path):
    (tmp_path / "truth.csv").write_text(
        "recording,onset_s,offset_s,prompt\n0.wav,0,10,rain\n1.wav,,,\n2.wav,5,10,rain\n"
    )
    outcome = run("calibrate", "truth.csv", street, "-o", "p.yaml", "--floor", "0.6")
    assert outcome.code == 0, outcome.err
    [entry] = read_prompt_file(tmp_path / "p.yaml").prompts
    assert entry.prompt == "rain"
    assert entry.n > 0


def test_listening_to_standard_input_tells_events_as_lines(run, monkeypatch, tmp_path):
    waveform = read_audio(STREET, 48_000)[: 8 * 48_000]
    pcm = io.BytesIO(np.round(waveform * 32767).astype("<i2").tobytes())
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=pcm))
    monkeypatch.setattr("flam.cli.listen.stop_on_signals", lambda stop: None)
    outcome = run("listen", "-", "-p", "someone talking", "-p", "car horn", "--clips", tmp_path / "clips")
    assert outcome.code == 0, outcome.err
    notices = [json.loads(line) for line in outcome.out.splitlines()]
    kinds = [notice["kind"] for notice in notices]
    assert (kinds[0], kinds[-1]) == ("connected", "ended")
    assert kinds.count("onset") == kinds.count("offset") == kinds.count("clip") > 0
    assert len(list((tmp_path / "clips").glob("*.flac"))) == kinds.count("clip")
