"""Where texts usually lie: a prior for the place of a new one, as a few clips can't tell it alone."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

FLOOR = 0.1


class UsualTexts(NamedTuple):
    """The normal distribution of known texts: ``mean (D,)`` and ``precision (D, D)``, the inverse covariance."""

    mean: Tensor
    precision: Tensor


def usual_texts(text_features: Tensor) -> UsualTexts:
    """Fit the distribution; a tenth of the mean variance is added to every direction.

    Parameters
    ----------
    text_features : (M, D) float tensor of known texts
    """
    covariance = torch.cov(text_features.T)
    floor = FLOOR * covariance.diagonal().mean() * torch.eye(len(covariance), device=covariance.device)
    return UsualTexts(text_features.mean(dim=0), torch.linalg.inv(covariance + floor))


def likeness_loss(text_features: Tensor, usual: UsualTexts) -> Tensor:
    """Squared Mahalanobis distance of K texts from the known ones, by dimension: mean 1 for texts like them.

    Directions in which sounds differ and no words do are those of microphones and rooms; a new text that leans there
    has remembered its clips.

    Parameters
    ----------
    text_features : (K, D) float tensor

    >>> usual = UsualTexts(torch.zeros(2), torch.eye(2))
    >>> likeness_loss(torch.tensor([[2.0, 0.0]]), usual).item()
    2.0
    """
    offset = text_features - usual.mean
    return ((offset @ usual.precision) * offset).sum(dim=-1).mean() / offset.shape[-1]
