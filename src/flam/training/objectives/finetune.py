"""Losses of fine-tuning: new texts find their place, the others keep theirs."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from flam.losses import framewise_loss, prior_loss
from flam.training.task import objective
from flam.training.tasks.finetune import FinetuneStep

# Where a text lies is learnt at this scale, whatever alpha is: at a higher one, a few clips are soon remembered.
PLACING_SCALE = 4.0


@objective("frame", FinetuneStep)
def placing_loss(step: FinetuneStep) -> Tensor:
    """Compute Eq. 4 at a mild scale and the best bias: moves the places of texts alone."""
    scale = torch.full_like(step.texts.logit_scale, PLACING_SCALE)
    return framewise_loss(step.frame_features, step.texts.text_features, scale, step.best_bias, step.labels, step.valid)


@objective("scale", FinetuneStep)
def scale_loss(step: FinetuneStep) -> Tensor:
    """Compute Eq. 4 at the best bias: moves alpha of the texts alone."""
    place = step.texts.text_features.detach()
    return framewise_loss(step.frame_features, place, step.texts.logit_scale, step.best_bias, step.labels, step.valid)


@objective("prior", FinetuneStep)
def text_prior_loss(step: FinetuneStep) -> Tensor:
    """Compute Eq. 10."""
    return prior_loss(step.texts.logit_bias, step.labels, step.valid)


@objective("likeness", FinetuneStep)
def likeness_loss(step: FinetuneStep) -> Tensor:
    """Compute how unusual the new texts are: squared Mahalanobis distance by dimension, mean 1 for usual ones.

    Directions in which sounds differ and no words do are those of microphones and rooms; a new text that leans there
    has remembered its clips.
    """
    offset = step.texts.text_features - step.usual.mean
    return ((offset @ step.usual.precision) * offset).sum(dim=-1).mean() / offset.shape[-1]


@objective("anchor", FinetuneStep)
def anchor_loss(step: FinetuneStep) -> Tensor:
    """Compute how far anchors have moved: squared distance of their features, of log alpha and of beta."""
    now, before = step.anchors, step.anchors_before
    return (
        (now.text_features - before.text_features).square().sum(dim=-1).mean()
        + functional.mse_loss(now.logit_scale.log(), before.logit_scale.log())
        + functional.mse_loss(now.logit_bias, before.logit_bias)
    )
