"""The losses of whole clips against whole texts: InfoNCE (Eq. 1), SigLIP's sigmoid loss, and PACL's pooling."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

# from B clips and K texts to their (B, K) similarities
Similarity = Callable[[Tensor, Tensor], Tensor]


def infonce_loss(
    audio_features: Tensor,
    text_features: Tensor,
    log_temperature_inverse: Tensor,
    positives: Tensor,
    valid: Tensor | None = None,
    hardness: float = 0.0,
    similarity: Similarity | None = None,
) -> Tensor:
    """Symmetric InfoNCE; a clip or text may have several right partners (captions repeat).

    Each right partner has to beat the wrong ones, not the other right ones. With one right partner each, ``positives``
    the identity, it is the usual loss.

    Parameters
    ----------
    audio_features : Tensor
        (B, D) float tensor, L2-normalised along D; whatever ``similarity`` takes where it is given
    text_features : Tensor
        (K, D) float tensor, L2-normalised along D
    log_temperature_inverse : Tensor
        scalar tensor; logits are ``exp`` of it times the cosine
    positives : Tensor
        (B, K) bool tensor, True where clip and text belong together; rows and columns without any are left out
    valid : Tensor | None, optional
        (B, K) bool tensor; pairs that are False are neither right nor wrong. None: all count
    hardness : float, default 0.0
        how much more the wrong partners that look right count. Among the n wrong ones of a row with logits s, the j-th
        is multiplied by ``n * exp(hardness * s_j) / sum_k exp(hardness * s_k)`` in the softmax's denominator; 0: all
        alike; MGA-CLAP (Li et al., 2024) takes 0.15
    similarity : Similarity | None, optional
        from (B, ...) clips and (K, D) texts to their (B, K) similarities; None: the cosine

    Returns
    -------
    Tensor
        scalar; 0 where nothing belongs together

    Examples
    --------
    >>> features = torch.eye(2)
    >>> round(infonce_loss(features, features, torch.tensor(0.0), torch.eye(2, dtype=torch.bool)).item(), 4)
    0.3133
    """
    similarities = (
        similarity(audio_features, text_features) if similarity is not None else audio_features @ text_features.T
    )
    logits = log_temperature_inverse.exp() * similarities
    if valid is not None:
        logits = logits.masked_fill(~(valid | positives), float("-inf"))
    return (_infonce_one_way(logits, positives, hardness) + _infonce_one_way(logits.T, positives.T, hardness)) / 2


def pooled_similarity(frame_features: Tensor, text_features: Tensor, sharpness: float = 1.0) -> Tensor:
    """Compare clips with texts by their frames: the mean of the cosines, weighted by their softmax (PACL).

    Parameters
    ----------
    frame_features : torch.Tensor
        (B, T, D), L2-normalised along D.
    text_features : torch.Tensor
        (K, D), L2-normalised along D.
    sharpness : float
        Factor of the cosines inside the softmax: 0 weights all frames alike, a large one takes the nearest frame.

    Returns
    -------
    torch.Tensor
        (B, K).

    Examples
    --------
    >>> frames = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    >>> [round(pooled_similarity(frames, torch.tensor([[1.0, 0.0]]), sharpness).item(), 3) for sharpness in (0, 1, 99)]
    [0.5, 0.731, 1.0]
    """
    cosines = frame_features @ text_features.T
    return ((sharpness * cosines).softmax(dim=1) * cosines).sum(dim=1)


def _infonce_one_way(logits: Tensor, positives: Tensor, hardness: float) -> Tensor:
    chosen = positives.any(dim=1)
    logits, positives = logits[chosen], positives[chosen]
    wrong = logits.masked_fill(positives, float("-inf"))
    against = wrong.logsumexp(dim=1, keepdim=True)
    if hardness != 0.0:
        number = (wrong > float("-inf")).sum(dim=1, keepdim=True)
        mean = (hardness * wrong).logsumexp(dim=1, keepdim=True) - number.to(wrong.dtype).log()
        against = ((1 + hardness) * wrong).logsumexp(dim=1, keepdim=True) - mean.masked_fill(number == 0, 0.0)
    losses = (torch.logaddexp(logits, against) - logits).masked_fill(~positives, 0.0)
    return (losses.sum(dim=1) / positives.sum(dim=1)).mean() if len(losses) else logits.sum() * 0


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
