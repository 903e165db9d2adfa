"""What each process of a training brings: its texts, and what it knows of its clips."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from flam.core.errors import ModelError


class TextShard(NamedTuple):
    """The texts of one process.

    text_features : (K, D) float tensor, L2-normalised along D
    logit_scale : (K,) float tensor, alpha(y) > 0
    logit_bias : (K,) float tensor, beta(y)
    text_ids : (K,) int64 tensor; the same caption has the same id in every process
    valid : (K,) bool tensor, False for padding, which never counts, whatever its features
    """

    text_features: Tensor
    logit_scale: Tensor
    logit_bias: Tensor
    text_ids: Tensor
    valid: Tensor


class FrameLabels(NamedTuple):
    """What sounds in the clips of one process, against any text id, also those that only other processes hold.

    A text without an entry is a negative of the clip.

    clip : (E,) int64 tensor, the row of the clip
    text_id : (E,) int64 tensor
    active : (E, T) bool tensor; where several entries name the same clip and text, their union counts
    unsure_clip : (U,) int64 tensor
    unsure_text_id : (U,) int64 tensor; these pairs of clip and text are neither right nor wrong in any frame
    clip_valid : (B,) bool tensor, False for padding clips, which never count, whatever their features
    """

    clip: Tensor
    text_id: Tensor
    active: Tensor
    unsure_clip: Tensor
    unsure_text_id: Tensor
    clip_valid: Tensor


def dense_labels(labels: FrameLabels, text_ids: Tensor, n_frames: int) -> tuple[Tensor, Tensor]:
    """The labels of some texts as ``framewise_loss`` and ``prior_loss`` take them.

    Parameters
    ----------
    labels : FrameLabels
        what sounds in B clips
    text_ids : Tensor
        (K,) int64 tensor; an id that occurs twice gets the same true label twice
    n_frames : int
        T

    Returns
    -------
    tuple[Tensor, Tensor]
        (B, T, K) bool tensor, True where the text sounds; (B, K) bool tensor, True where the pair is unsure

    Raises
    ------
    ModelError
        the entries have another number of frames

    Examples
    --------
    >>> none = torch.zeros(0, dtype=torch.int64)
    >>> sounds = torch.ones(1, 1, dtype=torch.bool)
    >>> labels = FrameLabels(torch.tensor([0]), torch.tensor([5]), sounds, none, none, clip_valid=sounds[0])
    >>> dense_labels(labels, torch.tensor([4, 5]), n_frames=1)[0]
    tensor([[[False,  True]]])
    """
    if labels.active.shape[1] != n_frames:
        raise ModelError(
            f"labels of {labels.active.shape[1]} frames for clips of {n_frames}: both need the same frame grid; "
            "make the labels with the model's time grid"
        )
    n_clips, n_texts = len(labels.clip_valid), len(text_ids)
    entry, text = (labels.text_id[:, None] == text_ids).nonzero(as_tuple=True)
    count = torch.zeros(n_clips * n_texts, n_frames, dtype=torch.int32, device=text_ids.device)
    count.index_add_(0, labels.clip[entry] * n_texts + text, labels.active[entry].int())
    active = (count > 0).view(n_clips, n_texts, n_frames).transpose(1, 2)

    pair, text = (labels.unsure_text_id[:, None] == text_ids).nonzero(as_tuple=True)
    unsure = torch.zeros(n_clips, n_texts, dtype=torch.bool, device=text_ids.device)
    unsure[labels.unsure_clip[pair], text] = True
    return active, unsure
