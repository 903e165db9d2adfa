"""The prior loss of FLAM (Eq. 10): a text's bias learns how often the text is true."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


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
