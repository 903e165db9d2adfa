"""A run leaves what it should, stops and goes on without a trace, and refuses what can't be meant."""

import json
import math
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
import yaml

import flam
from flam.cli.main import main
from flam.core import ConfigError, ModelError
from flam.hub.card import read_card
from flam.model.checkpoint import load_checkpoint
from flam.training import trainer
from flam.training.log import read_log
from flam.training.trainer import train

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("exported")]


def losses(folder):
    return [
        {name: value for name, value in entry.items() if name not in ("clips_per_s", "data_wait_share")}
        for entry in read_log(folder)
    ]


@pytest.fixture(scope="module")
def finished(tiny_settings, tmp_path_factory):
    """A run that was never stopped."""
    folder = tmp_path_factory.mktemp("finished")
    recipe = folder / "tiny.yaml"
    recipe.write_text(yaml.safe_dump(tiny_settings), encoding="utf-8")
    seen = []
    figures = train(recipe, folder / "run", progress=lambda done, steps, figures: seen.append(done))
    assert seen == list(range(1, 13))
    assert 0 <= figures["validation_frame_auroc"] <= 1
    return folder / "run"


def test_a_run_leaves_models_checkpoints_log_and_picture(finished):
    assert sorted(path.name for path in finished.iterdir()) == [
        "best",
        "checkpoints",
        "config.yaml",
        "curves.png",
        "final",
        "log.jsonl",
    ]
    assert sorted(path.name for path in (finished / "checkpoints").iterdir()) == [
        "step_00000010.pt",
        "step_00000012.pt",
    ]
    entries = read_log(finished)
    assert [entry["step"] for entry in entries] == [2, 4, 6, 8, 10, 12]
    assert all({"clip_loss", "frame_loss", "prior_loss", "lr", "gradient_norm"} <= entry.keys() for entry in entries)
    validated = [entry for entry in entries if "validation_frame_auroc" in entry]
    assert [entry["step"] for entry in validated] == [6, 12]
    best = max(validated, key=lambda entry: entry["validation_frame_auroc"])
    assert read_card(finished / "best").facts["step"] == str(best["step"])
    for entry in validated:
        assert entry["logit_scale_quantiles"] == sorted(entry["logit_scale_quantiles"])
        assert -1 <= entry["text_cosine"] <= 1


def test_the_final_model_holds_the_average_and_detects(finished):
    averaged = torch.load(finished / "checkpoints" / "step_00000012.pt", weights_only=True)["average"]
    for name, value in load_checkpoint(finished / "final").model.state_dict().items():
        assert torch.equal(value, averaged[f"model.{name}"]), name
    detector = flam.load(finished / "final", backend="onnx")
    scores = detector.score(np.zeros(48_000 * 2, np.float32), ["door slam"])
    assert np.isfinite(scores.scores).all()


def test_killed_at_any_moment_and_started_again_it_is_as_if_it_had_never_stopped(finished, tiny_recipe, tmp_path):
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "flam", "train", str(tiny_recipe), "-o", str(folder), "--quiet"]
    process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    # past a checkpoint, and past lines of the log that come after it
    while not any(entry["step"] >= 8 for entry in read_log(folder)) and time.monotonic() < deadline:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    with open(folder / "log.jsonl", "a") as file:
        file.write('{"step": 9, "clip_lo')  # a line that the kill cut off
    train(tiny_recipe, folder)
    assert losses(folder) == losses(finished)
    theirs, ours = (load_checkpoint(run / "final").model.state_dict() for run in (finished, folder))
    for name, value in theirs.items():
        assert torch.equal(ours[name], value), name


@pytest.mark.parametrize("steps", [1, 5, 7])
def test_stopped_after_any_step_the_losses_are_the_same(finished, tiny_recipe, tmp_path, steps):
    folder = tmp_path / "run"

    def stop(done, total, figures):
        if done == steps:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tiny_recipe, folder, progress=stop)
    train(tiny_recipe, folder)
    assert losses(folder) == losses(finished)


def test_a_finished_run_is_finished(finished):
    before = read_log(finished)
    figures = train(finished / "config.yaml", finished, progress=lambda *_: pytest.fail("a step was taken"))
    assert figures["validation_frame_auroc"] is not None
    assert read_log(finished) == before


