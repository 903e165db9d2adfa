"""Scores and truth of segments of equal length: F1, and the partial area under the ROC curve of MAESTRO Real.

F1: Mesaros, Heittola and Virtanen, "Metrics for polyphonic sound event detection", Applied Sciences 6(6), 2016. The
partial area: DCASE 2024 task 4; the staircase curve is that of Ebbers et al., ICASSP 2022, and ``sed_scores_eval``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from flam.core import Event
from flam.evaluation.curves import F1Curves, PromptChanges, f1_curves
from flam.evaluation.sweep import TIME_DECIMALS, Changes
from flam.evaluation.table import ScoreTable

Pooling = Literal["max", "mean"]


@dataclass(frozen=True)
class Segments:
    """S segments of all recordings, the last of each recording maybe shorter.

    Parameters
    ----------
    recording : np.ndarray
        (S,) int array
    scores : np.ndarray
        (S, K) float array; 0 where a segment has no frame
    labels : np.ndarray
        (S, K) bool array, where an event of the prompt shares any time with the segment
    judged : np.ndarray
        (S, K) bool array, see ``ScoreTable``
    """

    recording: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    judged: np.ndarray

    def of_prompt(self, prompt: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Scores, labels and recordings of the segments in which the prompt of a column is judged, (N,) each."""
        rows = self.judged[:, prompt]
        return self.scores[rows, prompt], self.labels[rows, prompt], self.recording[rows]


def segments(table: ScoreTable, segment_s: float = 1.0, pooling: Pooling = "max") -> Segments:
    """Cut recordings into segments.

    Parameters
    ----------
    segment_s : float, default 1.0
        length of a segment, seconds
    pooling : Pooling, default "max"
        the largest score of the frames that share time with a segment, as ``sed_scores_eval`` takes it, or their mean
        weighted by the time they share, as the DCASE 2024 task 4 baseline takes it for MAESTRO Real

    Examples
    --------
    >>> from flam.core import FrameScores, RecordingEvents, TimeGrid
    >>> scores = FrameScores(np.array([[0.25], [0.75], [0.5]], np.float32), ("dog",), TimeGrid(10, 5), 0, 15)
    >>> table = ScoreTable.build({"a": scores}, [RecordingEvents("a", None, (Event(1.1, 1.3, "dog"),))])
    >>> cut = segments(table)
    >>> cut.scores.tolist(), cut.labels.tolist()
    ([[0.75], [0.5]], [[False], [True]])
    """
    n_segments = np.ceil(np.round(table.durations_s / segment_s, TIME_DECIMALS)).astype(np.int64)
    recording = np.repeat(np.arange(len(n_segments)), n_segments)
    local = np.arange(len(recording)) - np.repeat(np.cumsum(n_segments) - n_segments, n_segments)
    begin_s, end_s = np.round(local * segment_s, TIME_DECIMALS), np.round((local + 1) * segment_s, TIME_DECIMALS)

    labels = _labels(table, n_segments, segment_s, begin_s, end_s)
    frame_start_s, frame_end_s = np.round(table.starts_s, TIME_DECIMALS), np.round(table.ends_s, TIME_DECIMALS)
    # the frames around each segment, two more at either end than it can touch
    n_around = int(np.ceil(segment_s / table.grid.hop_s)) + 4
    row = np.floor(begin_s / table.grid.hop_s).astype(np.int64)[:, None] - 2 + np.arange(n_around)
    exists = (row >= 0) & (row < np.diff(table.first_row)[recording, None])
    segment, around = np.nonzero(exists)
    row = row[segment, around] + table.first_row[recording[segment]]
    shared_s = np.minimum(end_s[segment], frame_end_s[row]) - np.maximum(begin_s[segment], frame_start_s[row])
    segment, row, shared_s = segment[shared_s > 0], row[shared_s > 0], shared_s[shared_s > 0]
    scores = np.zeros(labels.shape, table.scores.dtype if pooling == "max" else np.float64)
    own, first = np.unique(segment, return_index=True)
    for k in range(len(table.prompts)):
        column = table.scores[row, k]
        if pooling == "max":
            scores[own, k] = np.maximum.reduceat(column, first)
        else:
            scores[own, k] = np.add.reduceat(shared_s * column, first) / np.add.reduceat(shared_s, first)
    return Segments(recording, scores, labels, table.judged[recording])


def _labels(
    table: ScoreTable, n_segments: np.ndarray, segment_s: float, begin_s: np.ndarray, end_s: np.ndarray
) -> np.ndarray:
    labels = np.zeros((len(begin_s), len(table.prompts)), dtype=bool)
    first = np.cumsum(n_segments) - n_segments
    truth = table.truth
    for r, k, onset_s, offset_s in zip(
        truth.recording.tolist(), truth.prompt.tolist(), truth.onset_s.tolist(), truth.offset_s.tolist(), strict=True
    ):
        # one more at either end than the event can touch
        low = max(int(onset_s / segment_s) - 1, 0)
        high = min(int(offset_s / segment_s) + 2, int(n_segments[r]))
        near = slice(first[r] + low, first[r] + high)
        labels[near, k] |= (begin_s[near] < offset_s) & (end_s[near] > onset_s)
    return labels


