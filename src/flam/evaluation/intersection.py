"""Intersection-based counts: detections judged by their overlap with events, at all thresholds at once.

The criteria are those of Bilen et al., "A framework for the robust evaluation of sound event detection", ICASSP 2020,
in the exact form over all thresholds of Ebbers et al., ICASSP 2022, with the semantics of ``sed_scores_eval``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from flam.evaluation.curves import CountCurve
from flam.evaluation.sweep import (
    TIME_DECIMALS,
    Changes,
    NestedRuns,
    matched_changes,
    near,
    nested_runs,
    pairs,
    run_count_changes,
)
from flam.evaluation.table import ScoreTable

STEP_RUNS = 1 << 17  # false positives that are looked at together


@dataclass(frozen=True)
class IntersectionCurve:
    """Counts of one prompt.

    Parameters
    ----------
    counts : CountCurve
        true positives are events found, false positives are detections
    cross_trigger_rate : np.ndarray
        (P,) float array, false positives on each other prompt's events, per second of these events, averaged over the
        other prompts
    """

    counts: CountCurve
    cross_trigger_rate: np.ndarray


@dataclass(frozen=True)
class IntersectionChanges:
    """How the counts of one prompt change with the threshold, recording by recording.

    Parameters
    ----------
    changes : Changes
        of events found, then of false positives
    trigger : np.ndarray
        (X,) int array, places among the changes at which a cross trigger comes or goes
    triggered : np.ndarray
        (X,) int array, the prompt that it triggers
    sign : np.ndarray
        (X,) float array, 1 where it comes, -1 where it goes
    """

    changes: Changes
    trigger: np.ndarray
    triggered: np.ndarray
    sign: np.ndarray

    def within(self, max_fp: float, weights: np.ndarray) -> IntersectionChanges:
        """Without the thresholds that are below all of those at which at most ``max_fp`` false positives are there."""
        n_rows = self.changes.rows_until(self.changes.gains[1], max_fp, weights)
        near = np.flatnonzero(self.trigger < n_rows)
        return IntersectionChanges(self.changes.head(n_rows), self.trigger[near], self.triggered[near], self.sign[near])

    def curve(self, events: PromptEvents, prompt: int, weights: np.ndarray | None = None) -> IntersectionCurve:
        """The counts at every threshold.

        Parameters
        ----------
        events : PromptEvents
            of all prompts, with recordings counted as ``weights`` say
        prompt : int
            position of this one
        weights : np.ndarray | None, optional
            (R,) float array, how often each recording counts; None is once
        """
        tp, fp = self.changes.counts(weights)
        cross = np.zeros(len(tp))
        if len(self.trigger):
            amounts = self.sign * events.cross_weights[self.triggered]
            gains = np.bincount(self.trigger, amounts, len(self.changes.scores))
            [cross] = self.changes.counts(weights, gains[None])
        return IntersectionCurve(CountCurve(self.changes.thresholds, tp, fp, int(events.n_events[prompt])), cross)


@dataclass(frozen=True)
class PromptEvents:
    """What there is to find.

    Parameters
    ----------
    n_events : np.ndarray
        (K,) float array, events of each prompt
    total_s : np.ndarray
        (K,) float array, their length together, seconds
    """

    n_events: np.ndarray
    total_s: np.ndarray

    @staticmethod
    def of(table: ScoreTable, weights: np.ndarray | None = None) -> PromptEvents:
        """Those of a table, with recordings counted as (R,) ``weights`` say."""
        truth, n_prompts = table.truth, len(table.prompts)
        times = np.ones(len(truth.prompt)) if weights is None else weights[truth.recording]
        lengths_s = truth.offset_s - truth.onset_s
        return PromptEvents(
            np.bincount(truth.prompt, times, n_prompts), np.bincount(truth.prompt, times * lengths_s, n_prompts)
        )

    @property
    def cross_weights(self) -> np.ndarray:
        """(K,) what a cross trigger of each prompt weighs for another: 1 / (seconds of it * other prompts)."""
        sounds = self.n_events > 0
        return np.divide(1.0, self.total_s * max(int(sounds.sum()) - 1, 1), out=np.zeros(len(sounds)), where=sounds)


def intersection_curves(
    table: ScoreTable,
    dtc_threshold: float,
    gtc_threshold: float,
    cttc_threshold: float | None = None,
    prompts: np.ndarray | None = None,
) -> dict[str, IntersectionCurve]:
    """Counts of each prompt at every threshold; parameters as ``intersection_changes``.

    Examples
    --------
    >>> from flam.core import Event, FrameScores, RecordingEvents, TimeGrid
    >>> scores = FrameScores(np.array([[0.25], [0.75], [0.5]], np.float32), ("dog",), TimeGrid(10, 10), 0, 30)
    >>> table = ScoreTable.build({"a": scores}, [RecordingEvents("a", None, (Event(1.0, 3.0, "dog"),))])
    >>> curve = intersection_curves(table, 0.7, 0.7)["dog"].counts
    >>> curve.thresholds.tolist(), curve.tp.tolist(), curve.fp.tolist()
    ([inf, 0.5, 0.25], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0])
    """
    events = PromptEvents.of(table)
    changes = intersection_changes(table, dtc_threshold, gtc_threshold, cttc_threshold, prompts)
    return {table.prompts[k]: own.curve(events, k) for k, own in changes}


def intersection_changes(
    table: ScoreTable,
    dtc_threshold: float,
    gtc_threshold: float,
    cttc_threshold: float | None = None,
    prompts: np.ndarray | None = None,
) -> Iterator[tuple[int, IntersectionChanges]]:
    """How the counts of each prompt change with the threshold, by position of the prompt.

    A detection is relevant where the events of its prompt cover at least ``dtc_threshold`` of it, otherwise a false
    positive. An event is found where relevant detections cover at least ``gtc_threshold`` of it. A false positive
    also triggers another prompt where that prompt's events cover at least ``cttc_threshold`` of it.

    Parameters
    ----------
    dtc_threshold, gtc_threshold : float
        shares in (0, 1]; None counts no cross triggers
    cttc_threshold : float | None, optional
        shares in (0, 1]; None counts no cross triggers
    prompts : np.ndarray | None, optional
        (K,) bool array, the prompts to look at, also as others; None takes all

    Raises
    ------
    ValueError
        a share outside of (0, 1]
    """
    shares = {"dtc_threshold": dtc_threshold, "gtc_threshold": gtc_threshold, "cttc_threshold": cttc_threshold}
    for name, share in shares.items():
        if share is not None and not 0 < share <= 1:
            raise ValueError(f"{name} is {share}; it is a share of a length, in (0, 1]")
    chosen = np.ones(len(table.prompts), bool) if prompts is None else prompts
    coverage = cover(table)
    for k in np.flatnonzero(chosen).tolist():
        column = _Column(table, coverage, k, dtc_threshold)
        row, triggered, sign = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
        if cttc_threshold is not None and chosen.sum() > 1:
            row, triggered, sign = column.cross_triggers(cttc_threshold, chosen)
        gains = np.stack([column.true_positive_changes(gtc_threshold), column.false_positive_changes()])
        changes = Changes.of(column.scores, gains, table.recording_of_row, row)
        place_of_row = np.full(len(column.scores), -1)
        place_of_row[changes.rows] = np.arange(len(changes.rows))
        yield k, IntersectionChanges(changes, place_of_row[row], triggered, sign)


class _Column:
    """One prompt's scores and events, and which of its detections are relevant."""

    def __init__(self, table: ScoreTable, coverage: Coverage, prompt: int, dtc_threshold: float):
        self.table, self.coverage, self.prompt, self.dtc_threshold = table, coverage, prompt, dtc_threshold
        self.scores = np.ascontiguousarray(table.scores[:, prompt])
        self.events = table.truth.events_of(prompt)
        self.n_events = self.events.stop - self.events.start
        own = np.flatnonzero(coverage.prompt == prompt)
        self.pair_of_recording = np.full(len(table.recordings), -1)
        self.pair_of_recording[coverage.recording[own]] = own
        self.has_events = self.pair_of_recording >= 0
        self.runs = nested_runs(self.scores, table.recording_of_row, self.has_events)
        self.is_relevant = self._relevant(self.runs)

    def _relevant(self, runs: NestedRuns) -> np.ndarray:
        pair = self.pair_of_recording[self.table.recording_of_row[runs.first]]
        shared_s = np.where(pair >= 0, self.coverage.of(pair, runs.first, runs.last), 0.0)
        return _reaches(shared_s, self.dtc_threshold * self._lengths_s(runs))

    def _lengths_s(self, runs: NestedRuns) -> np.ndarray:
        return self.table.ends_s[runs.last] - self.table.starts_s[runs.first]

    def false_positive_changes(self) -> np.ndarray:
        """(F,) where no event is, every detection is false, and counting starts suffices."""
        changes = run_count_changes(self.scores, self.table.recording_of_row)
        changes[self.has_events[self.table.recording_of_row]] = 0
        return changes + self.runs.changes(1.0 - self.is_relevant)

    def true_positive_changes(self, gtc_threshold: float) -> np.ndarray:
        """(F,) by how much of each event the relevant detections cover."""
        truth, runs = self.table.truth, self.runs
        relevant = np.flatnonzero(self.is_relevant)
        onset_s, offset_s = truth.onset_s[self.events], truth.offset_s[self.events]
        item, event = near(
            self.table.recording_of_row[runs.first[relevant]],
            self.table.starts_s[runs.first[relevant]],
            self.table.ends_s[runs.last[relevant]],
            truth.recording[self.events],
            onset_s,
            offset_s,
        )
        run = relevant[item]
        shared_s = np.minimum(self.table.ends_s[runs.last[run]], offset_s[event])
        shared_s -= np.maximum(self.table.starts_s[runs.first[run]], onset_s[event])
        share = shared_s > 0
        run, event = run[share], event[share]
        needed = np.round(gtc_threshold * (offset_s - onset_s), TIME_DECIMALS)
        return matched_changes(self.scores, event, runs.row[run], runs.parent_row[run], shared_s[share], needed)

    def cross_triggers(self, cttc_threshold: float, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """False positives on events of other prompts: (X,) rows where one comes or goes, (X,) prompts, (X,) signs."""
        coverage = self.coverage
        others = np.flatnonzero(chosen[coverage.prompt] & (coverage.prompt != self.prompt))
        has_others = np.zeros(len(self.table.recordings), bool)
        has_others[coverage.recording[others]] = True
        runs = nested_runs(self.scores, self.table.recording_of_row, has_others)
        false = np.flatnonzero(~self._relevant(runs))
        needed_s = cttc_threshold * self._lengths_s(runs)
        found_run, found_prompt = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for start in range(0, len(false), STEP_RUNS):  # beside all prompts of their recording they may be too many
            part = false[start : start + STEP_RUNS]
            item, other = pairs(self.table.recording_of_row[runs.first[part]], coverage.recording[others])
            run = part[item]
            shared_s = coverage.of(others[other], runs.first[run], runs.last[run])
            triggers = _reaches(shared_s, needed_s[run])
            found_run.append(run[triggers])
            found_prompt.append(coverage.prompt[others[other[triggers]]])
        run, prompt = np.concatenate(found_run), np.concatenate(found_prompt)
        goes = runs.parent_row[run] >= 0
        return (
            np.concatenate([runs.row[run], runs.parent_row[run[goes]]]),
            np.concatenate([prompt, prompt[goes]]),
            np.concatenate([np.ones(len(run)), np.full(int(goes.sum()), -1.0)]),
        )


def _reaches(shared_s: np.ndarray, needed_s: np.ndarray) -> np.ndarray:
    return np.round(shared_s, TIME_DECIMALS) >= np.round(needed_s, TIME_DECIMALS)


@dataclass(frozen=True)
class Coverage:
    """Seconds covered up to each frame edge, for each pair of a recording and a prompt that has events there.

    Parameters
    ----------
    recording, prompt : np.ndarray
        (P,) int arrays, ordered by recording
    offset : np.ndarray
        (P,) int array, where a pair's values begin in ``seconds``, less the first row of its recording
    seconds : np.ndarray
        values of all pairs; a pair has one for each frame edge of its recording, one more than frames
    """

    recording: np.ndarray
    prompt: np.ndarray
    offset: np.ndarray
    seconds: np.ndarray

    def of(self, pair: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
        """(N,) seconds of the events of each pair within the rows from ``first`` to ``last``, ``last`` included."""
        offset = self.offset[pair]
        return self.seconds[offset + last + 1] - self.seconds[offset + first]


def cover(table: ScoreTable) -> Coverage:
    """Add up the events of a table.

    Examples
    --------
    >>> from flam.core import Event, FrameScores, RecordingEvents, TimeGrid
    >>> scores = FrameScores(np.zeros((4, 1), np.float32), ("dog",), TimeGrid(10, 10), 0, 40)
    >>> table = ScoreTable.build({"a": scores}, [RecordingEvents("a", None, (Event(0.5, 2.5, "dog"),))])
    >>> cover(table).seconds.tolist()
    [0.0, 0.5, 1.5, 2.0, 2.0]
    """
    truth, n_prompts = table.truth, len(table.prompts)
    order = np.argsort(truth.recording * n_prompts + truth.prompt, kind="stable")
    onset_s, offset_s = truth.onset_s[order], truth.offset_s[order]
    keys, counts = np.unique(truth.recording * n_prompts + truth.prompt, return_counts=True)
    recording, prompt = keys // n_prompts, keys % n_prompts
    seconds = []
    for r, start, end in zip(recording.tolist(), np.cumsum(counts) - counts, np.cumsum(counts), strict=True):
        rows = slice(*table.first_row[r : r + 2])
        edges_s = np.append(table.starts_s[rows], table.ends_s[rows][-1])
        # flat between events, rising by a second per second within them; they do not overlap
        corners_s = np.stack([onset_s[start:end], offset_s[start:end]], axis=1)
        total_s = np.cumsum(corners_s[:, 1] - corners_s[:, 0])
        heights_s = np.stack([np.concatenate([[0.0], total_s[:-1]]), total_s], axis=1)
        seconds.append(np.interp(edges_s, corners_s.ravel(), heights_s.ravel()))
    n_edges = np.array([len(own) for own in seconds], np.int64)
    offset = np.cumsum(n_edges) - n_edges - table.first_row[recording]
    return Coverage(recording, prompt, offset, np.concatenate([*seconds, np.empty(0)]))
