"""Which candidate to ask about next: some of every score, then where the threshold will lie."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from flam.review.candidates import Pool
from flam.review.counts import bin_of

# The upper bins are narrow, as the threshold lies among the best candidates; asking for the best alone is worst of all.
BIN_EDGES = (0.0, 0.5, 0.75, 0.875, 0.9375, 1.0)
PER_BIN = 2
RANDOM_EVERY = 4


def first_questions(pool: Pool, seed: int = 0) -> list[int]:
    """Two candidates of each bin of scores, by chance, from the highest bin down, then once more.

    Parameters
    ----------
    pool : Pool
        The candidates of the prompt.
    seed : int
        Of the chance.

    Returns
    -------
    list of int
        Places in the pool, each once; fewer than ten where a bin holds fewer than two.

    Examples
    --------
    >>> len(first_questions(Pool(np.linspace(0.1, 0.9, 100)))), len(first_questions(Pool(np.array([0.5]))))
    (10, 1)
    """
    rng = np.random.default_rng(seed)
    bins = bin_of(pool.x, BIN_EDGES)
    drawn = [
        rng.permutation(np.flatnonzero(bins == number))[:PER_BIN] for number in reversed(range(len(BIN_EDGES) - 1))
    ]
    return [int(places[turn]) for turn in range(PER_BIN) for places in drawn if turn < len(places)]


def spread_questions(pool: Pool, n_questions: int, seed: int = 0) -> list[int]:
    """All questions at once, where answers come back in a file: as many of each bin as fit, from the highest bin down.

    Examples
    --------
    >>> len(spread_questions(Pool(np.linspace(0.1, 0.9, 100)), 20))
    20
    """
    rng = np.random.default_rng(seed)
    bins = bin_of(pool.x, BIN_EDGES)
    drawn = [rng.permutation(np.flatnonzero(bins == number)) for number in reversed(range(len(BIN_EDGES) - 1))]
    places = [int(own[turn]) for turn in range(len(pool.x)) for own in drawn if turn < len(own)]
    return places[:n_questions]


def next_question(pool: Pool, asked: Collection[int], n_answers: int, threshold: float, seed: int = 0) -> int | None:
    """The next candidate: one of the first questions; then the one nearest to the threshold, each fourth by chance.

    Parameters
    ----------
    pool : Pool
        The candidates of the prompt.
    asked : collection of int
        Places of candidates that are answered or passed over.
    n_answers : int
        Answers so far, which says whose turn chance is.
    threshold : float
        The score that would be chosen now.
    seed : int
        Of the chance; equal seeds ask the same.

    Returns
    -------
    int or None
        Place in the pool; None if all were asked.
    """
    for place in first_questions(pool, seed):
        if place not in asked:
            return place
    is_open = np.ones(len(pool.x), bool)
    is_open[list(asked)] = False
    places = np.flatnonzero(is_open)
    if not len(places):
        return None
    if n_answers % RANDOM_EVERY == RANDOM_EVERY - 1:
        return int(np.random.default_rng((seed, n_answers)).choice(places))
    distance = np.abs(pool.x[places] - pool.standardise(np.array(threshold)))
    return int(places[distance.argmin()])
