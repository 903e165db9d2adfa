"""The losses of frames against texts (Eq. 4 and 10), and the labels they read."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from flam.core.errors import ModelError


def framewise_loss(
    frame_features: Tensor,
    text_features: Tensor,
    logit_scale: Tensor,
    logit_bias: Tensor,
    labels: Tensor,
    valid: Tensor | None = None,
) -> Tensor:
    """Mean of ``-log sigmoid(z * h)`` over valid (clip, frame, text) triples, ``h = alpha(y) * c + beta(y)``.

    The bias is detached: it learns the prior from Eq. 10 alone, and here corrects for it. The scale is trained here.

    Parameters
    ----------
    frame_features : Tensor
        (B, T, D) float tensor, L2-normalised along D
    text_features : Tensor
        (K, D) float tensor, L2-normalised along D
    logit_scale : Tensor
        (K,) float tensor, alpha(y) > 0
    logit_bias : Tensor
        (K,) float tensor, beta(y)
    labels : Tensor
        (B, T, K) bool tensor, True where the text sounds (z = +1), False where it does not (z = -1)
    valid : Tensor | None, optional
        tensor that broadcasts to (B, T, K). Bool: triples that are False don't count. Float: how much each counts, 0.25
        for a negative that may be present after all. None: all count

    Returns
    -------
    Tensor
        scalar; 0 where nothing is valid

    Examples
    --------
    >>> import torch
    >>> ones = torch.ones(1, 1, 1)
    >>> loss = framewise_loss(ones, ones[0], ones[0, 0], torch.zeros(1), ones.bool())
    >>> round(loss.item(), 4)  # log(1 + exp(-1))
    0.3133
    """
    losses = framewise_losses(frame_features, text_features, logit_scale, logit_bias, labels)
    if valid is None:
        return losses.mean() if losses.numel() else losses.sum()
    weights = valid.expand_as(losses).to(losses.dtype)
    return (losses * weights).sum() / weights.sum().clamp(min=torch.finfo(losses.dtype).tiny)


def framewise_losses(
    frame_features: Tensor, text_features: Tensor, logit_scale: Tensor, logit_bias: Tensor, labels: Tensor
) -> Tensor:
    """``-log sigmoid(z * h)`` of each triple, (B, T, K); parameters as ``framewise_loss``.

    Examples
    --------
    >>> import torch
    >>> ones = torch.ones(1, 1, 1)
    >>> framewise_losses(ones, ones[0], ones[0, 0], torch.zeros(1), ones.bool()).shape
    torch.Size([1, 1, 1])
    """
    logits = logit_scale * (frame_features @ text_features.T) + logit_bias.detach()
    return functional.softplus(logits.where(~labels, -logits))


def prior_loss(logit_bias: Tensor, labels: Tensor, valid: Tensor | None = None) -> Tensor:
    """Binary cross-entropy of sigmoid(beta(y)) against the rate of positive (clip, frame) slots of each text.

    Parameters
    ----------
    logit_bias : Tensor
        (K,) float tensor, beta(y)
    labels : Tensor
        (B, T, K) bool tensor, True where the text sounds
    valid : Tensor | None, optional
        bool tensor that broadcasts to (B, T, K); slots that are False count in neither numerator nor denominator

    Returns
    -------
    Tensor
        scalar mean over the texts that have a valid slot; 0 where none has

    Examples
    --------
    >>> import torch
    >>> labels = torch.tensor([[[True], [False]]])
    >>> round(prior_loss(torch.zeros(1), labels).item(), 4)  # rate 0.5, log 2
    0.6931
    """
    weights = labels.new_ones((), dtype=logit_bias.dtype) if valid is None else valid.to(logit_bias.dtype)
    weights = weights.expand(labels.shape)
    slots = weights.sum(dim=(0, 1))
    losses = prior_losses(logit_bias, (labels * weights).sum(dim=(0, 1)), slots)
    return losses.sum() / (slots > 0).sum().clamp(min=1)


def prior_losses(logit_bias: Tensor, positive_slots: Tensor, slots: Tensor) -> Tensor:
    """Cross-entropy of each text, (K,); 0 for a text without a slot.

    Parameters
    ----------
    logit_bias : Tensor
        (K,) float tensor, beta(y)
    positive_slots : Tensor
        (K,) tensor, in how many (clip, frame) slots the text sounds
    slots : Tensor
        (K,) tensor, in how many it could

    Examples
    --------
    >>> import torch
    >>> prior_losses(torch.zeros(2), torch.tensor([1, 0]), torch.tensor([2, 0]))
    tensor([0.6931, 0.0000])
    """
    rate = positive_slots.to(logit_bias.dtype) / slots.clamp(min=1)
    losses = functional.binary_cross_entropy_with_logits(logit_bias, rate, reduction="none")
    return losses.masked_fill(slots == 0, 0.0)


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
