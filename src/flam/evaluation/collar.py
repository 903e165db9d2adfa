"""Collar-based F1 and onset errors: whether a detection begins where an event does, and how far off.

Mesaros, Heittola and Virtanen, "Metrics for polyphonic sound event detection", Applied Sciences 6(6), 2016; the exact
form over all thresholds is that of Ebbers et al., ICASSP 2022.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from flam.evaluation.curves import F1Curves, PromptChanges, f1_curves
from flam.evaluation.sweep import (
    TIME_DECIMALS,
    Changes,
    NestedRuns,
    matched_changes,
    near,
    nested_runs,
    run_count_changes,
)
from flam.evaluation.table import ScoreTable


def collar_f1(
    table: ScoreTable, onset_collar_s: float = 0.2, offset_collar_s: float = 0.2, offset_collar_rate: float = 0.2
) -> F1Curves:
    """Counts of right and wrong detections at every threshold.

    A detection matches an event of its prompt where their onsets differ by at most ``onset_collar_s`` and their offsets
    by at most the larger of ``offset_collar_s`` and ``offset_collar_rate`` times the length of the event. True
    positives are the most pairs of a detection and an event that can be made, each of them in one pair.

    Parameters
    ----------
    onset_collar_s, offset_collar_s : float, default 0.2
        seconds
    offset_collar_rate : float, default 0.2
        share of the event's length

    Examples
    --------
    >>> from flam.core import Event, FrameScores, RecordingEvents, TimeGrid
    >>> scores = FrameScores(np.array([[0.2], [0.9], [0.8]], np.float32), ("dog",), TimeGrid(10, 10), 0, 30)
    >>> table = ScoreTable.build({"a": scores}, [RecordingEvents("a", None, (Event(1.1, 2.9, "dog"),))])
    >>> curves = collar_f1(table)
    >>> curves.at(0.5).macro, curves.at(0.85).macro, round(curves.best().thresholds["dog"], 2)
    (1.0, 0.0, 0.5)
    """
    return f1_curves(collar_changes(table, onset_collar_s, offset_collar_s, offset_collar_rate))


def collar_changes(
    table: ScoreTable, onset_collar_s: float = 0.2, offset_collar_s: float = 0.2, offset_collar_rate: float = 0.2
) -> Iterator[tuple[str, PromptChanges]]:
    """How the counts of ``collar_f1`` change, prompt by prompt."""
    truth = table.truth
    for k, prompt in enumerate(table.prompts):
        scores = table.scores[:, k]
        events = truth.events_of(k)
        onset_s, offset_s = truth.onset_s[events], truth.offset_s[events]
        has_events = np.zeros(len(table.recordings), bool)
        has_events[truth.recording[events]] = True
        runs = nested_runs(scores, table.recording_of_row, has_events)
        run_onset_s = table.starts_s[runs.first]
        run, event = near(
            table.recording_of_row[runs.first],
            run_onset_s - onset_collar_s,
            run_onset_s + onset_collar_s,
            truth.recording[events],
            onset_s,
            onset_s,
        )
        onset_error_s = np.abs(run_onset_s[run] - onset_s[event]) - onset_collar_s
        collar_s = np.maximum(offset_collar_s, offset_collar_rate * (offset_s - onset_s))
        offset_error_s = np.abs(table.ends_s[runs.last[run]] - offset_s[event]) - collar_s[event]
        hits = (np.round(onset_error_s, TIME_DECIMALS) <= 0) & (np.round(offset_error_s, TIME_DECIMALS) <= 0)
        found = _pair_changes(scores, runs, run[hits], event[hits], truth.recording[events])
        detections = run_count_changes(scores, table.recording_of_row)
        changes = Changes.of(scores, np.stack([found, detections - found]), table.recording_of_row)
        n_events = np.bincount(truth.recording[events], minlength=len(table.recordings))
        yield prompt, PromptChanges(changes, n_events)


def _pair_changes(
    scores: np.ndarray, runs: NestedRuns, run: np.ndarray, event: np.ndarray, recording: np.ndarray
) -> np.ndarray:
    """(F,) what each row's score adds to the number of pairs that can be made.

    An event whose runs hit no other event is in a pair while any of them is alive. The few others, events closer to
    each other than the collar, are matched threshold by threshold.
    """
    hits_of_run = np.bincount(run, minlength=len(runs.first))
    is_tangled = np.zeros(len(recording), bool)
    is_tangled[event[hits_of_run[run] > 1]] = True
    while True:  # what shares a run with a tangled event is tangled, and so on
        tangled_runs = np.zeros(len(runs.first), bool)
        tangled_runs[run[is_tangled[event]]] = True
        if is_tangled[event[tangled_runs[run]]].all():
            break
        is_tangled[event[tangled_runs[run]]] = True
    plain = ~is_tangled[event]
    simple = run[plain]
    changes = matched_changes(
        scores, event[plain], runs.row[simple], runs.parent_row[simple], np.ones(len(simple)), np.ones(len(recording))
    )
    for r in np.unique(recording[is_tangled]):
        here = ~plain & (recording[event] == r)
        _add_matchings(changes, scores, runs, run[here], event[here])
    return changes


def _add_matchings(
    changes: np.ndarray, scores: np.ndarray, runs: NestedRuns, run: np.ndarray, event: np.ndarray
) -> None:
    level = scores[runs.row[run]]
    swallowed = runs.parent_row[run]
    parent_level = np.where(swallowed >= 0, scores[swallowed], -np.inf)
    rows = np.unique(np.concatenate([runs.row[run], swallowed[swallowed >= 0]]))
    _, first = np.unique(-scores[rows], return_index=True)
    n_before = 0
    for row in rows[first]:
        alive = (level >= scores[row]) & (scores[row] > parent_level)
        n_pairs = _largest_matching(run[alive].tolist(), event[alive].tolist())
        changes[row] += n_pairs - n_before
        n_before = n_pairs


def _largest_matching(runs: list[int], events: list[int]) -> int:
    """Size of the largest set of (run, event) pairs in which each occurs once, by augmenting paths."""
    events_of: dict[int, list[int]] = {}
    for run, event in zip(runs, events, strict=True):
        events_of.setdefault(run, []).append(event)
    run_of: dict[int, int] = {}

    def place(run: int, tried: set[int]) -> bool:
        for event in events_of[run]:
            if event not in tried:
                tried.add(event)
                if event not in run_of or place(run_of[event], tried):
                    run_of[event] = run
                    return True
        return False

    return sum(place(run, set()) for run in events_of)


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
