"""The losses of FLAM and its baselines: clips against texts, and frames against texts where sounds have labels."""

from __future__ import annotations

from torch import Tensor

from flam.losses import ring_framewise_loss, ring_infonce_loss, ring_prior_loss, ring_sigmoid_loss
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


@objective("frame", FlamStep, needs=["frames"])
def frame_loss(step: FlamStep) -> Tensor:
    """Compute the frame loss (Eq. 4) over the clips and texts of all processes."""
    frames = step.frames
    assert frames is not None
    return ring_framewise_loss(frames.frame_features, frames.labels, frames.texts, step.group, step.unsure_weight)


@objective("prior", FlamStep, needs=["frames"])
def prior_loss(step: FlamStep) -> Tensor:
    """Compute the prior loss (Eq. 10) over the clips and texts of all processes."""
    frames = step.frames
    assert frames is not None
    return ring_prior_loss(frames.labels, frames.texts, frames.frame_features.shape[1], step.group)
