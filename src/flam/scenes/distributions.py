"""Distributions of a recipe: each is a dataclass whose one field is its name in YAML, as in ``{uniform: [6, 30]}``.

To add one, write a class with ``draw`` and ``bounds`` and name it in ``Distribution``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np


@dataclass(frozen=True)
class Constant:
    """Always the same number.

    Examples
    --------
    >>> Constant(3.0).draw(np.random.default_rng(0))
    3.0
    """

    constant: float

    def draw(self, rng: np.random.Generator) -> float:
        return self.constant

    @property
    def bounds(self) -> tuple[float, float]:
        return self.constant, self.constant


@dataclass(frozen=True)
class Uniform:
    """Any number from the lowest to the highest, all alike.

    Examples
    --------
    >>> 6 <= Uniform((6.0, 30.0)).draw(np.random.default_rng(0)) <= 30
    True
    """

    uniform: tuple[float, float]

    def __post_init__(self) -> None:
        _check_order("uniform", self.uniform)

    def draw(self, rng: np.random.Generator) -> float:
        return float(rng.uniform(*self.uniform))

    @property
    def bounds(self) -> tuple[float, float]:
        return self.uniform


@dataclass(frozen=True)
class LogUniform:
    """Any positive number from the lowest to the highest, uniform in its logarithm.

    Examples
    --------
    >>> 3500 <= LogUniform((3500.0, 16000.0)).draw(np.random.default_rng(0)) <= 16000
    True
    """

    log_uniform: tuple[float, float]

    def __post_init__(self) -> None:
        _check_order("log_uniform", self.log_uniform)
        if self.log_uniform[0] <= 0:
            raise ValueError(f"log_uniform {list(self.log_uniform)} must be positive; use uniform instead")

    def draw(self, rng: np.random.Generator) -> float:
        low, high = self.log_uniform
        return min(max(math.exp(rng.uniform(math.log(low), math.log(high))), low), high)

    @property
    def bounds(self) -> tuple[float, float]:
        return self.log_uniform


@dataclass(frozen=True)
class Integers:
    """A whole number from the first to the last, both included, all alike.

    Examples
    --------
    >>> Integers((2, 3)).draw(np.random.default_rng(0)) in (2, 3)
    True
    """

    integers: tuple[int, int]

    def __post_init__(self) -> None:
        _check_order("integers", self.integers)

    def draw(self, rng: np.random.Generator) -> float:
        return int(rng.integers(self.integers[0], self.integers[1] + 1))

    @property
    def bounds(self) -> tuple[float, float]:
        return self.integers


@dataclass(frozen=True)
class Normal:
    """Normal with this mean and standard deviation; without bounds, so not for quantities that must be positive.

    Examples
    --------
    >>> Normal((0.0, 5.0)).bounds
    (-inf, inf)
    """

    normal: tuple[float, float]

    def __post_init__(self) -> None:
        if self.normal[1] < 0:
            raise ValueError(
                f"normal {list(self.normal)} is [mean, standard deviation]; the second must not be negative"
            )

    def draw(self, rng: np.random.Generator) -> float:
        return float(rng.normal(*self.normal))

    @property
    def bounds(self) -> tuple[float, float]:
        return -math.inf, math.inf


@dataclass(frozen=True)
class TruncatedNormal:
    """Normal with this mean and standard deviation, of which only the part from lowest to highest is drawn.

    Examples
    --------
    >>> 0.5 <= TruncatedNormal((1.0, 0.2, 0.5, 2.0)).draw(np.random.default_rng(0)) <= 2.0
    True
    """

    truncated_normal: tuple[float, float, float, float]

    def __post_init__(self) -> None:
        mean, deviation, low, high = self.truncated_normal
        _check_order("truncated_normal", (low, high))
        if deviation <= 0 or NormalDist(mean, deviation).cdf(high) - NormalDist(mean, deviation).cdf(low) < 1e-6:
            raise ValueError(
                f"truncated_normal {list(self.truncated_normal)} is [mean, standard deviation, lowest, highest]; the "
                "deviation must be positive and the bounds hold at least a millionth of the distribution"
            )

    def draw(self, rng: np.random.Generator) -> float:
        mean, deviation, low, high = self.truncated_normal
        normal = NormalDist(mean, deviation)
        share = rng.uniform(normal.cdf(low), normal.cdf(high))
        return min(max(normal.inv_cdf(min(max(share, 1e-15), 1 - 1e-15)), low), high)

    @property
    def bounds(self) -> tuple[float, float]:
        return self.truncated_normal[2:]


@dataclass(frozen=True)
class Choice:
    """One of some numbers, all alike.

    Examples
    --------
    >>> Choice((1.0, 2.0)).draw(np.random.default_rng(0)) in (1.0, 2.0)
    True
    """

    choice: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.choice:
            raise ValueError("choice [] holds no number; give at least one")

    def draw(self, rng: np.random.Generator) -> float:
        return self.choice[rng.integers(len(self.choice))]

    @property
    def bounds(self) -> tuple[float, float]:
        return min(self.choice), max(self.choice)


@dataclass(frozen=True)
class Weighted:
    """One of some numbers, each as often as its weight says: pairs of (number, weight).

    Examples
    --------
    >>> Weighted(((1.0, 0.0), (2.0, 3.0))).draw(np.random.default_rng(0))
    2.0
    """

    weighted: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        weights = [weight for _, weight in self.weighted]
        if min(weights, default=-1.0) < 0 or sum(weights) <= 0:
            raise ValueError(f"weighted {self.weighted} holds [number, weight] pairs; weights must be >= 0, not all 0")

    def draw(self, rng: np.random.Generator) -> float:
        cumulative = np.cumsum([weight for _, weight in self.weighted])
        place = np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right")
        return self.weighted[int(place)][0]

    @property
    def bounds(self) -> tuple[float, float]:
        drawn = [number for number, weight in self.weighted if weight > 0]
        return min(drawn), max(drawn)


Distribution = Constant | Uniform | LogUniform | Integers | Normal | TruncatedNormal | Choice | Weighted


def check_bounds(name: str, distribution: Distribution | None, low: float, high: float = math.inf) -> None:
    """Refuse a distribution that can draw outside [low, high].

    Raises
    ------
    ValueError
        it can

    Examples
    --------
    >>> check_bounds("speed", Uniform((0.0, 2.0)), 0.25, 4.0)
    Traceback (most recent call last):
    ValueError: speed is drawn from 0.0 to 2.0; it must stay within 0.25 to 4.0
    """
    if distribution is not None and not (low <= distribution.bounds[0] and distribution.bounds[1] <= high):
        drawn = " to ".join(str(bound) for bound in distribution.bounds)
        raise ValueError(f"{name} is drawn from {drawn}; it must stay within {low} to {high}")


def check_share(name: str, share: float) -> None:
    """Refuse a share outside [0, 1].

    Raises
    ------
    ValueError
        it is outside
    """
    if not 0 <= share <= 1:
        raise ValueError(f"{name} is {share}; a share must lie within 0 to 1")


def _check_order(name: str, bounds: tuple[float, float]) -> None:
    if not (math.isfinite(bounds[0]) and math.isfinite(bounds[1]) and bounds[0] <= bounds[1]):
        raise ValueError(f"{name} {list(bounds)} must be finite numbers, the lowest first")
