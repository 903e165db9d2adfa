"""Counts against the threshold: true and false positives wherever they change, and the F1 that follows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from flam.evaluation.bootstrap import Interval, interval, mean_of_rows, recording_weights
from flam.evaluation.sweep import Changes


@dataclass(frozen=True)
class CountCurve:
    """True and false positives of one prompt at every threshold that makes a difference.

    Parameters
    ----------
    thresholds : np.ndarray
        (P,) float array, falling, the first infinite; a score equal to a threshold reaches it
    tp, fp : np.ndarray
        (P,) float arrays, counts from each threshold down to just above the next
    n_events : int
        events (or segments) that are there

    Examples
    --------
    >>> curve = CountCurve(np.array([np.inf, 0.9, 0.4]), np.array([0, 1, 2]), np.array([0, 0, 3]), n_events=2)
    >>> curve.f1.round(3).tolist(), curve.at(0.5)
    ([0.0, 0.667, 0.571], 1)
    """

    thresholds: np.ndarray
    tp: np.ndarray
    fp: np.ndarray
    n_events: int

    @property
    def precision(self) -> np.ndarray:
        """(P,) share of detections that are right; 1 without detections."""
        n_detections = self.tp + self.fp
        return np.divide(self.tp, n_detections, out=np.ones(len(self.tp)), where=n_detections > 0)

    @property
    def recall(self) -> np.ndarray:
        """(P,) share of events that are found; NaN without events."""
        return self.tp / self.n_events if self.n_events else np.full(len(self.tp), np.nan)

    @property
    def f1(self) -> np.ndarray:
        """(P,) harmonic mean of precision and recall; NaN without events."""
        return 2 * self.tp / (self.tp + self.fp + self.n_events) if self.n_events else np.full(len(self.tp), np.nan)

    def at(self, threshold: float) -> int:
        """Position of the counts that hold at a threshold."""
        own = self.thresholds.dtype.type(threshold)  # rounded like the scores, so that a score of 0.7 reaches 0.7
        return int(np.searchsorted(-self.thresholds, -own, side="right")) - 1


@dataclass(frozen=True)
class F1Scores:
    """F1 of each prompt, and over them.

    Parameters
    ----------
    macro : float
        mean over the prompts that have events; NaN where none has
    micro : float
        from the counts of all prompts added up, those without events included
    per_prompt : dict[str, float]
        F1 by prompt; NaN without events
    thresholds : dict[str, float]
        threshold by prompt; between scores where it was chosen, so that it does not hang on rounding
    precision, recall : float
        over all prompts, from the counts that give ``micro``
    """

    macro: float
    micro: float
    per_prompt: dict[str, float]
    thresholds: dict[str, float]
    precision: float
    recall: float


@dataclass(frozen=True)
class F1Curves:
    """Counts of every prompt against the threshold.

    Parameters
    ----------
    curves : Mapping[str, CountCurve]
        CountCurve by prompt
    """

    curves: Mapping[str, CountCurve]

    def at(self, threshold: float) -> F1Scores:
        """F1 where all prompts have one threshold."""
        return self._scores({prompt: curve.at(threshold) for prompt, curve in self.curves.items()}, threshold)

    def best(self) -> F1Scores:
        """F1 where each prompt has the threshold that is best for it; the highest of equally good ones."""
        places = {prompt: int(np.argmax(curve.f1)) if curve.n_events else 0 for prompt, curve in self.curves.items()}
        return self._scores(places, None)

    def against(self, thresholds: np.ndarray) -> list[F1Scores]:
        """F1 at each of several thresholds common to all prompts."""
        return [self.at(float(threshold)) for threshold in thresholds]

    @cached_property
    def without_events(self) -> tuple[str, ...]:
        """Prompts without events: they have no F1 of their own and are not in the macro mean."""
        return tuple(prompt for prompt, curve in self.curves.items() if curve.n_events == 0)

    def _scores(self, places: Mapping[str, int], threshold: float | None) -> F1Scores:
        f1 = {prompt: float(curve.f1[places[prompt]]) for prompt, curve in self.curves.items()}
        tp = sum(float(curve.tp[places[prompt]]) for prompt, curve in self.curves.items())
        fp = sum(float(curve.fp[places[prompt]]) for prompt, curve in self.curves.items())
        n_events = sum(curve.n_events for curve in self.curves.values())
        with_events = [value for prompt, value in f1.items() if prompt not in self.without_events]
        return F1Scores(
            float(np.mean(with_events)) if with_events else float("nan"),
            2 * tp / (tp + fp + n_events) if n_events else float("nan"),
            f1,
            {
                prompt: _between(curve.thresholds, places[prompt]) if threshold is None else threshold
                for prompt, curve in self.curves.items()
            },
            tp / (tp + fp) if tp + fp else 1.0,
            tp / n_events if n_events else float("nan"),
        )


@dataclass(frozen=True)
class PromptChanges:
    """How the counts of one prompt change with the threshold, recording by recording.

    Parameters
    ----------
    changes : Changes
        of true positives, then of false positives
    n_events : np.ndarray
        (R,) array, events (or segments) that are there in each recording
    """

    changes: Changes
    n_events: np.ndarray


def f1_curves(changes: Iterable[tuple[str, PromptChanges]]) -> F1Curves:
    """Counts of every prompt against the threshold, from how they change."""
    curves = {}
    for prompt, own in changes:
        tp, fp = own.changes.counts()
        curves[prompt] = CountCurve(own.changes.thresholds, tp, fp, int(own.n_events.sum()))
    return F1Curves(curves)


def f1_interval(
    changes: Iterable[tuple[str, PromptChanges]],
    thresholds: Mapping[str, float],
    n_draws: int = 200,
    share: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Macro F1 at each prompt's threshold, with an interval from drawing recordings again; the thresholds stay.

    Parameters
    ----------
    thresholds : Mapping[str, float]
        of each prompt, as ``F1Curves.best`` chose them on all recordings
    n_draws : int, default 200
        as for ``flam.evaluation.auroc.frame_auroc``
    share : float, default 0.95
        as for ``flam.evaluation.auroc.frame_auroc``
    seed : int, default 0
        as for ``flam.evaluation.auroc.frame_auroc``
    """
    weights, per_prompt = None, []
    for prompt, own in changes:
        n_recordings = len(own.n_events)
        weights = recording_weights(n_recordings, n_draws, seed) if weights is None else weights
        tp, fp = own.changes.by_recording(thresholds[prompt], n_recordings) @ weights.T
        n_events = weights @ own.n_events
        f1 = np.divide(2 * tp, tp + fp + n_events, out=np.full(len(tp), np.nan), where=n_events > 0)
        per_prompt.append(f1)
    return interval(mean_of_rows(np.stack(per_prompt, axis=1)), share)


def _between(thresholds: np.ndarray, place: int) -> float:
    if place == 0 or place + 1 == len(thresholds):
        return float(thresholds[place])
    return float(thresholds[place] + thresholds[place + 1]) / 2
