"""Losses of whole clips against whole texts."""

from __future__ import annotations

from torch import Tensor

from flam.losses import ring_infonce_loss, ring_sigmoid_loss
from flam.training.task import objective
from flam.training.tasks.flam import FlamStep


@objective("clip", FlamStep, needs=["captions"])
def clip_loss(step: FlamStep) -> Tensor:
    """Compute the instance loss (Eq. 1), InfoNCE over the clips and captions of all processes."""
    captions = step.captions
    assert captions is not None
    return ring_infonce_loss(
        captions.audio_features,
        captions.texts.text_ids,
        captions.texts,
        step.features.log_temperature_inverse,
        step.group,
        captions.texts.valid,
        step.hardness,
        step.similarity,
    )


@objective("sigmoid", FlamStep, needs=["captions", "sigmoid"])
def sigmoid_clip_loss(step: FlamStep) -> Tensor:
    """Compute SigLIP's loss (arXiv 2303.15343), each pair of clip and caption a decision of its own."""
    captions, features = step.captions, step.features
    assert captions is not None
    assert features.sigmoid_log_scale is not None
    assert features.sigmoid_bias is not None
    return ring_sigmoid_loss(
        captions.audio_features,
        captions.texts.text_ids,
        captions.texts,
        features.sigmoid_log_scale,
        features.sigmoid_bias,
        step.group,
        captions.texts.valid,
    )
