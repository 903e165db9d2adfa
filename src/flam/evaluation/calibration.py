"""Calibration: how far scores are from probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Reliability:
    """A reliability diagram (Niculescu-Mizil and Caruana, ICML 2005): what share of the scores in a bin is right.

    Parameters
    ----------
    edges : np.ndarray
        (N + 1,) float array, equal bins from 0 to 1
    n_scores : np.ndarray
        (N,) int array
    mean_score, positive_share : np.ndarray
        (N,) float arrays; NaN for a bin without scores
    """

    edges: np.ndarray
    n_scores: np.ndarray
    mean_score: np.ndarray
    positive_share: np.ndarray

    @property
    def error(self) -> float:
        """Expected calibration error: mean over scores of their bin's ``|mean score - share of positives|``."""
        filled = self.n_scores > 0
        gaps = np.abs(self.mean_score - self.positive_share)[filled]
        return float(np.dot(gaps, self.n_scores[filled]) / self.n_scores.sum())


def reliability(scores: np.ndarray, truth: np.ndarray, n_bins: int = 15) -> Reliability:
    """Sort scores into bins of equal width; ``ScoreTable.scores`` and ``frame_labels`` are such arrays.

    Only the posterior is meant to be a probability under the training prior, see ``flam.model.flam.score``.

    Parameters
    ----------
    scores : np.ndarray
        array of any shape, in [0, 1]
    truth : np.ndarray
        bool array of the same shape

    Raises
    ------
    ValueError
        no scores, scores outside of [0, 1], or other shapes

    Examples
    --------
    >>> reliability(np.array([0.1, 0.1, 0.9]), np.array([False, True, True]), n_bins=2).positive_share
    array([0.5, 1. ])
    """
    if scores.shape != truth.shape or scores.size == 0:
        raise ValueError(
            f"scores of shape {scores.shape} for truth of shape {truth.shape}; both need the same, not empty"
        )
    if not (scores.min() >= 0 and scores.max() <= 1):
        raise ValueError(f"scores from {scores.min()} to {scores.max()}; calibration is of probabilities in [0, 1]")
    scores, truth = scores.ravel().astype(np.float64), truth.ravel()
    bins = np.minimum((scores * n_bins).astype(int), n_bins - 1)
    sizes = np.bincount(bins, minlength=n_bins)
    empty = np.full(n_bins, np.nan)
    return Reliability(
        np.linspace(0, 1, n_bins + 1),
        sizes,
        np.divide(np.bincount(bins, scores, n_bins), sizes, out=empty.copy(), where=sizes > 0),
        np.divide(np.bincount(bins, truth, n_bins), sizes, out=empty, where=sizes > 0),
    )


def calibration_error(scores: np.ndarray, truth: np.ndarray, n_bins: int = 15) -> float:
    """Expected calibration error (Guo et al., ICML 2017): mean over bins of ``|mean score - share of positives|``.

    Parameters
    ----------
    scores : np.ndarray
        array of any shape, in [0, 1]
    truth : np.ndarray
        bool array of the same shape
    n_bins : int, default 15
        bins of equal width; each weighs as much as it holds scores

    Examples
    --------
    >>> round(calibration_error(np.array([0.2, 0.2, 0.2, 0.2, 0.2]), np.array([True, False, False, False, False])), 9)
    0.0
    """
    return reliability(scores, truth, n_bins).error
