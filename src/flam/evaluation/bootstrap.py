"""Bootstrap intervals: recordings are drawn again, because frames and events of one recording are alike.

Percentile bootstrap: Efron and Tibshirani, "An introduction to the bootstrap", 1993.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Interval:
    """A value and the middle ``share`` of what it was over the draws; NaN bounds without draws."""

    value: float
    low: float
    high: float


def recording_weights(n_recordings: int, n_draws: int, seed: int) -> np.ndarray:
    """(1 + n_draws, n_recordings) float array, how often each recording counts: once, then as drawn with replacement.

    Examples
    --------
    >>> weights = recording_weights(4, 2, seed=0)
    >>> weights[0].tolist(), weights.sum(axis=1).tolist()
    ([1.0, 1.0, 1.0, 1.0], [4.0, 4.0, 4.0])
    """
    drawn = np.random.default_rng(seed).multinomial(n_recordings, np.full(n_recordings, 1 / n_recordings), n_draws)
    return np.concatenate([np.ones((1, n_recordings)), drawn])


def interval(values: np.ndarray, share: float) -> Interval:
    """The first of (1 + D,) values with the interval of the others; draws that are NaN don't count.

    Examples
    --------
    >>> interval(np.array([0.5, 0.1, 0.2, 0.3, 0.4, 0.5]), share=0.5)
    Interval(value=0.5, low=0.2, high=0.4)
    """
    draws = values[1:][~np.isnan(values[1:])]
    if len(draws) == 0:
        return Interval(float(values[0]), float("nan"), float("nan"))
    low, high = np.quantile(draws, [(1 - share) / 2, (1 + share) / 2])
    return Interval(float(values[0]), float(low), float(high))


def mean_of_rows(values: np.ndarray) -> np.ndarray:
    """(D,) mean of each row of (D, K) values, without those that are NaN; NaN where all are.

    Examples
    --------
    >>> mean_of_rows(np.array([[1.0, np.nan], [np.nan, np.nan]]))
    array([ 1., nan])
    """
    counted = ~np.isnan(values)
    n_counted = counted.sum(axis=1)
    return np.divide(
        np.where(counted, values, 0).sum(axis=1), n_counted, out=np.full(len(values), np.nan), where=n_counted > 0
    )
