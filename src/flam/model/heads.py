"""The small layers between the towers and the joint space: projections, and the heads for scale and bias (Eq. 2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def projection(n_in: int, n_hidden: int, n_out: int) -> nn.Sequential:
    """From a tower's embedding to the joint space."""
    return nn.Sequential(nn.Linear(n_in, n_hidden), nn.ReLU(), nn.Linear(n_hidden, n_out))


def scalar_head(n_in: int, initial: float, per_text: bool) -> nn.Module:
    """A module from (K, E) text embeddings to (K, 1), near ``initial`` at the start.

    Parameters
    ----------
    n_in : int
        E
    initial : float
        the value that the output starts around
    per_text : bool
        True for a small network of the embedding; False for one learnt number that all texts share

    Examples
    --------
    >>> scalar_head(8, initial=-8.0, per_text=False)(torch.zeros(2, 8)).tolist()
    [[-8.0], [-8.0]]
    """
    if not per_text:
        return SharedScalar(initial)
    hidden, last = nn.Linear(n_in, n_in), nn.Linear(n_in, 1)
    with torch.no_grad():
        last.bias.add_(initial)
    return nn.Sequential(hidden, nn.GELU(), last)


class SharedScalar(nn.Module):
    """One learnt number, whatever the text."""

    def __init__(self, initial: float):
        super().__init__()
        self.value = nn.Parameter(torch.tensor([initial]))

    def forward(self, text_embedding: Tensor) -> Tensor:
        """(K, E) -> (K, 1)"""
        return self.value + torch.zeros_like(text_embedding[:, :1])  # not len(): a graph is for any K
