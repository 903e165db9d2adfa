"""How far off the beginnings of detections are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flam.evaluation.matching import near
from flam.evaluation.table import ScoreTable


@dataclass(frozen=True)
class OnsetErrors:
    """Onset errors of the events that were found.

    Parameters
    ----------
    errors_s : np.ndarray
        (N,) float array, onset of the detection less onset of the event, seconds: negative is early
    n_events : int
        events that are there, found or not
    threshold : float
        at which they were looked for
    """

    errors_s: np.ndarray
    n_events: int
    threshold: float

    @property
    def recall(self) -> float:
        """Share of events that were found; NaN without events."""
        return len(self.errors_s) / self.n_events if self.n_events else float("nan")

    @property
    def median_s(self) -> float:
        """Median error, seconds; NaN where nothing was found."""
        return float(np.median(self.errors_s)) if len(self.errors_s) else float("nan")

    @property
    def median_absolute_s(self) -> float:
        """Median of the errors' sizes, seconds; NaN where nothing was found."""
        return float(np.median(np.abs(self.errors_s))) if len(self.errors_s) else float("nan")

    def within(self, collar_s: float) -> float:
        """Share of the found events whose onset is off by at most ``collar_s``; NaN where nothing was found."""
        return float(np.mean(np.abs(self.errors_s) <= collar_s)) if len(self.errors_s) else float("nan")

    def quantiles_s(self, shares: tuple[float, ...] = (0.05, 0.25, 0.5, 0.75, 0.95)) -> np.ndarray:
        """Quantiles of the errors, seconds; NaN where nothing was found."""
        return np.quantile(self.errors_s, shares) if len(self.errors_s) else np.full(len(shares), np.nan)


def onset_errors(table: ScoreTable, threshold: float, min_overlap: float = 0.3) -> OnsetErrors:
    """Compare each event with the first detection of its prompt that overlaps it.

    They overlap where they share at least ``min_overlap`` of the shorter of the two, as in
    ``flam.evaluation.detections``.

    Examples
    --------
    >>> from flam.core import Event, FrameScores, RecordingEvents, TimeGrid
    >>> scores = FrameScores(np.array([[0.2], [0.9], [0.8]], np.float32), ("dog",), TimeGrid(10, 10), 0, 30)
    >>> table = ScoreTable.build({"a": scores}, [RecordingEvents("a", None, (Event(1.25, 3.0, "dog"),))])
    >>> errors = onset_errors(table, threshold=0.5)
    >>> errors.errors_s, errors.recall, errors.within(0.2)
    (array([-0.25]), 1.0, 0.0)
    """
    truth = table.truth
    is_first = np.concatenate([[True], np.diff(table.recording_of_row) != 0])
    is_last = np.concatenate([is_first[1:], [True]])
    errors_s = [np.empty(0)]
    for k in range(len(table.prompts)):
        events = truth.events_of(k)
        on = table.scores[:, k] >= float(threshold)
        first = np.flatnonzero(on & (is_first | ~np.concatenate([[False], on[:-1]])))
        last = np.flatnonzero(on & (is_last | ~np.concatenate([on[1:], [False]])))
        onset_s, offset_s = table.starts_s[first], table.ends_s[last]
        event_onset_s, event_offset_s = truth.onset_s[events], truth.offset_s[events]
        run, event = near(
            table.recording_of_row[first], onset_s, offset_s, truth.recording[events], event_onset_s, event_offset_s
        )
        event_onset_s, event_offset_s = event_onset_s[event], event_offset_s[event]
        shared_s = np.minimum(offset_s[run], event_offset_s) - np.maximum(onset_s[run], event_onset_s)
        shorter_s = np.minimum(offset_s[run] - onset_s[run], event_offset_s - event_onset_s)
        overlaps = (shared_s > 0) & (shared_s >= min_overlap * shorter_s)
        # runs are in the order of time, so the first pair of an event is the earliest
        _, earliest = np.unique(event[overlaps], return_index=True)
        errors_s.append((onset_s[run] - event_onset_s)[overlaps][earliest])
    return OnsetErrors(np.concatenate(errors_s), len(truth.prompt), threshold)
