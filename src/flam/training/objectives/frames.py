"""Losses of frames against texts, on clips whose sounds have labels."""

from __future__ import annotations

from torch import Tensor

from flam.losses import ring_framewise_loss, ring_prior_loss
from flam.training.task import objective
from flam.training.tasks.flam import FlamStep


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
