"""The sweep over thresholds: every detection that any threshold makes, its pairings, and what changes where.

A detection is a longest run of frames that reach the threshold. As the threshold falls, runs appear at the peaks of the
scores, grow, and merge; two runs of one column are either nested or apart. So F frames have at most F different
runs, each of them alive between the lowest score inside of it (its level) and the higher one of its two neighbours
(its parent's level). Threshold-independent evaluation follows the idea of Ebbers, Serizel and Haeb-Umbach,
"Threshold-independent evaluation of sound event detection scores", ICASSP 2022: add up the changes that each score
brings.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

TIME_DECIMALS = 6  # times are compared to the microsecond, so that 0.7 of 1 s is reached by 0.3 s and 0.4 s
MARGIN_S = 1e-3  # by which ``near`` looks further than it has to, against rounding


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


@dataclass(frozen=True)
class NestedRuns:
    """N runs of one column.

    Parameters
    ----------
    first, last : np.ndarray
        (N,) int arrays, rows of the table; ``last`` belongs to the run
    row : np.ndarray
        (N,) int array, a row that has the run's level as its score
    parent_row : np.ndarray
        (N,) int array, a row that has the score at which the run is swallowed; -1 for one that never is
    n_rows : int
        rows of the table
    """

    first: np.ndarray
    last: np.ndarray
    row: np.ndarray
    parent_row: np.ndarray
    n_rows: int

    def changes(self, amounts: np.ndarray) -> np.ndarray:
        """(n_rows,) float array: what each row's score adds to the sum of (N,) ``amounts`` over the runs alive."""
        has_parent = self.parent_row >= 0
        come = np.bincount(self.row, amounts, self.n_rows)
        return come - np.bincount(self.parent_row[has_parent], amounts[has_parent], self.n_rows)


def nested_runs(scores: np.ndarray, recording_of_row: np.ndarray, chosen: np.ndarray) -> NestedRuns:
    """Find all runs of the chosen recordings.

    Parameters
    ----------
    scores : np.ndarray
        (F,) float array, finite
    recording_of_row : np.ndarray
        (F,) int array, not decreasing
    chosen : np.ndarray
        (R,) bool array, the recordings to look at

    Examples
    --------
    >>> runs = nested_runs(np.array([0.4, 1.0, 0.6, 1.0, 0.4]), np.zeros(5, int), np.array([True]))
    >>> sorted(zip(runs.first.tolist(), runs.last.tolist()))
    [(0, 4), (1, 1), (1, 3), (3, 3)]
    """
    rows = np.flatnonzero(chosen[recording_of_row])
    # a wall of -inf around each recording
    walls = np.concatenate([[0], np.cumsum(np.diff(recording_of_row[rows]) != 0)]) if len(rows) else rows
    place = np.arange(len(rows)) + walls + 1
    padded = np.full(len(rows) + (walls[-1] if len(rows) else 0) + 2, -np.inf, dtype=scores.dtype)
    padded[place] = scores[rows]
    row_at = np.full(len(padded), -1)
    row_at[place] = rows
    before = _nearest_before(padded, or_equal=False)
    after = len(padded) - 1 - _nearest_before(padded[::-1], or_equal=True)[::-1]
    # a frame whose nearest score that is not above it equals it has the same run as that one
    own = np.flatnonzero((padded > -np.inf) & (padded[before] < padded))
    before, after = before[own], after[own]
    parent = np.where(padded[before] >= padded[after], before, after)
    return NestedRuns(row_at[before + 1], row_at[after - 1], row_at[own], row_at[parent], len(scores))


def run_count_changes(scores: np.ndarray, recording_of_row: np.ndarray) -> np.ndarray:
    """(F,) int array: what each row's score adds to the number of runs.

    That is 1 where a score is above its left neighbour, less 1 where the right neighbour is above it.

    Examples
    --------
    >>> run_count_changes(np.array([0.4, 1.0, 0.6, 1.0, 0.4]), np.zeros(5, int)).tolist()
    [0, 1, -1, 1, 0]
    """
    is_start = np.concatenate([[True], recording_of_row[1:] != recording_of_row[:-1]])
    is_end = np.concatenate([is_start[1:], [True]])
    rises = is_start.copy()
    rises[1:] |= scores[1:] > scores[:-1]
    return rises.astype(np.int64) - np.concatenate([rises[1:], [False]]) * ~is_end


