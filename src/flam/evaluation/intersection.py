"""Detections judged by how much they share with events, at all thresholds at once.

The criteria are those of Bilen et al., "A framework for the robust evaluation of sound event detection", ICASSP 2020,
in the exact form over all thresholds of Ebbers et al., ICASSP 2022, with the semantics of ``sed_scores_eval``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flam.evaluation.coverage import Coverage, cover
from flam.evaluation.curves import CountCurve, add_up
from flam.evaluation.matching import TIME_DECIMALS, matched_changes, near, pairs
from flam.evaluation.runs import NestedRuns, nested_runs, run_count_changes
from flam.evaluation.table import ScoreTable

STEP_RUNS = 1 << 17  # false positives that are looked at together


@dataclass(frozen=True)
class IntersectionCurve:
    """Counts of one prompt.

    Parameters
    ----------
    counts : true positives are events found, false positives are detections
    cross_trigger_rate : (P,) float array, false positives on each other prompt's events, per second of these events,
        averaged over the other prompts
    """

    counts: CountCurve
    cross_trigger_rate: np.ndarray


def intersection_curves(
    table: ScoreTable,
    dtc_threshold: float,
    gtc_threshold: float,
    cttc_threshold: float | None = None,
    prompts: np.ndarray | None = None,
) -> dict[str, IntersectionCurve]:
    """Counts of each prompt at every threshold.

    A detection is relevant where the events of its prompt cover at least ``dtc_threshold`` of it, otherwise a false
    positive. An event is found where relevant detections cover at least ``gtc_threshold`` of it. A false positive
    also triggers another prompt where that prompt's events cover at least ``cttc_threshold`` of it.

    Parameters
    ----------
    dtc_threshold, gtc_threshold, cttc_threshold : shares in (0, 1]; None counts no cross triggers
    prompts : (K,) bool array, the prompts to look at, also as others; None takes all

    Raises
    ------
    ValueError : a share outside of (0, 1]

    >>> from flam.core import Event, FrameScores, RecordingEvents, TimeGrid
    >>> scores = FrameScores(np.array([[0.25], [0.75], [0.5]], np.float32), ("dog",), TimeGrid(10, 10), 0, 30)
    >>> table = ScoreTable.build({"a": scores}, [RecordingEvents("a", None, (Event(1.0, 3.0, "dog"),))])
    >>> curve = intersection_curves(table, 0.7, 0.7)["dog"].counts
    >>> curve.thresholds.tolist(), curve.tp.tolist(), curve.fp.tolist()
    ([inf, 0.5, 0.25], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0])
    """
    shares = {"dtc_threshold": dtc_threshold, "gtc_threshold": gtc_threshold, "cttc_threshold": cttc_threshold}
    for name, share in shares.items():
        if share is not None and not 0 < share <= 1:
            raise ValueError(f"{name} is {share}; it is a share of a length, in (0, 1]")
    chosen = np.ones(len(table.prompts), bool) if prompts is None else prompts
    coverage = cover(table)
    curves = {}
    for k in np.flatnonzero(chosen).tolist():
        column = _Column(table, coverage, k, dtc_threshold)
        cross = np.zeros(len(column.scores))
        if cttc_threshold is not None and chosen.sum() > 1:
            cross = column.cross_trigger_changes(cttc_threshold, chosen)
        changes = np.stack([column.true_positive_changes(gtc_threshold), column.false_positive_changes(), cross])
        thresholds, (tp, fp, cross_trigger_rate) = add_up(column.scores, changes)
        curves[table.prompts[k]] = IntersectionCurve(
            CountCurve(thresholds, tp, fp, column.n_events), cross_trigger_rate
        )
    return curves


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

    def cross_trigger_changes(self, cttc_threshold: float, chosen: np.ndarray) -> np.ndarray:
        """(F,) false positives on events of other prompts, each weighted by 1 / (seconds of them * other prompts)."""
        truth, coverage = self.table.truth, self.coverage
        total_s = np.bincount(truth.prompt, truth.offset_s - truth.onset_s, len(chosen))
        others = np.flatnonzero(chosen[coverage.prompt] & (coverage.prompt != self.prompt))
        has_others = np.zeros(len(self.table.recordings), bool)
        has_others[coverage.recording[others]] = True
        runs = nested_runs(self.scores, self.table.recording_of_row, has_others)
        false = np.flatnonzero(~self._relevant(runs))
        needed_s = cttc_threshold * self._lengths_s(runs)
        weight = 1 / (total_s[coverage.prompt[others]] * (chosen.sum() - 1))
        weights = np.zeros(len(runs.first))
        for start in range(0, len(false), STEP_RUNS):  # beside all prompts of their recording they may be too many
            part = false[start : start + STEP_RUNS]
            item, other = pairs(self.table.recording_of_row[runs.first[part]], coverage.recording[others])
            run = part[item]
            shared_s = coverage.of(others[other], runs.first[run], runs.last[run])
            triggers = _reaches(shared_s, needed_s[run])
            weights += np.bincount(run[triggers], weight[other[triggers]], len(weights))
        return runs.changes(weights)


def _reaches(shared_s: np.ndarray, needed_s: np.ndarray) -> np.ndarray:
    return np.round(shared_s, TIME_DECIMALS) >= np.round(needed_s, TIME_DECIMALS)
