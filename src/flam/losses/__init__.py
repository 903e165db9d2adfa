"""The losses as functions of tensors."""

from flam.losses.clip import infonce_loss, pooled_similarity, sigmoid_loss
from flam.losses.frame import FrameLabels, TextShard, dense_labels, framewise_loss, prior_loss
from flam.losses.ring import ring_framewise_loss, ring_infonce_loss, ring_prior_loss, ring_sigmoid_loss

__all__ = [
    "FrameLabels",
    "TextShard",
    "dense_labels",
    "framewise_loss",
    "infonce_loss",
    "pooled_similarity",
    "prior_loss",
    "ring_framewise_loss",
    "ring_infonce_loss",
    "ring_prior_loss",
    "ring_sigmoid_loss",
    "sigmoid_loss",
]
