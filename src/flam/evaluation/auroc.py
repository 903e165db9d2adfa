"""Area under the ROC curve, per prompt and averaged."""

from __future__ import annotations

import numpy as np


def auroc(scores: np.ndarray, labels: np.ndarray) -> float:
    """Probability that a positive scores above a negative, ties counted half (the Mann-Whitney statistic).

    Parameters
    ----------
    scores : np.ndarray
        (N,) float array
    labels : np.ndarray
        (N,) bool array

    Returns
    -------
    float
        area in [0, 1]; NaN where all labels are equal

    Examples
    --------
    >>> auroc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]))
    0.75
    """
    labels = np.asarray(labels, dtype=bool)
    n_positive = int(labels.sum())
    n_negative = labels.size - n_positive
    if n_positive == 0 or n_negative == 0:
        return float("nan")
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    mean_ranks = np.cumsum(counts) - (counts - 1) / 2
    rank_sum = mean_ranks[inverse][labels].sum()
    return float((rank_sum - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))


def macro_auroc(scores: np.ndarray, labels: np.ndarray) -> float:
    """Mean of ``auroc`` over the columns of (N, K) tables that have both positives and negatives; NaN where none has.

    Examples
    --------
    >>> macro_auroc(np.array([[0.1, 0.3], [0.9, 0.2]]), np.array([[False, True], [True, True]]))
    1.0
    """
    areas = np.array([auroc(scores[:, k], labels[:, k]) for k in range(scores.shape[1])])
    return float(np.mean(areas[~np.isnan(areas)])) if np.any(~np.isnan(areas)) else float("nan")
