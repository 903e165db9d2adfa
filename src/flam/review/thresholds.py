"""From the probability of each candidate to the threshold that a user wants."""

from __future__ import annotations

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
