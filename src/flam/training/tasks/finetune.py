"""Fine-tuning: learn where new texts lie; the towers and all that is heard stay as they are.

A score is a cosine of a frame and a text, so that words whose texts stay where they are keep their scores. The text
projection and the two heads move, held at thousands of anchors; that is room enough for new words and takes minutes.
Shapes: B clips, T frames, K texts to learn, W ways to say each, M anchors, E size of a text's embedding, D joint.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from flam.core import ConfigError
from flam.model.flam import FLAM
from flam.model.towers import TextFeatures
from flam.training.task import Notify, Task

if TYPE_CHECKING:
    from flam.training.distribution import World
    from flam.training.recipe import Recipe

LEARNING_PARTS = ("text_projection.", "logit_scale_head.", "logit_bias_head.")
ANCHORS_A_STEP = 512
COVARIANCE_FLOOR = 0.1


class Examples(NamedTuple):
    """Clips in the joint space.

    ``frame_features (B, T, D)`` float16; ``labels (B, T, K)`` bool, True where a text sounds; ``valid (B, T)`` bool,
    False after the end of a recording.
    """

    frame_features: Tensor
    labels: Tensor
    valid: Tensor


class UsualTexts(NamedTuple):
    """Where texts usually lie, a normal distribution: ``mean (D,)`` and ``precision (D, D)``, inverse covariance."""

    mean: Tensor
    precision: Tensor


@dataclass(frozen=True)
class TextEmbeddings:
    """What the frozen text tower gives.

    Parameters
    ----------
    learnt : torch.Tensor
        (W, K, E), W ways to say each of the K texts to learn.
    anchors : torch.Tensor
        (M, E), of the texts that stay.
    anchor_features : TextFeatures
        Where those are in the joint space before anything is learnt.
    usual : UsualTexts
        Where such texts lie in general.
    """

    learnt: Tensor
    anchors: Tensor
    anchor_features: TextFeatures
    usual: UsualTexts


@dataclass(frozen=True)
class FinetuneSettings:
    """Settings of the task.

    Parameters
    ----------
    batch_size : int
        Scenes and windows in a step.
    """

    kind: Literal["finetune"] = "finetune"
    batch_size: int = 16


class FinetuneBatch(NamedTuple):
    """Examples, the way in which each text is said, and the anchors that are looked at."""

    examples: Examples
    ways: Tensor
    anchors: Tensor


class Described(NamedTuple):
    """Texts to learn and anchors in the joint space, with their scale and bias."""

    text_features: Tensor
    logit_scale: Tensor
    logit_bias: Tensor
    anchor_features: Tensor
    anchor_scale: Tensor
    anchor_bias: Tensor


@dataclass(frozen=True)
class FinetuneStep:
    """What the losses look at.

    Parameters
    ----------
    frame_features : torch.Tensor
        (B, T, D).
    labels, valid : torch.Tensor
        (B, T, K) and (B, T, 1) bool.
    texts, anchors : TextFeatures
        As they are now.
    anchors_before : TextFeatures
        As they were.
    usual : UsualTexts
        Where texts lie in general.
    best_bias : torch.Tensor
        (K,) beta* of Eq. 6 of the texts to learn.
    """

    frame_features: Tensor
    labels: Tensor
    valid: Tensor
    texts: TextFeatures
    anchors: TextFeatures
    anchors_before: TextFeatures
    usual: UsualTexts
    best_bias: Tensor


class TextHeads(nn.Module):
    """The model as it is fine-tuned: from embeddings of texts into the joint space."""

    def __init__(self, model: FLAM, texts: TextEmbeddings):
        super().__init__()
        self.model = model
        self._texts = texts

    def forward(self, batch: FinetuneBatch) -> Described:
        """Describe the texts to learn, each said in its way, and the anchors."""
        texts = self._texts
        numbers = torch.arange(texts.learnt.shape[1], device=texts.learnt.device)
        learnt = self.model.project_text(texts.learnt[batch.ways.to(texts.learnt.device), numbers])
        anchors = self.model.project_text(texts.anchors[batch.anchors.to(texts.anchors.device)])
        return Described(*learnt, *anchors)


class FinetuneTask(Task):
    """Teach a model texts from examples that it has heard once.

    Parameters
    ----------
    model : FLAM
        Changed in place.
    examples : Examples
        Labels have K columns, those of ``texts.learnt``.
    texts : TextEmbeddings
        What the frozen text tower gives.
    recipe : Recipe
        Seed and size of batches.
    """

    settings: ClassVar[type] = FinetuneSettings
    step_class: ClassVar[type] = FinetuneStep

    def __init__(self, model: FLAM, examples: Examples, texts: TextEmbeddings, recipe: Recipe):
        self.module = TextHeads(model, texts)
        self._examples, self._texts, self._recipe = examples, texts, recipe
        self._best_bias = log_odds(examples).to(texts.anchors.device)

    @classmethod
    def check(cls, recipe: Recipe) -> None:
        """As ``Task``."""

    @classmethod
    def open(cls, recipe: Recipe, world: World, notify: Notify) -> FinetuneTask:
        """As ``Task``: the folder of recordings has a command of its own."""
        raise ConfigError("task finetune learns from a folder of recordings; run it with flam finetune FOLDER -o NAME")

    def batches(self, first_step: int) -> Iterator[FinetuneBatch]:
        """As ``Task``; every epoch is a function of the seed and its number."""
        n_ways, n_texts, _ = self._texts.learnt.shape
        step, epoch = 0, 0
        while True:
            rng = np.random.default_rng([self._recipe.seed, epoch])
            order = torch.from_numpy(rng.permutation(len(self._examples.frame_features)))
            for rows in order.split(self._recipe.task.batch_size):
                ways = torch.from_numpy(rng.integers(n_ways, size=n_texts))
                anchors = torch.from_numpy(rng.permutation(len(self._texts.anchors))[:ANCHORS_A_STEP])
                if step >= first_step:
                    yield FinetuneBatch(Examples(*(part[rows] for part in self._examples)), ways, anchors)
                step += 1
            epoch += 1

    def n_clips(self, batch: FinetuneBatch) -> int:
        """As ``Task``."""
        return len(batch.examples.frame_features)

    def step(self, features: Described, batch: FinetuneBatch, n_pieces: int) -> FinetuneStep:
        """As ``Task``."""
        device = features.text_features.device
        examples, texts, chosen = batch.examples, self._texts, batch.anchors.to(device)
        return FinetuneStep(
            examples.frame_features.to(device).float(),
            examples.labels.to(device),
            examples.valid.to(device)[..., None],
            TextFeatures(*features[:3]),
            TextFeatures(*features[3:]),
            TextFeatures(*(part[chosen] for part in texts.anchor_features)),
            texts.usual,
            self._best_bias,
        )

    def saved(self, batch: FinetuneBatch) -> dict[str, Any]:
        """As ``Task``."""
        return {**batch.examples._asdict(), "ways": batch.ways, "anchors": batch.anchors}


def log_odds(examples: Examples) -> Tensor:
    """Compute (K,) beta* of Eq. 6: how often each text sounds, as log odds; one frame is added to both sides."""
    sounding = (examples.labels & examples.valid[..., None]).sum(dim=(0, 1)) + 1.0
    return (sounding / (examples.valid.sum() + 2.0)).logit()


def usual_texts(text_features: Tensor) -> UsualTexts:
    """Fit the distribution of (M, D) known texts; a tenth of the mean variance is added to every direction."""
    covariance = torch.cov(text_features.T)
    floor = COVARIANCE_FLOOR * covariance.diagonal().mean() * torch.eye(len(covariance), device=covariance.device)
    return UsualTexts(text_features.mean(dim=0), torch.linalg.inv(covariance + floor))


TASK = FinetuneTask
