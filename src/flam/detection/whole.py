"""All events of one prompt's whole score curve at once, as ``Binarizer`` finds them piece by piece."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from flam.core import TimeGrid
from flam.detection.binarize import fewest_frames, merged_frames
from flam.detection.config import EventRule


class EventFrames(NamedTuple):
    """Events of one prompt as arrays, in the order of time.

    Parameters
    ----------
    onsets, offsets : numpy.ndarray
        (E,) int64, first frame and the one after the last.
    mean_scores, max_scores : numpy.ndarray
        (E,) float64.
    """

    onsets: np.ndarray
    offsets: np.ndarray
    mean_scores: np.ndarray
    max_scores: np.ndarray


def event_frames(smoothed: np.ndarray, rule: EventRule, grid: TimeGrid) -> EventFrames:
    """Find the events of a curve that is smoothed already.

    Parameters
    ----------
    smoothed : numpy.ndarray
        (T,) float32 scores of one prompt.
    rule : EventRule
        When scores make an event; its median counts as done.
    grid : TimeGrid
        Of the frames.

    Returns
    -------
    EventFrames
        What ``Binarizer`` makes of the same scores, with a median of one frame.

    Examples
    --------
    >>> curve = np.array([0.1, 0.9, 0.9, 0.9, 0.4, 0.1], np.float32)
    >>> rule = EventRule(threshold=0.5, low_threshold=0.3, median_s=0, min_duration_s=0.1, merge_gap_s=0)
    >>> found = event_frames(curve, rule, TimeGrid(48_000, 3_840))
    >>> found.onsets.tolist(), found.offsets.tolist()
    ([1], [5])
    """
    is_on = np.concatenate([[False], smoothed >= np.float32(rule.low_threshold), [False]])
    onsets, offsets = np.flatnonzero(is_on[1:] != is_on[:-1]).reshape(-1, 2).T
    # scores between two runs are lower than those of either
    highest = np.maximum.reduceat(smoothed, onsets) if len(onsets) else np.zeros(0, np.float32)
    reaches = highest >= np.float32(rule.threshold)
    onsets, offsets, highest = onsets[reaches], offsets[reaches], highest[reaches].astype(np.float64)
    if not len(onsets):
        return EventFrames(onsets, offsets, highest, highest)
    gaps = onsets[1:] - offsets[:-1]
    first = np.flatnonzero(np.concatenate([[True], gaps > merged_frames(rule.merge_gap_s, grid.hop_s)]))
    onsets, highest = onsets[first], np.maximum.reduceat(highest, first)
    offsets = offsets[np.append(first[1:], len(offsets)) - 1]
    sums = np.concatenate([[0.0], np.cumsum(smoothed, dtype=np.float64)])
    means = np.minimum((sums[offsets] - sums[onsets]) / (offsets - onsets), highest)
    is_long = offsets - onsets >= fewest_frames(rule.min_duration_s, grid.hop_s)
    return EventFrames(onsets[is_long], offsets[is_long], means[is_long], highest[is_long])
