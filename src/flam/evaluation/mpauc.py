"""Segment-based partial area under the ROC curve, the measure of MAESTRO Real.

DCASE 2024 task 4; the staircase curve is that of Ebbers et al., ICASSP 2022, and ``sed_scores_eval``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flam.evaluation.changes import Changes
from flam.evaluation.segments import Pooling, segments
from flam.evaluation.table import ScoreTable


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
    areas = {
        prompt: _partial_area(cut.scores[:, k], cut.labels[:, k], cut.recording, max_fpr)
        for k, prompt in enumerate(table.prompts)
    }
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
