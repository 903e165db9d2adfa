"""Sparsemax: like softmax, but most weights are exactly 0 (Martins and Astudillo, 2016)."""

from __future__ import annotations

import torch
from torch import Tensor


def sparsemax(scores: Tensor, dim: int = -1) -> Tensor:
    """The point of the probability simplex nearest to the scores: ``max(score - threshold, 0)``, which sums to 1.

    ``MGACLAP`` weights the codewords of its codebook with it.

    Parameters
    ----------
    scores : Tensor
        float tensor of any shape
    dim : int, default -1
        the dimension along which the weights sum to 1

    Returns
    -------
    Tensor
        tensor like ``scores``

    Examples
    --------
    >>> sparsemax(torch.tensor([2.0, 1.5, 0.0]))
    tensor([0.7500, 0.2500, 0.0000])
    """
    scores = scores.transpose(dim, -1)
    scores = scores - scores.detach().amax(dim=-1, keepdim=True)  # changes nothing but the rounding of large scores
    ordered = scores.sort(dim=-1, descending=True).values
    # with the n highest scores in the support the threshold is (their sum - 1) / n, and each of them lies above it
    rank = torch.arange(1, scores.shape[-1] + 1, device=scores.device, dtype=scores.dtype)
    thresholds = (ordered.cumsum(dim=-1) - 1.0) / rank
    support = (ordered > thresholds).sum(dim=-1, keepdim=True)
    return (scores - thresholds.gather(-1, support - 1)).clamp(min=0.0).transpose(dim, -1)
