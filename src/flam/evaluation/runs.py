"""Every detection that any threshold makes from a column of scores.

A detection is a longest run of frames that reach the threshold. As the threshold falls, runs appear at the peaks of the
scores, grow, and merge; two runs of one column are either nested or apart. So F frames have at most F different
runs, each of them alive between the lowest score inside of it (its level) and the higher one of its two neighbours
(its parent's level). Threshold-independent evaluation follows the idea of Ebbers, Serizel and Haeb-Umbach,
"Threshold-independent evaluation of sound event detection scores", ICASSP 2022: add up the changes that each score
brings.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


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
