"""How far scores are from being probabilities."""

from __future__ import annotations

import numpy as np


def calibration_error(scores: np.ndarray, truth: np.ndarray, n_bins: int = 15) -> float:
    """Expected calibration error (Guo et al., ICML 2017): mean over bins of |mean score - share of positives|.

    Parameters
    ----------
    scores : array of any shape, in [0, 1]
    truth : bool array of the same shape
    n_bins : bins of equal width; each weighs as much as it holds scores

    >>> calibration_error(np.array([0.2, 0.2, 0.2, 0.2, 0.2]), np.array([True, False, False, False, False]))
    0.0
    """
    scores, truth = scores.ravel().astype(np.float64), truth.ravel()
    bins = np.minimum((scores * n_bins).astype(int), n_bins - 1)
    sizes = np.bincount(bins, minlength=n_bins)
    gaps = np.bincount(bins, scores, n_bins) - np.bincount(bins, truth, n_bins)
    return float(np.abs(gaps).sum() / sizes.sum())
