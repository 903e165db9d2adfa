"""False positives per minute, by threshold and by number of prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flam.evaluation.intersection import intersection_curves
from flam.evaluation.table import ScoreTable


@dataclass(frozen=True)
class FalsePositives:
    """False positives per minute of recording.

    Parameters
    ----------
    thresholds : np.ndarray
        (N,) float array
    prompts : tuple[str, ...]
        K texts
    per_minute : np.ndarray
        (N, K) float array, by threshold and prompt
    """

    thresholds: np.ndarray
    prompts: tuple[str, ...]
    per_minute: np.ndarray

    @property
    def total_per_minute(self) -> np.ndarray:
        """(N,) of all prompts together."""
        return self.per_minute.sum(axis=1)

    def for_prompt_counts(self, counts: Sequence[int], n_draws: int = 200, seed: int = 0) -> np.ndarray:
        """(C, N, 3) per minute for one who asks for fewer prompts: mean, 5 % and 95 % quantile over random choices.

        The mean is exact, because a prompt's detections do not depend on the others; the quantiles are drawn.

        Parameters
        ----------
        counts : Sequence[int]
            C numbers of prompts, each from 1 to K

        Raises
        ------
        ValueError
            a count outside of this range
        """
        n_prompts = len(self.prompts)
        rates = np.empty((len(counts), len(self.thresholds), 3))
        rng = np.random.default_rng(seed)
        for c, count in enumerate(counts):
            if not 1 <= count <= n_prompts:
                raise ValueError(
                    f"false positives for {count} prompts; the table has {n_prompts}, ask for 1 to as many"
                )
            draws = np.stack([rng.permutation(n_prompts)[:count] for _ in range(n_draws)])
            totals = self.per_minute[:, draws].sum(axis=2)
            rates[c, :, 0] = self.total_per_minute * count / n_prompts
            rates[c, :, 1:] = np.quantile(totals, [0.05, 0.95], axis=1).T
        return rates


def false_positives(table: ScoreTable, thresholds: np.ndarray, dtc_threshold: float = 0.1) -> FalsePositives:
    """Count detections that are none, the way PSDS does.

    A detection is a longest run of frames that reach the threshold; it is a false positive where the events of its
    prompt cover less than ``dtc_threshold`` of it.

    Parameters
    ----------
    thresholds : np.ndarray
        (N,) float array
    dtc_threshold : float, default 0.1
        share of a detection, in (0, 1]

    Examples
    --------
    >>> from flam.core import Event, FrameScores, RecordingEvents, TimeGrid
    >>> scores = FrameScores(np.array([[0.7], [0.1], [0.8]], np.float32), ("dog",), TimeGrid(10, 100), 0, 300)
    >>> table = ScoreTable.build({"a": scores}, [RecordingEvents("a", None, (Event(20.0, 30.0, "dog"),))])
    >>> false_positives(table, np.array([0.5, 0.75])).total_per_minute
    array([2., 0.])
    """
    curves = intersection_curves(table, dtc_threshold, dtc_threshold)
    per_minute = np.empty((len(thresholds), len(table.prompts)))
    for k, curve in enumerate(curves.values()):
        places = [curve.counts.at(float(threshold)) for threshold in thresholds]
        per_minute[:, k] = 60 * curve.counts.fp[places] / table.duration_s
    return FalsePositives(np.asarray(thresholds, dtype=np.float64), table.prompts, per_minute)