def segment_f1(table: ScoreTable, segment_s: float = 1.0, pooling: Pooling = "max") -> F1Curves:
    """Counts of segments in which a prompt is rightly and wrongly detected, at every threshold.

    Examples
    --------
    >>> from flam.core import FrameScores, RecordingEvents, TimeGrid
    >>> scores = FrameScores(np.array([[0.2], [0.9], [0.8]], np.float32), ("dog",), TimeGrid(10, 10), 0, 30)
    >>> table = ScoreTable.build({"a": scores}, [RecordingEvents("a", None, (Event(1.1, 2.3, "dog"),))])
    >>> [round(at.macro, 3) for at in segment_f1(table).against(np.array([0.1, 0.5, 0.85]))]
    [0.8, 1.0, 0.667]
    """
    return f1_curves(segment_changes(table, segment_s, pooling))


def segment_changes(
    table: ScoreTable, segment_s: float = 1.0, pooling: Pooling = "max"
) -> Iterator[tuple[str, PromptChanges]]:
    """How the counts of ``segment_f1`` change, prompt by prompt."""
    cut = segments(table, segment_s, pooling)
    for k, prompt in enumerate(table.prompts):
        scores, labels, recording = cut.of_prompt(k)
        changes = Changes.of(scores, np.stack([labels, ~labels]).astype(float), recording)
        yield prompt, PromptChanges(changes, np.bincount(recording[labels], minlength=len(table.recordings)))


def soft_label_events(
    soft_labels: np.ndarray, prompts: Sequence[str], segment_s: float = 1.0, threshold: float = 0.5
) -> list[Event]:
    """Events where soft labels of segments are above a threshold, as MAESTRO Real is evaluated in DCASE 2024 task 4.

    Parameters
    ----------
    soft_labels : np.ndarray
        (S, K) float array in [0, 1], the share of annotators who heard each prompt
    threshold : float, default 0.5
        a label equal to it is no event

    Examples
    --------
    >>> soft_label_events(np.array([[0.2], [0.7], [0.9], [0.5]]), ["birds"])
    [Event(onset_s=1.0, offset_s=3.0, prompt='birds', mean_score=None, max_score=None, probability=None)]
    """
    is_on = np.zeros((len(soft_labels) + 2, len(prompts)), dtype=np.int8)
    is_on[1:-1] = soft_labels > threshold
    steps = np.diff(is_on, axis=0)
    return sorted(
        Event(onset * segment_s, offset * segment_s, prompt)
        for k, prompt in enumerate(prompts)
        for onset, offset in zip(
            np.flatnonzero(steps[:, k] > 0).tolist(), np.flatnonzero(steps[:, k] < 0).tolist(), strict=True
        )
    )


@dataclass(frozen=True)
class MPAUC:
    """Mean over prompts of the area up to ``max_fpr``, as a share of the largest possible.

    Parameters
    ----------
    value : float
        in [0, 1]; NaN where no prompt has both positive and negative segments
    per_prompt : dict[str, float]
        the same of each prompt; NaN where all segments have one label
    left_out : tuple[str, ...]
        prompts that are NaN and not in the mean
    """

    value: float
    per_prompt: dict[str, float]
    left_out: tuple[str, ...]


def mpauc(table: ScoreTable, max_fpr: float = 0.1, segment_s: float = 1.0, pooling: Pooling = "max") -> MPAUC:
    """Partial area under the ROC curve of segments.

    The curve is a staircase: between two of its points it has the true positive rate of the left one.

    Parameters
    ----------
    max_fpr : float, default 0.1
        share of negative segments up to which the curve counts, in (0, 1]
    segment_s : float, default 1.0
        see ``segments``
    pooling : Pooling, default "max"
        see ``segments``

    Raises
    ------
    ValueError
        max_fpr outside of (0, 1]

    Examples
    --------
    >>> from flam.core import Event, FrameScores, RecordingEvents, TimeGrid
    >>> scores = FrameScores(np.array([[0.2], [0.9], [0.8]], np.float32), ("dog",), TimeGrid(10, 10), 0, 30)
    >>> table = ScoreTable.build({"a": scores}, [RecordingEvents("a", None, (Event(1.1, 2.3, "dog"),))])
    >>> mpauc(table).value
    1.0
    """
    if not 0 < max_fpr <= 1:
        raise ValueError(f"max_fpr is {max_fpr}; it is a share of negative segments, in (0, 1]")
    cut = segments(table, segment_s, pooling)
    areas = {prompt: _partial_area(*cut.of_prompt(k), max_fpr) for k, prompt in enumerate(table.prompts)}
    left_out = tuple(prompt for prompt, area in areas.items() if np.isnan(area))
    counted = [area for area in areas.values() if not np.isnan(area)]
    return MPAUC(float(np.mean(counted)) if counted else float("nan"), areas, left_out)


def _partial_area(scores: np.ndarray, labels: np.ndarray, recording: np.ndarray, max_fpr: float) -> float:
    if labels.all() or not labels.any():
        return float("nan")
    tp, fp = Changes.of(scores, np.stack([labels, ~labels]).astype(float), recording).counts()
    tpr, fpr = tp / labels.sum(), fp / (~labels).sum()
    inside = fpr <= max_fpr  # both rise as the threshold falls
    return float(np.dot(tpr[inside], np.diff(fpr[inside], append=max_fpr)) / max_fpr)
