"""The frame loss of FLAM (Eq. 4): every frame of every clip against every text, as a binary decision."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


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
