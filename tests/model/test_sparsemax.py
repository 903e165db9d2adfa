"""Sparsemax equals the search over all supports, in value and gradient."""

import itertools

import pytest
import torch

from flam.model.sparsemax import sparsemax


def nearest_point_of_the_simplex(scores):
    """Try each set of entries as the support; the nearest point among those that lie on the simplex."""
    best, distance = None, float("inf")
    for size in range(1, len(scores) + 1):
        for support in itertools.combinations(range(len(scores)), size):
            chosen = torch.zeros(len(scores), dtype=torch.bool)
            chosen[list(support)] = True
            threshold = (scores[chosen].sum() - 1) / size
            point = (scores - threshold).where(chosen, 0.0)
            far = (point - scores).square().sum().item()
            if (point >= 0).all() and far < distance:
                best, distance = point, far
    return best


@pytest.mark.parametrize("spread", [0.01, 0.5, 20.0])
def test_equals_the_search(spread):
    scores = spread * torch.randn(4, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    scores.requires_grad_()
    slow = torch.stack([nearest_point_of_the_simplex(row) for row in scores])
    fast = sparsemax(scores)
    assert torch.allclose(fast, slow)
    upstream = torch.arange(24.0, dtype=torch.float64).view(4, 6).sin()
    (expected,) = torch.autograd.grad(slow, scores, upstream)
    assert torch.allclose(torch.autograd.grad(fast, scores, upstream)[0], expected)


def test_any_dimension_ties_and_large_scores():
    scores = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(1))
    assert torch.equal(sparsemax(scores, dim=1), sparsemax(scores.transpose(1, 2)).transpose(1, 2))
    assert torch.allclose(sparsemax(torch.zeros(4)), torch.full((4,), 0.25))
    assert torch.equal(sparsemax(torch.tensor([1e9, 0.0])), torch.tensor([1.0, 0.0]))
