"""An option for the instance loss: each pair of clip and text is a binary decision (SigLIP, Zhai et al., 2023)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def sigmoid_loss(
    audio_features: Tensor,
    text_features: Tensor,
    log_scale: Tensor,
    bias: Tensor,
    positives: Tensor,
    valid: Tensor | None = None,
) -> Tensor:
    """Sum of ``-log sigmoid(z * (exp(log_scale) * c + bias))`` over valid pairs, for each pair that belongs together.

    With one right partner each this is SigLIP's loss: the sum over all pairs, divided by the number of clips. Unlike
    InfoNCE it needs no sum over the batch inside the logarithm, and the training starts well with a scale of 10 and a
    bias of -10, since nearly all pairs are wrong.

    Parameters
    ----------
    audio_features : Tensor
        (B, D) float tensor, L2-normalised along D
    text_features : Tensor
        (K, D) float tensor, L2-normalised along D
    log_scale : Tensor
        scalar tensor
    bias : Tensor
        scalar tensor
    positives : Tensor
        (B, K) bool tensor, True where clip and text belong together
    valid : Tensor | None, optional
        (B, K) tensor. Bool: pairs that are False don't count. Float: how much each counts. None: all count

    Returns
    -------
    Tensor
        scalar; divided by 1 where nothing belongs together

    Examples
    --------
    >>> import torch
    >>> right = torch.eye(2, dtype=torch.bool)
    >>> round(sigmoid_loss(torch.eye(2), torch.eye(2), torch.tensor(0.0), torch.tensor(0.0), right).item(), 4)
    1.0064
    """
    losses = sigmoid_losses(audio_features, text_features, log_scale, bias, positives)
    weights = torch.ones_like(losses) if valid is None else valid.to(losses.dtype)
    return (losses * weights).sum() / (positives & (weights > 0)).sum().clamp(min=1)


def sigmoid_losses(
    audio_features: Tensor, text_features: Tensor, log_scale: Tensor, bias: Tensor, positives: Tensor
) -> Tensor:
    """``-log sigmoid(z * h)`` of each pair, (B, K); parameters as ``sigmoid_loss``.

    Examples
    --------
    >>> import torch
    >>> sigmoid_losses(torch.eye(2), torch.eye(2), torch.tensor(0.0), torch.tensor(0.0), torch.eye(2).bool()).shape
    torch.Size([2, 2])
    """
    logits = log_scale.exp() * (audio_features @ text_features.T) + bias
    return functional.softplus(logits.where(~positives, -logits))
