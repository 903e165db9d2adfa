"""SigLIP's loss and PACL's pooling are trained by the same trainer, on clips and captions alone."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional

import flam
from flam.core import ConfigError
from flam.data.training_data import CaptionBatch
from flam.training.embedding import Features
from flam.training.log import read_log
from flam.training.start import BESIDE_MODEL, read_beside_model
from flam.training.task import task_class
from flam.training.tasks.flam import FlamBatch
from flam.training.trainer import train

pytestmark = pytest.mark.usefixtures("exported")

RECORD = (
    "record.log_every=5",
    "record.validate_every=20",
    "optim.steps=20",
    "data.caption_clips=8",
    "augment.band_masks=0",
)
SIGLIP = ("losses={clip: 0.0, frame: 0.0, prior: 0.0, sigmoid: 1.0}", *RECORD)
PACL = ("task={kind: pacl, sharpness: 4.0}", "losses={clip: 1.0}", *RECORD)


@pytest.mark.parametrize(("changes", "loss"), [(SIGLIP, "sigmoid_loss"), (PACL, "clip_loss")], ids=["siglip", "pacl"])
@pytest.mark.slow
def test_training_lowers_the_loss_and_the_result_detects(tiny_recipe, tmp_path, changes, loss):
    train(tiny_recipe, tmp_path / "run", changes)
    losses = [entry[loss] for entry in read_log(tmp_path / "run")]
    assert losses[-1] < 0.8 * losses[0]
    scores = flam.load(tmp_path / "run" / "final", device="cpu").score(np.zeros(48_000 * 2, np.float32), ["door slam"])
    assert np.isfinite(scores.scores).all()


@pytest.mark.slow
def test_scale_and_bias_of_the_sigmoid_loss_are_learnt_kept_and_taken_up_again(tiny_recipe, tmp_path):
    train(tiny_recipe, tmp_path / "first", SIGLIP)
    learnt = read_beside_model(tmp_path / "first" / "final")
    assert set(learnt) == {"sigmoid_log_scale", "sigmoid_bias"}
    assert learnt["sigmoid_bias"] != -10.0
    again = (f"start.model={tmp_path / 'first' / 'final'}", "start.tokenizer=null", "optim.steps=1", "optim.lr=1.0e-12")
    train(tiny_recipe, tmp_path / "second", (*SIGLIP, *again))
    for name, value in read_beside_model(tmp_path / "second" / "final").items():
        torch.testing.assert_close(value, learnt[name])
    # a run without that loss has no use for them
    train(tiny_recipe, tmp_path / "third", again)
    assert not (tmp_path / "third" / "final" / BESIDE_MODEL).exists()


def test_pacl_compares_clips_by_their_softly_weighted_frames():
    torch.manual_seed(0)
    frames, texts = (functional.normalize(torch.randn(*shape, 8), dim=-1) for shape in ((5, 3), (5,)))
    theta, none = torch.tensor(2.0), torch.zeros(5)
    batch = FlamBatch(CaptionBatch(torch.zeros(5, 1), list("abcde"), torch.arange(5), torch.ones(5) > 0), None)
    features = Features(frames, frames[:, 0], texts, none, none, theta)
    kind = task_class("pacl")
    task = kind.__new__(kind)  # without a model and data
    task.recipe = SimpleNamespace(task=kind.settings())
    found = task.losses(features, batch, frozenset({"clip"}))["clip_loss"]
    logits = torch.zeros(5, 5)
    for b in range(5):
        for k in range(5):
            cosines = frames[b] @ texts[k]
            logits[b, k] = theta.exp() * (cosines.softmax(dim=0) * cosines).sum()
    right = torch.arange(5)
    expected = (functional.cross_entropy(logits, right) + functional.cross_entropy(logits.T, right)) / 2
    torch.testing.assert_close(found, expected)


def test_pacl_knows_no_other_loss(tiny_recipe, tmp_path):
    with pytest.raises(ConfigError, match="unknown loss 'frame'; known losses: clip"):
        train(tiny_recipe, tmp_path / "run", (*PACL, "losses.frame=200.0"))
