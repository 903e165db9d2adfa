"""The losses as functions of tensors."""

from flam.losses.framewise import framewise_loss
from flam.losses.infonce import infonce_loss, pooled_similarity
from flam.losses.prior import prior_loss
from flam.losses.ring import ring_framewise_loss, ring_infonce_loss, ring_prior_loss, ring_sigmoid_loss
from flam.losses.shards import FrameLabels, TextShard, dense_labels
from flam.losses.sigmoid import sigmoid_loss

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
