"""Runs beside events: pairs of the same recording, and when the runs alive suffice for an event."""

from __future__ import annotations

import numpy as np

TIME_DECIMALS = 6  # times are compared to the microsecond, so that 0.7 of 1 s is reached by 0.3 s and 0.4 s
MARGIN_S = 1e-3  # by which ``near`` looks further than it has to, against rounding


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
