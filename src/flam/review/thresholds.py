"""From the probability of each candidate to the threshold that a user wants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from flam.core import ConfigError
from flam.review.candidates import Pool
from flam.review.logistic import LogisticFit

# Intervals that are reported lie between these quantiles of the posterior: they hold 80 % of it.
LOW_QUANTILE, HIGH_QUANTILE = 0.1, 0.9
CAUTIOUS_QUANTILE = 0.2
STEP_CANDIDATES = 4096
# Beta prior of a bin: little enough that one answer moves it.
PSEUDO_COUNT = 0.1
N_DRAWS = 4000


@dataclass(frozen=True)
class Target:
    """What the threshold is chosen for.

    Parameters
    ----------
    kind : {"precision", "f1"}
        A share of right ones among the events found, or the best balance of precision and recall.
    precision : float
        That share, in (0, 1); without effect for "f1".
    quantile : float
        How sure to be of it: the precision reached at this quantile of the posterior counts. 0.5 is the plain middle,
        the default 0.2 gives up recall for being right about the precision in four of five prompts.

    Raises
    ------
    ConfigError
        If a number is out of range.
    """

    kind: Literal["precision", "f1"] = "precision"
    precision: float = 0.9
    quantile: float = CAUTIOUS_QUANTILE

    def __post_init__(self) -> None:
        if not 0 < self.precision < 1:
            raise ConfigError(f"precision {self.precision} must be within (0, 1); 0.9 is a good value")
        if not 0 < self.quantile < 1:
            raise ConfigError(f"quantile {self.quantile} must be within (0, 1); 0.2 is cautious, 0.5 is not")


@dataclass(frozen=True)
class ChosenThreshold:
    """A threshold and what to expect of it.

    Parameters
    ----------
    score : float
        An event counts if its maximum score reaches this.
    is_reached : bool
        False where no threshold meets the target; ``score`` is then that of the best candidate.
    precision : tuple of float
        Expected share of right ones among the candidates at or above it: 10 % quantile, median, 90 % quantile.
    recall : float
        Expected share of the right candidates that lie at or above it.
    n_found : int
        Candidates at or above it.
    """

    score: float
    is_reached: bool
    precision: tuple[float, float, float]
    recall: float
    n_found: int


def choose_threshold(fit: LogisticFit, pool: Pool, target: Target) -> ChosenThreshold:
    """The lowest threshold whose candidates are right as often as wanted, or the one of the best F1.

    Parameters
    ----------
    fit : LogisticFit
        Probability of a standardised score.
    pool : Pool
        The candidates of the prompt, one at least.
    target : Target
        What is wanted.

    Returns
    -------
    ChosenThreshold

    Raises
    ------
    ConfigError
        If the pool is empty.

    Examples
    --------
    >>> fit = LogisticFit(0.0, 4.0, 1e-6 * np.eye(2))
    >>> pool = Pool(np.array([0.1, 0.3, 0.5, 0.7, 0.9, 0.95]))
    >>> choose_threshold(fit, pool, Target(precision=0.9)).score
    0.9
    """
    if len(pool.x) == 0:
        raise ConfigError("no candidates to choose a threshold from; lower the floor, or take more recordings")
    order = np.argsort(-pool.x, kind="stable")
    x, scores = pool.x[order], pool.scores[order]
    # candidates of equal scores are found together
    is_last = np.append(scores[1:] != scores[:-1], True)
    p = fit.probability(x)
    right = np.cumsum(p)
    numbers = np.arange(1, len(x) + 1)
    if target.kind == "f1":
        value = np.where(is_last, 2 * right / (numbers + right[-1]), -1.0)
        place, is_reached = int(value.argmax()), True
    else:
        meets = np.flatnonzero(is_last & (_precision_quantile(fit, x, target.quantile) >= target.precision))
        is_reached = len(meets) > 0
        place = int(meets[-1]) if is_reached else int(np.flatnonzero(is_last)[0])
    low, middle, high = precision_interval(fit, x[: place + 1])
    return ChosenThreshold(
        float(scores[place]), is_reached, (low, middle, high), float(right[place] / right[-1]), place + 1
    )


def precision_interval(fit: LogisticFit, x: np.ndarray) -> tuple[float, float, float]:
    """Expected share of right ones among candidates: 10 % quantile, median and 90 % quantile of the posterior.

    Parameters
    ----------
    fit : LogisticFit
        Probability of a standardised score.
    x : numpy.ndarray
        (N,) standardised scores, one at least.

    Returns
    -------
    tuple[float, float, float]
        tuple of float
    """
    right = np.sum([fit.draws(part).sum(axis=1) for part in _parts(x)], axis=0)
    low, middle, high = np.quantile(right / len(x), (LOW_QUANTILE, 0.5, HIGH_QUANTILE))
    return float(low), float(middle), float(high)


def _precision_quantile(fit: LogisticFit, x: np.ndarray, quantile: float) -> np.ndarray:
    """(N,) for each number of best candidates, a quantile of their expected share of right ones."""
    result, before, n_before = [], np.zeros((1, 1)), 0
    for part in _parts(x):  # all draws of all candidates at once could fill the memory
        right = before + fit.draws(part).cumsum(axis=1)
        lower = np.partition(right, int(quantile * len(right)), axis=0)[int(quantile * len(right))]
        result.append(lower / np.arange(n_before + 1, n_before + len(part) + 1))
        before, n_before = right[:, -1:], n_before + len(part)
    return np.concatenate(result)


def _parts(x: np.ndarray) -> list[np.ndarray]:
    return [x[start : start + STEP_CANDIDATES] for start in range(0, len(x), STEP_CANDIDATES)]


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
