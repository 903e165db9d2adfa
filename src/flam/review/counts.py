"""How many there really are: not what passes a threshold, but the probabilities added up, with an interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from flam.core import ConfigError
from flam.review.candidates import Pool
from flam.review.logistic import LogisticFit
from flam.review.thresholds import HIGH_QUANTILE, LOW_QUANTILE

# Beta prior of a bin: little enough that one answer moves it.
PSEUDO_COUNT = 0.1
N_DRAWS = 4000


@dataclass(frozen=True)
class Estimate:
    """A number and the 80 % interval around it.

    Parameters
    ----------
    low, middle, high : float
        10 % quantile, expected value, 90 % quantile.
    """

    low: float
    middle: float
    high: float


def count_right(fit: LogisticFit, pool: Pool, answers: Mapping[int, bool]) -> Estimate:
    """How many candidates are right: those answered as they were answered, the others by their probability.

    Parameters
    ----------
    fit : LogisticFit
        Probability of a standardised score.
    pool : Pool
        All candidates of the prompt.
    answers : mapping
        Place of a candidate to whether it is right.

    Returns
    -------
    Estimate

    Examples
    --------
    >>> fit = LogisticFit(0.0, 2.0, 1e-6 * np.eye(2))
    >>> count_right(fit, Pool(np.array([0.2, 0.8])), {0: False, 1: True})
    Estimate(low=1.0, middle=1.0, high=1.0)
    """
    places = np.fromiter(answers, np.int64, len(answers))
    is_open = np.ones(len(pool.x), bool)
    is_open[places] = False
    n_known = sum(answers.values())
    x = pool.x[is_open]
    draws = fit.draws(x)
    expected, variance = draws.sum(axis=1), (draws * (1 - draws)).sum(axis=1)
    chance = np.random.default_rng(1).standard_normal(len(draws))
    counts = np.clip(expected + np.sqrt(variance) * chance, 0, len(x)) + n_known
    low, high = np.quantile(counts, (LOW_QUANTILE, HIGH_QUANTILE))
    return Estimate(float(low), float(fit.probability(x).sum() + n_known), float(high))


def call_density(pool: Pool, answers: Mapping[int, bool], edges: tuple[float, ...]) -> Estimate:
    """Share of right candidates without any assumption on how it depends on the score: by bins of it.

    Each bin has the share of its answers, weighted by how many candidates it holds; so answers that were chosen by
    score do not bias it. After Navine et al., "All thresholds barred" (2024).

    Parameters
    ----------
    pool : Pool
        All candidates of the prompt, one at least.
    answers : mapping
        Place of a candidate to whether it is right.
    edges : tuple of float
        Rising quantiles of the scores between bins, from 0 to 1.

    Returns
    -------
    Estimate

    Raises
    ------
    ConfigError
        If there is no candidate.

    Examples
    --------
    >>> pool = Pool(np.linspace(0.1, 0.9, 100))
    >>> answers = {place: place >= 50 for place in range(100)}
    >>> round(call_density(pool, answers, (0.0, 0.5, 1.0)).middle, 2)
    0.5
    """
    if len(pool.x) == 0:
        raise ConfigError("no candidates to estimate a share of; lower the floor, or take more recordings")
    bins = bin_of(pool.x, edges)
    rng = np.random.default_rng(0)
    drawn, middle = np.zeros(N_DRAWS), 0.0
    for number in range(len(edges) - 1):
        weight = float(np.mean(bins == number))
        verdicts = [is_right for place, is_right in answers.items() if bins[place] == number]
        right, wrong = sum(verdicts) + PSEUDO_COUNT, len(verdicts) - sum(verdicts) + PSEUDO_COUNT
        drawn += weight * rng.beta(right, wrong, N_DRAWS)
        middle += weight * right / (right + wrong)
    low, high = np.quantile(drawn, (LOW_QUANTILE, HIGH_QUANTILE))
    return Estimate(float(low), middle, float(high))


def bin_of(x: np.ndarray, edges: tuple[float, ...]) -> np.ndarray:
    """Which bin of quantiles each candidate lies in, by its rank, so that bins have their sizes even with equal scores.

    Parameters
    ----------
    x : numpy.ndarray
        (N,) scores.
    edges : tuple of float
        Rising quantiles, from 0 to 1.

    Returns
    -------
    numpy.ndarray
        (N,) int, 0 for the bin of the lowest scores.

    Examples
    --------
    >>> bin_of(np.array([0.3, 0.1, 0.9, 0.5]), (0.0, 0.5, 1.0)).tolist()
    [0, 0, 1, 1]
    """
    ranks = np.empty(len(x), np.int64)
    ranks[np.argsort(x, kind="stable")] = np.arange(len(x))
    return np.searchsorted(np.asarray(edges[1:-1]) * len(x), ranks, side="right")
