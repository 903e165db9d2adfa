"""``flam finetune`` from the command line: a folder in, a model that has a name out."""

import os
import signal
from functools import partial

import numpy as np
import pytest
import soundfile

from flam.cli import finetune
from flam.training.finetune import run

RATE = 16_000


@pytest.fixture
def sounds(tmp_path, monkeypatch):
    """Whistles and hisses in sub-folders; models go to a folder of the test, and little is mixed."""
    monkeypatch.setenv("FLAM_MODELS", str(tmp_path / "models"))
    few = partial(run.FinetuneConfig, n_scenes=8, n_held_out_scenes=4, n_takes=1, n_anchors=50, epochs=2)
    monkeypatch.setattr(run, "FinetuneConfig", few)
    monkeypatch.setattr(run, "other_sounds", lambda labels: ("door slam", "rain"))
    rng = np.random.default_rng(0)
    for label in ("zorblat", "grumvik"):
        (tmp_path / "sounds" / label).mkdir(parents=True)
        for name in "abcd":
            tone = np.sin(rng.uniform(0.5, 1.0) * np.arange(RATE)) if label == "zorblat" else rng.standard_normal(RATE)
            soundfile.write(tmp_path / "sounds" / label / f"{name}.wav", 0.2 * tone, RATE)
    return tmp_path / "sounds"


@pytest.mark.slow
def test_model_is_used_and_listed_by_its_name(run, sounds):
    taught = run("finetune", sounds, "--from", "flam-mini", "-o", "whistles")
    assert taught.code == 0, taught.err
    assert "zorblat" in taught.out
    assert "all known sounds" in taught.out
    assert "learnt from 6 recordings, 2 were held out" in taught.err
    assert "--model whistles" in taught.err
    assert "whistles" in run("models", "list").out
    card = run("models", "info", "whistles").out
    assert "where: own" in card
    assert "parent: flam-mini" in card
    found = run("detect", sounds / "zorblat" / "a.wav", "-p", "zorblat", "--model", "whistles", "--format", "csv")
    assert found.code == 0, found.err


@pytest.mark.slow
def test_broken_recording_is_told(run, sounds, tmp_path):
    (sounds / "zorblat" / "broken.wav").write_bytes(b"no audio")
    taught = run("finetune", sounds, "-o", tmp_path / "own", "--epochs", 1)
    assert taught.code == 1
    assert "broken.wav" in taught.err
    assert (tmp_path / "own" / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("phase", "code", "exists"), [("learning", 0, True), ("hearing clips", 130, False)], ids=["learning", "hearing"]
)
@pytest.mark.slow
def test_ctrl_c_keeps_what_is_learnt(run, sounds, tmp_path, monkeypatch, phase, code, exists):
    show = finetune._Progress.show

    def interrupt(self, what, done, total, figures):
        show(self, what, done, total, figures)
        if (what, done) == (phase, 1):
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(finetune._Progress, "show", interrupt)
    stopped = run("finetune", sounds, "-o", tmp_path / "own")
    assert stopped.code == code
    assert (tmp_path / "own").exists() == exists
    if exists:
        assert "stopped after 1 of 2 epochs" in stopped.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-o", "flam-mini"), "name of a model that others have too"),
        (("-o", ".hidden"), "can't be the name of a model"),
        (("-o", "own", "--epochs", 0), "must be at least 1"),
        (("-o", "own", "--from", "no-such-model"), "no model 'no-such-model'"),
    ],
)
def test_bad_input(run, sounds, arguments, message):
    refused = run("finetune", sounds, *arguments)
    assert (refused.code, refused.out) == (2, "")
    assert message in refused.err


def test_folder_without_labels(run, sounds, tmp_path):
    refused = run("finetune", sounds / "zorblat", "-o", "own")
    assert refused.code == 2
    assert "nothing says what its 4 recordings hold" in refused.err
    assert not (tmp_path / "models" / "own").exists()