def test_micro_batches_train_the_same_model(finished, tiny_recipe, tmp_path):
    changes = ("compute.frozen_norms=true", "augment.band_masks=0", "optim.steps=4")
    train(tiny_recipe, tmp_path / "whole", changes)
    train(tiny_recipe, tmp_path / "cut", (*changes, "compute.micro_batch_size=3"))
    for whole, cut in zip(losses(tmp_path / "whole"), losses(tmp_path / "cut"), strict=True):
        for name in ("clip_loss", "frame_loss", "prior_loss"):
            assert cut[name] == pytest.approx(whole[name], rel=1e-4)


def test_another_recipe_in_the_same_folder_is_refused(finished, capsys):
    code = main(["train", str(finished / "config.yaml"), "-o", str(finished), "--set", "optim.lr=0.1", "-q"])
    assert code == 2
    assert "optim.lr is 0.003 there and 0.1 here" in capsys.readouterr().err


def test_a_folder_with_other_files_is_refused(tiny_recipe, tmp_path):
    with pytest.raises(ConfigError, match="holds files that are no run's"):
        train(tiny_recipe, tmp_path)


def test_a_folder_is_not_taken_by_a_recipe_that_fails(tiny_recipe, tmp_path):
    with pytest.raises(ConfigError):
        train(tiny_recipe, tmp_path / "run", ("start.tokenizer=null",))
    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_no_number_stops_the_run_and_saves_the_batch(tiny_recipe, tmp_path, monkeypatch):
    whole = trainer.accumulate_gradients

    def spoilt(*arguments, **options):
        return {name: value * math.nan for name, value in whole(*arguments, **options).items()}

    monkeypatch.setattr(trainer, "accumulate_gradients", spoilt)
    with pytest.raises(ConfigError, match=r"step 0: clip_loss nan.*bad_batch_0.pt.*lower optim.lr"):
        train(tiny_recipe, tmp_path / "run")
    saved = torch.load(tmp_path / "run" / "bad_batch_0.pt", weights_only=True)
    assert saved["waveform"].shape == (8, 61_440)
    assert len(saved["texts"]) >= 4


def test_a_damaged_checkpoint_is_named(finished, tiny_recipe, tmp_path):
    train(tiny_recipe, tmp_path / "run", ("optim.steps=2",))
    path = tmp_path / "run" / "checkpoints" / "step_00000002.pt"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ModelError, match=r"step_00000002.pt: can't be read.*delete it"):
        train(tiny_recipe, tmp_path / "run", ("optim.steps=2",))


def test_a_model_starts_from_an_earlier_one(finished, tiny_recipe, tmp_path):
    changes = (f"start.model={finished / 'final'}", "start.tokenizer=null", "optim.steps=1", "optim.lr=1.0e-12")
    train(tiny_recipe, tmp_path / "second", changes)
    first, second = (load_checkpoint(run / "final").model for run in (finished, tmp_path / "second"))
    assert torch.allclose(first.text_projection[0].weight, second.text_projection[0].weight, atol=1e-6)
    with pytest.raises(ConfigError, match=r"weights are missing or of another shape, the first is audio_projection"):
        train(tiny_recipe, tmp_path / "third", (*changes, "model.hidden_dim=8"))


def test_shared_scale_and_bias_are_one_number(tiny_recipe, tmp_path):
    changes = ("model.per_text_scale=false", "model.per_text_bias=false", "optim.steps=2")
    train(tiny_recipe, tmp_path / "run", changes)
    texts = load_checkpoint(tmp_path / "run" / "final").model.embed_text(["door slam", "a bell"])
    assert texts.logit_scale[0] == texts.logit_scale[1]
    assert texts.logit_bias[0] == texts.logit_bias[1]
    assert texts.logit_bias[0] != -8.0  # it has learnt


def test_the_log_is_json_lines(finished):
    for line in (finished / "log.jsonl").read_text().splitlines():
        assert json.loads(line)["step"] > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("optim.lrr=1", "unknown key 'lrr'"),
        ("optim.steps", "must be key=value"),
        ("losses={clap: 1.0}", "unknown loss 'clap'; known losses: clip, frame, prior"),
        ("losses={clip: 0, frame: 0, prior: 0}", "none has a weight"),
        ("data.captions=[]", "clip needs sources in data.captions"),
        ("validation_data.frames=[]", "validation_data: captions and frames are both empty"),
        ("start.tokenizer=null", "name a tokenizer.json"),
        ("model.text.vocab_size=10", "the tokenizer has 12000 pieces"),
        ("freeze=[heads]", "no weight's name begins with 'heads'"),
    ],
)
def test_mistakes_in_a_recipe_are_told(tiny_recipe, tmp_path, change, message):
    with pytest.raises((ConfigError, ModelError), match=message):
        train(tiny_recipe, tmp_path / "run", (change,))
