"""What the teacher calls a sound, learnt through the names of its classes: words for sounds that no label names."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from flam.core import ConfigError


def class_loss(
    features: Tensor, text_features: Tensor, log_temperature_inverse: Tensor, scores: Tensor, least: float = 0.1
) -> Tensor:
    """Cross-entropy from how the teacher shares its certainty out among its classes to how near their names are.

    Parameters
    ----------
    features : (..., D) float tensor of windows, L2-normalised along D
    text_features : (C, D) float tensor, one text per class, L2-normalised along D
    log_temperature_inverse : scalar tensor; logits are ``exp`` of it times the cosine
    scores : (..., C) float tensor, the teacher's probabilities in [0, 1]; several classes may hold
    least : windows without a class this likely don't count

    Returns
    -------
    scalar; 0 where no window counts

    Raises
    ------
    ConfigError : not as many texts as classes

    >>> import torch
    >>> names = torch.eye(2)
    >>> near, far = names[:1], names[1:]
    >>> scores = torch.tensor([[0.8, 0.0]])
    >>> class_loss(near, names, torch.tensor(1.0), scores) < class_loss(far, names, torch.tensor(1.0), scores)
    tensor(True)
    """
    if len(text_features) != scores.shape[-1]:
        raise ConfigError(
            f"{len(text_features)} names for {scores.shape[-1]} classes: give one per class, in their order"
        )
    heard = scores.amax(dim=-1) >= least
    logits = log_temperature_inverse.exp() * features[heard] @ text_features.T
    if not len(logits):
        return features.sum() * 0
    wanted = scores[heard] / scores[heard].sum(dim=-1, keepdim=True)
    return functional.cross_entropy(logits, wanted)