def _nearest_before(scores: np.ndarray, or_equal: bool) -> np.ndarray:
    """(N,) int array: the last place before each with a score not above it; with ``or_equal``, below it.

    All places look at once: whoever meets a score that is too high goes on where that one has got to, beyond which
    everything is higher still. ``scores`` begins and ends with -inf.
    """
    nearest = np.arange(-1, len(scores) - 1)
    seeking = np.flatnonzero(scores > -np.inf)
    while len(seeking):
        met = scores[nearest[seeking]]
        own = scores[seeking]
        seeking = seeking[met >= own if or_equal else met > own]
        nearest[seeking] = nearest[nearest[seeking]]
    nearest[scores == -np.inf] = 0
    return nearest


def pairs(recording_of_item: np.ndarray, recording_of_event: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every item beside every event of its recording.

    Parameters
    ----------
    recording_of_item : np.ndarray
        (N,) int array
    recording_of_event : np.ndarray
        (E,) int array, not decreasing

    Returns
    -------
    tuple[np.ndarray, np.ndarray]
        (P,) positions of items, and (P,) positions of events

    Examples
    --------
    >>> pairs(np.array([5, 7, 8]), np.array([5, 5, 8]))
    (array([0, 0, 2]), array([0, 1, 2]))
    """
    first = np.searchsorted(recording_of_event, recording_of_item, side="left")
    counts = np.searchsorted(recording_of_event, recording_of_item, side="right") - first
    return _ranges(first, counts)


def near(
    recording_of_item: np.ndarray,
    begin_s: np.ndarray,
    end_s: np.ndarray,
    recording_of_event: np.ndarray,
    onset_s: np.ndarray,
    offset_s: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Every item beside the events of its recording that it overlaps or nearly does: few, where ``pairs`` are many.

    Parameters
    ----------
    recording_of_item, begin_s, end_s : np.ndarray
        (N,) arrays
    recording_of_event, onset_s, offset_s : np.ndarray
        (E,) arrays, ordered by recording, then time; events do not overlap

    Returns
    -------
    tuple[np.ndarray, np.ndarray]
        (P,) positions of items, in their order, and (P,) positions of events

    Examples
    --------
    >>> same = np.zeros(2)
    >>> near(same, np.array([0.0, 3.0]), np.array([2.0, 4.0]), same, np.array([1.0, 5.0]), np.array([2.0, 6.0]))
    (array([0]), array([0]))
    """
    # one axis for all recordings, on which each has its own stretch
    stretch_s = 1.0 + max(end_s.max(initial=0), offset_s.max(initial=0))
    item_s, event_s = recording_of_item * stretch_s, recording_of_event * stretch_s
    first = np.searchsorted(event_s + offset_s, item_s + np.maximum(begin_s, 0) - MARGIN_S, side="left")
    after = np.searchsorted(event_s + onset_s, item_s + end_s + MARGIN_S, side="right")
    return _ranges(first, np.maximum(after - first, 0))


def matched_changes(
    scores: np.ndarray,
    event: np.ndarray,
    row: np.ndarray,
    parent_row: np.ndarray,
    amount: np.ndarray,
    needed: np.ndarray,
) -> np.ndarray:
    """What each row's score adds to the number of events for which the runs alive amount to enough.

    Parameters
    ----------
    scores : np.ndarray
        (F,) float array
    event : np.ndarray
        (P,) int array, the event that a run adds to
    row, parent_row : np.ndarray
        (P,) int arrays, rows at whose scores the run comes and, unless -1, goes
    amount : np.ndarray
        (P,) float array, what the run adds to the event while it is alive
    needed : np.ndarray
        (E,) float array, the amount from which on an event is matched

    Returns
    -------
    np.ndarray
        (F,) float array
    """
    goes = parent_row >= 0
    event = np.concatenate([event, event[goes]])
    at = np.concatenate([row, parent_row[goes]])
    amount = np.concatenate([amount, -amount[goes]])
    order = np.lexsort((-scores[at], event))
    event, at, amount = event[order], at[order], amount[order]
    total = np.concatenate([[0.0], np.cumsum(amount)])
    first_of_event = np.searchsorted(event, event, side="left")
    total = total[1:] - total[first_of_event]
    next_differs = (event[1:] != event[:-1]) | (scores[at[1:]] != scores[at[:-1]])
    last = np.concatenate([next_differs, np.ones(min(len(event), 1), bool)])
    event, at, total = event[last], at[last], total[last]
    is_matched = np.round(total, TIME_DECIMALS) >= needed[event]
    was_matched = np.concatenate([np.zeros(min(len(event), 1), bool), is_matched[:-1] & (event[1:] == event[:-1])])
    return np.bincount(at, is_matched.astype(float) - was_matched, len(scores))


def _ranges(first: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each item, and the ``counts`` places from its ``first`` on."""
    item = np.repeat(np.arange(len(first)), counts)
    return item, first[item] + np.arange(len(item)) - np.repeat(np.cumsum(counts) - counts, counts)
