"""From what each score brings to what there is at each threshold, for all recordings or some more often than others."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Changes:
    """What C counts of one prompt gain as the threshold falls from score to score.

    Parameters
    ----------
    rows : np.ndarray
        (U,) int array, rows of the scores at which any count changes, in the order of falling scores
    scores : np.ndarray
        (U,) float array, falling
    recording : np.ndarray
        (U,) int array, the recording of each row
    gains : np.ndarray
        (C, U) float array

    Examples
    --------
    >>> changes = Changes.of(np.array([0.2, 0.7, 0.2]), np.array([[1.0, 1.0, -2.0]]), np.array([0, 0, 1]))
    >>> changes.thresholds, changes.counts()
    (array([inf, 0.7, 0.2]), array([[0., 1., 0.]]))
    >>> changes.counts(np.array([1.0, 0.0])), changes.by_recording(0.5, 2)
    (array([[0., 1., 2.]]), array([[1., 0.]]))
    """

    rows: np.ndarray
    scores: np.ndarray
    recording: np.ndarray
    gains: np.ndarray

    @staticmethod
    def of(
        scores: np.ndarray, gains: np.ndarray, recording_of_row: np.ndarray, also: np.ndarray | None = None
    ) -> Changes:
        """Sort rows by their scores, without those at which nothing changes.

        Parameters
        ----------
        scores : np.ndarray
            (F,) float array
        gains : np.ndarray
            (C, F) float array, what C counts gain when the threshold falls to each score
        recording_of_row : np.ndarray
            (F,) int array
        also : np.ndarray | None, optional
            rows to keep although nothing changes there
        """
        is_used = (gains != 0).any(axis=0)
        if also is not None:
            is_used[also] = True
        used = np.flatnonzero(is_used)
        used = used[np.argsort(-scores[used])]
        return Changes(used, scores[used], recording_of_row[used], gains[:, used])

    @cached_property
    def _last(self) -> np.ndarray:
        """Places after which the score falls."""
        return np.flatnonzero(np.append(self.scores[1:] != self.scores[:-1], len(self.scores) > 0)[: len(self.scores)])

    def head(self, n_rows: int) -> Changes:
        """The first of them."""
        return Changes(self.rows[:n_rows], self.scores[:n_rows], self.recording[:n_rows], self.gains[:, :n_rows])

    def rows_until(self, gain: np.ndarray, largest: float, weights: np.ndarray) -> int:
        """How many rows there are down to the lowest threshold at which a count is at most ``largest``."""
        small = self._last[np.cumsum(gain * weights[self.recording])[self._last] <= largest]
        return int(small[-1]) + 1 if len(small) else 0

    @property
    def thresholds(self) -> np.ndarray:
        """(P,) float array, falling from infinity."""
        return np.concatenate([np.array([np.inf], self.scores.dtype), self.scores[self._last]])

    def counts(self, weights: np.ndarray | None = None, gains: np.ndarray | None = None) -> np.ndarray:
        """(C, P) counts from each threshold down to just above the next.

        Parameters
        ----------
        weights : np.ndarray | None, optional
            (R,) float array, how often each recording counts; None is once
        gains : np.ndarray | None, optional
            (C, U) float array in the place of its own
        """
        gains = self.gains if gains is None else gains
        if weights is not None:
            gains = gains * weights[self.recording]
        return np.concatenate([np.zeros((len(gains), 1)), np.cumsum(gains, axis=1)[:, self._last]], axis=1)

    def by_recording(self, threshold: float, n_recordings: int) -> np.ndarray:
        """(C, n_recordings) counts of each recording at a threshold."""
        n_rows = np.searchsorted(-self.scores, -self.scores.dtype.type(threshold), side="right")
        own = self.recording[:n_rows]
        return np.stack([np.bincount(own, gain[:n_rows], n_recordings) for gain in self.gains])
