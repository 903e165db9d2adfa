"""MGA-CLAP is trained by the same loop, on clips and captions alone."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional

import flam
from flam.core import ConfigError, to_mapping
from flam.data.training_data import CaptionBatch
from flam.losses import infonce_loss
from flam.model.mga_clap import MGACLAP, MGACLAPConfig
from flam.training.embedding import Features
from flam.training.log import read_log
from flam.training.recipe import first_difference, load_recipe
from flam.training.task import task_class
from flam.training.tasks.flam import FlamBatch
from flam.training.trainer import train

pytestmark = pytest.mark.usefixtures("exported")

CONFIGS = Path(__file__).parents[2] / "configs"
CHANGES = ("model={kind: mga_clap, n_codewords: 64}", "losses={clip: 1.0}", "augment.band_masks=0")


@pytest.mark.slow
def test_training_lowers_the_loss_and_the_result_detects(tiny_recipe, tmp_path):
    record = ("record.log_every=5", "record.validate_every=20")
    changes = (*CHANGES, *record, "optim.steps=20", "data.caption_clips=8")
    figures = train(tiny_recipe, tmp_path / "run", changes)
    assert 0 <= figures["validation_frame_auroc"] <= 1
    losses = [entry["clip_loss"] for entry in read_log(tmp_path / "run")]
    assert losses[-1] < 0.8 * losses[0]
    detector = flam.load(tmp_path / "run" / "final", device="cpu")
    assert type(detector.backend.model) is MGACLAP
    scores = detector.score(np.zeros(48_000 * 2, np.float32), ["door slam", "bell"])
    assert np.isfinite(scores.scores).all()


def losses_of(kind, features, batch):
    task = task_class(kind).__new__(task_class(kind))  # without a model and data
    task.recipe = SimpleNamespace(task=task_class(kind).settings())
    return task.losses(features, batch, frozenset({"clip"}))


def test_negatives_that_look_right_count_more():
    torch.manual_seed(0)
    audio, texts = (functional.normalize(torch.randn(6, 8), dim=-1) for _ in range(2))
    theta, none = torch.tensor(2.0), torch.zeros(6)
    ids, valid = torch.arange(6), torch.ones(6, dtype=torch.bool)
    batch = FlamBatch(CaptionBatch(torch.zeros(6, 1), list("abcdef"), ids, valid), None)
    features = Features(audio[:, None], audio, texts, none, none, theta)
    found = losses_of("mga_clap", features, batch)
    logits = theta.exp() * audio @ texts.T
    expected = []
    for scores in (logits, logits.T):
        for i, row in enumerate(scores):
            wrong = torch.cat([row[:i], row[i + 1 :]])
            weights = 5 * (0.15 * wrong).exp() / (0.15 * wrong).exp().sum()
            expected.append(-torch.log(row[i].exp() / (row[i].exp() + (weights * wrong.exp()).sum())))
    assert found["clip_loss"].item() == pytest.approx(torch.stack(expected).mean().item(), rel=1e-5)
    plain = infonce_loss(audio, texts, theta, torch.eye(6, dtype=torch.bool))
    assert found["clip_loss"] > plain + 1e-3


def test_it_knows_no_loss_of_frames(tiny_recipe, tmp_path):
    with pytest.raises(ConfigError, match="unknown loss 'frame'; known losses: clip"):
        train(tiny_recipe, tmp_path / "run", (CHANGES[0], "losses={clip: 1.0, frame: 200.0}"))


def test_the_recipe_changes_only_the_model():
    baseline, stage_1 = (load_recipe(CONFIGS / f"{name}.yaml") for name in ("mga_clap", "flam_global"))
    assert isinstance(baseline.model, MGACLAPConfig)
    assert baseline.model.audio.locality_aware
    assert baseline.model.n_codewords == 4096
    one, other = to_mapping(baseline), to_mapping(stage_1)
    changed = {key for key in one if first_difference(one[key], other[key]) is not None}
    assert changed == {"task", "model", "freeze", "card"}
