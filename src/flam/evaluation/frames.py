"""Area under the ROC curve over frames, with intervals from drawing recordings again.

Headline measure of Wu et al., "FLAM: Frame-wise language-audio modeling", ICML 2025; the intervals are percentile
bootstrap (Efron and Tibshirani, "An introduction to the bootstrap", 1993) over whole recordings, because frames of one
recording are alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flam.evaluation.table import ScoreTable


@dataclass(frozen=True)
class Interval:
    """A value and the middle ``share`` of what it was over the draws; NaN bounds without draws."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class FrameAUROC:
    """Probability that a frame in which a prompt sounds scores above one in which it does not.

    Parameters
    ----------
    macro : mean over prompts that have frames of both kinds
    micro : all frames of all prompts in one pool
    per_prompt : of each prompt; NaN where all its frames have one label
    left_out : prompts that are NaN and not in the macro mean
    """

    macro: Interval
    micro: Interval
    per_prompt: dict[str, Interval]
    left_out: tuple[str, ...]


def frame_auroc(table: ScoreTable, n_draws: int = 200, share: float = 0.95, seed: int = 0) -> FrameAUROC:
    """Macro, micro and per-prompt AUROC on the frame grid.

    A frame is positive by ``TimeGrid.frame_labels``; ties count half.

    Parameters
    ----------
    n_draws : sets of as many recordings as there are, drawn with replacement; 0 for no intervals
    share : of the draws within an interval

    >>> from flam.core import Event, FrameScores, RecordingEvents, TimeGrid
    >>> scores = FrameScores(np.array([[0.2], [0.9], [0.1]], np.float32), ("dog",), TimeGrid(10, 10), 0, 30)
    >>> table = ScoreTable.build({"a": scores}, [RecordingEvents("a", None, (Event(1.0, 3.0, "dog"),))])
    >>> frame_auroc(table, n_draws=0).macro.value
    0.5
    """
    n_recordings = len(table.recordings)
    drawn = np.random.default_rng(seed).multinomial(n_recordings, np.full(n_recordings, 1 / n_recordings), n_draws)
    weights = np.concatenate([np.ones((1, n_recordings)), drawn])  # the first is the value itself
    labels = table.frame_labels
    areas = np.stack(
        [_areas(table.scores[:, k], labels[:, k], table.recording_of_row, weights) for k in range(len(table.prompts))],
        axis=1,
    )
    pooled = _areas(
        table.scores.T.ravel(), labels.T.ravel(), np.tile(table.recording_of_row, len(table.prompts)), weights
    )
    is_counted = ~np.isnan(areas[0])
    return FrameAUROC(
        _interval(_mean_of_rows(areas), share),
        _interval(pooled, share),
        {prompt: _interval(areas[:, k], share) for k, prompt in enumerate(table.prompts)},
        tuple(prompt for prompt, counted in zip(table.prompts, is_counted, strict=True) if not counted),
    )


def _areas(scores: np.ndarray, labels: np.ndarray, recording: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(D,) AUROC with each recording counted as often as (D, R) ``weights`` say; NaN without either kind."""
    negative = np.flatnonzero(~labels)
    negative = negative[np.argsort(scores[negative])]
    below = np.searchsorted(scores[negative], scores[labels], side="left")
    not_above = np.searchsorted(scores[negative], scores[labels], side="right")
    areas = np.full(len(weights), np.nan)
    for d, weight in enumerate(weights):
        heights = np.concatenate([[0.0], np.cumsum(weight[recording[negative]])])
        positive = weight[recording[labels]]
        n_pairs = positive.sum() * heights[-1]
        if n_pairs > 0:
            areas[d] = np.dot(positive, heights[below] + heights[not_above]) / (2 * n_pairs)
    return areas


def _mean_of_rows(areas: np.ndarray) -> np.ndarray:
    counted = ~np.isnan(areas)
    n_counted = counted.sum(axis=1)
    return np.divide(
        np.where(counted, areas, 0).sum(axis=1), n_counted, out=np.full(len(areas), np.nan), where=n_counted > 0
    )


def _interval(values: np.ndarray, share: float) -> Interval:
    draws = values[1:][~np.isnan(values[1:])]
    if len(draws) == 0:
        return Interval(float(values[0]), float("nan"), float("nan"))
    low, high = np.quantile(draws, [(1 - share) / 2, (1 + share) / 2])
    return Interval(float(values[0]), float(low), float(high))
