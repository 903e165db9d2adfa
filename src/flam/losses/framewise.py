"""The frame loss of FLAM (Eq. 4): every frame of every clip against every text, as a binary decision."""

from __future__ import annotations

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
    frame_features : (B, T, D) float tensor, L2-normalised along D
    text_features : (K, D) float tensor, L2-normalised along D
    logit_scale : (K,) float tensor, alpha(y) > 0
    logit_bias : (K,) float tensor, beta(y)
    labels : (B, T, K) bool tensor, True where the text sounds (z = +1), False where it does not (z = -1)
    valid : bool tensor that broadcasts to (B, T, K); triples that are False don't count. None: all count

    Returns
    -------
    scalar; 0 where nothing is valid

    >>> import torch
    >>> ones = torch.ones(1, 1, 1)
    >>> loss = framewise_loss(ones, ones[0], ones[0, 0], torch.zeros(1), ones.bool())
    >>> round(loss.item(), 4)  # log(1 + exp(-1))
    0.3133
    """
    logits = logit_scale * (frame_features @ text_features.T) + logit_bias.detach()
    losses = functional.softplus(logits.where(~labels, -logits))
    if valid is None:
        return losses.mean() if losses.numel() else losses.sum()
    weights = valid.expand_as(losses).to(losses.dtype)
    return (losses * weights).sum() / weights.sum().clamp(min=1)
