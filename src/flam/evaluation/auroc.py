"""Area under the ROC curve: per prompt and averaged, and over frames with bootstrap intervals.

Over frames it is the headline measure of Wu et al., "FLAM: Frame-wise language-audio modeling", ICML 2025.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flam.evaluation.bootstrap import Interval, interval, mean_of_rows, recording_weights
from flam.evaluation.table import ScoreTable


def auroc(scores: np.ndarray, labels: np.ndarray) -> float:
    """Probability that a positive scores above a negative, ties counted half (the Mann-Whitney statistic).

    Parameters
    ----------
    scores : np.ndarray
        (N,) float array
    labels : np.ndarray
        (N,) bool array

    Returns
    -------
    float
        area in [0, 1]; NaN where all labels are equal

    Examples
    --------
    >>> auroc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]))
    0.75
    """
    labels = np.asarray(labels, dtype=bool)
    n_positive = int(labels.sum())
    n_negative = labels.size - n_positive
    if n_positive == 0 or n_negative == 0:
        return float("nan")
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    mean_ranks = np.cumsum(counts) - (counts - 1) / 2
    rank_sum = mean_ranks[inverse][labels].sum()
    return float((rank_sum - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))


def macro_auroc(scores: np.ndarray, labels: np.ndarray) -> float:
    """Mean of ``auroc`` over the columns of (N, K) tables that have both positives and negatives; NaN where none has.

    Examples
    --------
    >>> macro_auroc(np.array([[0.1, 0.3], [0.9, 0.2]]), np.array([[False, True], [True, True]]))
    1.0
    """
    areas = np.array([auroc(scores[:, k], labels[:, k]) for k in range(scores.shape[1])])
    return float(np.mean(areas[~np.isnan(areas)])) if np.any(~np.isnan(areas)) else float("nan")


@dataclass(frozen=True)
class FrameAUROC:
    """Probability that a frame in which a prompt sounds scores above one in which it does not.

    Parameters
    ----------
    macro : Interval
        mean over prompts that have frames of both kinds
    micro : Interval
        all frames of all prompts in one pool
    per_prompt : dict[str, Interval]
        of each prompt; NaN where all its frames have one label
    left_out : tuple[str, ...]
        prompts that are NaN and not in the macro mean
    draws : np.ndarray
        (1 + D, K) float array, the areas of all recordings, then of each draw
    """

    macro: Interval
    micro: Interval
    per_prompt: dict[str, Interval]
    left_out: tuple[str, ...]
    draws: np.ndarray

    def of_groups(self, groups: Sequence[Sequence[str]], share: float = 0.95) -> Interval:
        """Mean over groups of the mean over each group's prompts, without those that are NaN."""
        column = {prompt: k for k, prompt in enumerate(self.per_prompt)}
        means = [mean_of_rows(self.draws[:, [column[prompt] for prompt in group]]) for group in groups]
        return interval(mean_of_rows(np.stack(means, axis=1)), share)


def frame_auroc(table: ScoreTable, n_draws: int = 200, share: float = 0.95, seed: int = 0) -> FrameAUROC:
    """Macro, micro and per-prompt AUROC on the frame grid.

    A frame is positive by ``TimeGrid.frame_labels``; ties count half.

    Parameters
    ----------
    n_draws : int, default 200
        sets of as many recordings as there are, drawn with replacement; 0 for no intervals
    share : float, default 0.95
        of the draws within an interval

    Examples
    --------
    >>> from flam.core import Event, FrameScores, RecordingEvents, TimeGrid
    >>> scores = FrameScores(np.array([[0.2], [0.9], [0.1]], np.float32), ("dog",), TimeGrid(10, 10), 0, 30)
    >>> table = ScoreTable.build({"a": scores}, [RecordingEvents("a", None, (Event(1.0, 3.0, "dog"),))])
    >>> frame_auroc(table, n_draws=0).macro.value
    0.5
    """
    weights = recording_weights(len(table.recordings), n_draws, seed)
    columns = range(len(table.prompts))
    areas = np.stack([_areas(*table.judged_frames(k), weights) for k in columns], axis=1)
    scores, labels, recording = map(np.concatenate, zip(*map(table.judged_frames, columns), strict=True))
    pooled = _areas(scores, labels, recording, weights)
    is_counted = ~np.isnan(areas[0])
    return FrameAUROC(
        interval(mean_of_rows(areas), share),
        interval(pooled, share),
        {prompt: interval(areas[:, k], share) for k, prompt in enumerate(table.prompts)},
        tuple(prompt for prompt, counted in zip(table.prompts, is_counted, strict=True) if not counted),
        areas,
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
