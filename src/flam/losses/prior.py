"""The prior loss of FLAM (Eq. 10): a text's bias learns how often the text is true."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def prior_loss(logit_bias: Tensor, labels: Tensor, valid: Tensor | None = None) -> Tensor:
    """Binary cross-entropy of sigmoid(beta(y)) against the rate of positive (clip, frame) slots of each text.

    Parameters
    ----------
    logit_bias : (K,) float tensor, beta(y)
    labels : (B, T, K) bool tensor, True where the text sounds
    valid : bool tensor that broadcasts to (B, T, K); slots that are False count in neither numerator nor denominator

    Returns
    -------
    scalar mean over the texts that have a valid slot; 0 where none has

    >>> import torch
    >>> labels = torch.tensor([[[True], [False]]])
    >>> round(prior_loss(torch.zeros(1), labels).item(), 4)  # rate 0.5, log 2
    0.6931
    """
    weights = labels.new_ones((), dtype=logit_bias.dtype) if valid is None else valid.to(logit_bias.dtype)
    weights = weights.expand(labels.shape)
    slots = weights.sum(dim=(0, 1))
    rate = (labels * weights).sum(dim=(0, 1)) / slots.clamp(min=1)
    losses = functional.binary_cross_entropy_with_logits(logit_bias, rate, reduction="none")
    counted = (slots > 0).to(losses.dtype)
    return (losses * counted).sum() / counted.sum().clamp(min=1)
