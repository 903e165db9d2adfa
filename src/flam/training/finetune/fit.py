"""Learning where new texts lie: the towers and all that is heard stay as they are, what leads from texts moves.

A score is a cosine of a frame and a text, so that words whose texts stay where they are keep their scores. The text
projection and the two heads move, held at thousands of anchors; that is room enough for new words and takes minutes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from flam.core import atomic_path
from flam.losses import framewise_loss, prior_loss
from flam.model.flam import FLAM
from flam.model.towers import TextFeatures
from flam.training.finetune.config import FinetuneConfig
from flam.training.finetune.examples import Examples
from flam.training.finetune.likeness import UsualTexts, likeness_loss

LEARNING_PARTS = ("text_projection.", "logit_scale_head.", "logit_bias_head.")
ANCHORS_A_STEP = 512
# Where a text lies is learnt at this scale, whatever alpha is: at a higher one, a few clips are soon remembered.
PLACING_SCALE = 4.0
LEAST_LR_SHARE = 0.02


@dataclass(frozen=True)
class TextEmbeddings:
    """What the frozen text tower says.

    Parameters
    ----------
    learnt : (W, K, E) float tensor, W ways to say each of K texts to learn
    anchors : (M, E) float tensor, of the texts that stay
    anchor_features : where those are in the joint space before anything is learnt
    usual : where such texts lie in general
    """

    learnt: Tensor
    anchors: Tensor
    anchor_features: TextFeatures
    usual: UsualTexts


def fit(
    model: FLAM,
    examples: Examples,
    texts: TextEmbeddings,
    config: FinetuneConfig,
    state_path: Path,
    should_stop: Callable[[], bool] = lambda: False,
    progress: Callable[[int, int, dict[str, float]], None] = lambda done, total, losses: None,
) -> int:
    """Teach a model the texts, or go on where an earlier run stopped; the model is changed in place.

    Every epoch is a function of the seed and the epoch before, so that an interruption changes nothing.

    Parameters
    ----------
    model : in evaluation mode
    examples : labels have K columns, those of ``texts.learnt``
    state_path : file that holds the state after each epoch
    should_stop : asked before each step; what the steps of a part of an epoch taught stays
    progress : told of epochs done, epochs in all, and the mean losses of the last

    Returns
    -------
    epochs that are done
    """
    trained = {name: value for name, value in model.named_parameters() if name.startswith(LEARNING_PARTS)}
    optimiser = torch.optim.Adam(trained.values(), lr=config.lr)
    epoch = _restored(trained, optimiser, state_path)
    prior = log_odds(examples).to(texts.anchors.device)
    with _trained_alone(model, trained):
        while epoch < config.epochs and not should_stop():
            rng = np.random.default_rng([config.seed, epoch])
            sums: dict[str, float] = {}
            batches = _batches(len(examples.frame_features), config.batch_size, rng)
            for number, rows in enumerate(batches):
                if number and should_stop():
                    return epoch  # with what this part of an epoch taught
                share = (epoch + number / len(batches)) / config.epochs
                for group in optimiser.param_groups:
                    group["lr"] = config.lr * max(0.5 + 0.5 * math.cos(math.pi * share), LEAST_LR_SHARE)
                batch = Examples(*(part[rows] for part in examples))
                losses = step_losses(model, batch, texts, prior, rng)
                total = torch.stack([config.weights[name] * value for name, value in losses.items()]).sum()
                optimiser.zero_grad()
                total.backward()
                optimiser.step()
                for name, value in losses.items():
                    sums[name] = sums.get(name, 0.0) + value.item() / len(batches)
            epoch += 1
            _keep(trained, optimiser, epoch, state_path)
            progress(epoch, config.epochs, sums)
    return epoch


def log_odds(examples: Examples) -> Tensor:
    """(K,) beta* of Eq. 6: how often each text sounds, as log odds; one frame is added to both sides."""
    sounding = (examples.labels & examples.valid[..., None]).sum(dim=(0, 1)) + 1.0
    return (sounding / (examples.valid.sum() + 2.0)).logit()


def step_losses(
    model: FLAM, examples: Examples, texts: TextEmbeddings, prior: Tensor, rng: np.random.Generator
) -> dict[str, Tensor]:
    """The losses of one batch, each text to learn said in one of its ways.

    ``frame_loss`` is Eq. 4 at a mild scale and moves the texts' places alone; ``scale_loss`` is Eq. 4 and moves their
    alpha alone, both with the bias that is best, ``prior (K,)``; ``prior_loss`` is Eq. 10; ``likeness_loss`` and
    ``anchor_loss`` keep new texts usual and others still.
    """
    device = texts.anchors.device
    n_ways, n_texts, _ = texts.learnt.shape
    ways = torch.from_numpy(rng.integers(n_ways, size=n_texts)).to(device)
    learnt = model.project_text(texts.learnt[ways, torch.arange(n_texts, device=device)])
    place, scale, bias = learnt
    frames = examples.frame_features.to(device).float()
    labels, valid = examples.labels.to(device), examples.valid.to(device)[..., None]
    chosen = torch.from_numpy(rng.permutation(len(texts.anchors))[:ANCHORS_A_STEP]).to(device)
    before = TextFeatures(*(part[chosen] for part in texts.anchor_features))
    return {
        "frame_loss": framewise_loss(frames, place, torch.full_like(scale, PLACING_SCALE), prior, labels, valid),
        "scale_loss": framewise_loss(frames, place.detach(), scale, prior, labels, valid),
        "prior_loss": prior_loss(bias, labels, valid),
        "likeness_loss": likeness_loss(place, texts.usual),
        "anchor_loss": anchor_loss(model.project_text(texts.anchors[chosen]), before),
    }


def anchor_loss(now: TextFeatures, before: TextFeatures) -> Tensor:
    """How far texts have moved: squared distance of their features, of log alpha and of beta.

    >>> texts = TextFeatures(torch.eye(2), torch.ones(2), torch.zeros(2))
    >>> anchor_loss(texts, texts).item(), anchor_loss(texts._replace(logit_bias=torch.ones(2)), texts).item()
    (0.0, 1.0)
    """
    return (
        (now.text_features - before.text_features).square().sum(dim=-1).mean()
        + functional.mse_loss(now.logit_scale.log(), before.logit_scale.log())
        + functional.mse_loss(now.logit_bias, before.logit_bias)
    )


def _batches(n_examples: int, batch_size: int, rng: np.random.Generator) -> list[Tensor]:
    order = torch.from_numpy(rng.permutation(n_examples))
    return list(order.split(batch_size))


@contextmanager
def _trained_alone(model: FLAM, trained: dict[str, Any]) -> Iterator[None]:
    """Nothing but ``trained`` gets a gradient, within."""
    before = {name: value.requires_grad for name, value in model.named_parameters()}
    for name, value in model.named_parameters():
        value.requires_grad_(name in trained)
    try:
        yield
    finally:
        for name, value in model.named_parameters():
            value.requires_grad_(before[name])


def _keep(trained: dict[str, Any], optimiser: torch.optim.Optimizer, epoch: int, path: Path) -> None:
    with atomic_path(path) as unfinished:
        torch.save({"epoch": epoch, "weights": trained, "optimiser": optimiser.state_dict()}, unfinished)


def _restored(trained: dict[str, Any], optimiser: torch.optim.Optimizer, path: Path) -> int:
    """Put the kept state into weights and optimiser; returns the epochs that it is after."""
    if not path.exists():
        return 0
    kept = torch.load(path, map_location="cpu", weights_only=True)
    with torch.no_grad():
        for name, value in trained.items():
            value.copy_(kept["weights"][name])
    optimiser.load_state_dict(kept["optimiser"])
    return kept["epoch"]
