"""Polyphonic sound detection score, exact over all thresholds.

Bilen et al., "A framework for the robust evaluation of sound event detection", ICASSP 2020; Ebbers, Serizel and
Haeb-Umbach, "Threshold-independent evaluation of sound event detection scores", ICASSP 2022.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from flam.core import ConfigError
from flam.evaluation.bootstrap import Interval, interval, recording_weights
from flam.evaluation.intersection import IntersectionCurve, PromptEvents, intersection_changes, intersection_curves
from flam.evaluation.table import ScoreTable

SECONDS_PER_HOUR = 3600.0
STEP_POINTS = 4096


@dataclass(frozen=True)
class PSDSConfig:
    """What counts as a detection, and how much errors cost.

    Parameters
    ----------
    dtc_threshold : float, default 0.7
        share of a detection that events must cover, else it is a false positive
    gtc_threshold : float, default 0.7
        share of an event that detections must cover, else it is missed
    cttc_threshold : float | None, optional
        share of a false positive that another prompt's events must cover to make it a cross trigger
    alpha_ct : float, default 0.0
        weight of cross triggers beside false positives; 0 if and only if ``cttc_threshold`` is None
    alpha_st : float, default 1.0
        weight of the standard deviation over prompts against the mean
    max_efpr : float, default 100.0
        effective false positives per hour and prompt up to which the curve counts
    """

    dtc_threshold: float = 0.7
    gtc_threshold: float = 0.7
    cttc_threshold: float | None = None
    alpha_ct: float = 0.0
    alpha_st: float = 1.0
    max_efpr: float = 100.0

    def __post_init__(self) -> None:
        if (self.alpha_ct == 0) != (self.cttc_threshold is None):
            raise ConfigError(
                f"alpha_ct {self.alpha_ct} with cttc_threshold {self.cttc_threshold}: cross triggers need both, "
                "an alpha_ct of 0 needs a cttc_threshold of None"
            )
        if self.alpha_ct < 0 or self.alpha_st < 0 or not self.max_efpr > 0:
            raise ConfigError(
                f"alpha_ct {self.alpha_ct}, alpha_st {self.alpha_st}, max_efpr {self.max_efpr}: weights are not "
                "negative, the largest rate is positive"
            )


PSDS1 = PSDSConfig()
PSDS2 = PSDSConfig(dtc_threshold=0.1, gtc_threshold=0.1, cttc_threshold=0.3, alpha_ct=0.5)
PSDS1_ALPHA_ST_0 = replace(PSDS1, alpha_st=0.0)


@dataclass(frozen=True)
class PSDS:
    """Area under the PSD-ROC up to ``max_efpr``, as a share of the largest possible.

    Parameters
    ----------
    value : float
        the score in [0, 1]; NaN where no prompt has events
    per_prompt : dict[str, float]
        the same of each prompt's own curve; NaN without events
    efpr, etpr : np.ndarray
        steps of the curve: effective false positives per hour, and effective share of events found from there on
    without_events : tuple[str, ...]
        prompts that sound nowhere, left out as if they had not been scored
    config : PSDSConfig
        how it was counted
    """

    value: float
    per_prompt: dict[str, float]
    efpr: np.ndarray
    etpr: np.ndarray
    without_events: tuple[str, ...]
    config: PSDSConfig


def psds1(table: ScoreTable) -> PSDS:
    """PSDS1: reacts fast; dtc 0.7, gtc 0.7, alpha_ct 0, alpha_st 1, 100 effective false positives an hour."""
    return psds(table, PSDS1)


def psds2(table: ScoreTable) -> PSDS:
    """PSDS2: tells sounds apart; dtc 0.1, gtc 0.1, cttc 0.3, alpha_ct 0.5, alpha_st 1."""
    return psds(table, PSDS2)


def psds1_alpha_st_0(table: ScoreTable) -> PSDS:
    """PSDS1 with alpha_st 0, which some papers report on AudioSet-Strong: never to be mixed with PSDS1."""
    return psds(table, PSDS1_ALPHA_ST_0)


def psds(table: ScoreTable, config: PSDSConfig) -> PSDS:
    """Polyphonic sound detection score.

    Examples
    --------
    >>> from flam.core import Event, FrameScores, RecordingEvents, TimeGrid
    >>> scores = FrameScores(np.array([[0.2], [0.9], [0.8]], np.float32), ("dog",), TimeGrid(10, 10), 0, 30)
    >>> table = ScoreTable.build({"a": scores}, [RecordingEvents("a", None, (Event(1.0, 3.0, "dog"),))])
    >>> psds1(table).value
    1.0
    """
    return _psds(table, _rocs(table, config), config)


def psds_table(table: ScoreTable) -> dict[str, PSDS]:
    """PSDS1, PSDS1 with alpha_st 0 and PSDS2 by name; the first two from one count.

    Examples
    --------
    >>> from flam.core import Event, FrameScores, RecordingEvents, TimeGrid
    >>> scores = FrameScores(np.array([[0.2], [0.9], [0.8]], np.float32), ("dog",), TimeGrid(10, 10), 0, 30)
    >>> table = ScoreTable.build({"a": scores}, [RecordingEvents("a", None, (Event(1.0, 3.0, "dog"),))])
    >>> {name: score.value for name, score in psds_table(table).items()}
    {'psds1': 1.0, 'psds1_alpha_st_0': 1.0, 'psds2': 1.0}
    """
    rocs = _rocs(table, PSDS1)
    return {
        "psds1": _psds(table, rocs, PSDS1),
        "psds1_alpha_st_0": _psds(table, rocs, PSDS1_ALPHA_ST_0),
        "psds2": psds2(table),
    }


def psds_intervals(table: ScoreTable, n_draws: int = 100, share: float = 0.95, seed: int = 0) -> dict[str, Interval]:
    """The scores of ``psds_table`` with intervals from drawing recordings again.

    A prompt that has no event in a draw is left out of it, as ``psds`` does with a table of the drawn recordings.

    Parameters
    ----------
    n_draws : int, default 100
        as for ``flam.evaluation.auroc.frame_auroc``
    share : float, default 0.95
        as for ``flam.evaluation.auroc.frame_auroc``
    seed : int, default 0
        as for ``flam.evaluation.auroc.frame_auroc``
    """
    weights = recording_weights(len(table.recordings), n_draws, seed)
    low, high = _drawn_rocs(table, PSDS1, weights), _drawn_rocs(table, PSDS2, weights)
    return {
        name: interval(np.array([_area(rocs, config) for rocs in drawn]), share)
        for name, drawn, config in (
            ("psds1", low, PSDS1),
            ("psds1_alpha_st_0", low, PSDS1_ALPHA_ST_0),
            ("psds2", high, PSDS2),
        )
    }


@dataclass(frozen=True)
class _Staircase:
    """(P,) effective false positives per hour, rising from 0, and the share of events found from each of them on."""

    efpr: np.ndarray
    tpr: np.ndarray

    def area(self, end: float) -> float:
        return float(np.dot(self.tpr, np.diff(self.efpr, append=end)))


def _rocs(table: ScoreTable, config: PSDSConfig) -> dict[str, _Staircase]:
    curves = intersection_curves(
        table, config.dtc_threshold, config.gtc_threshold, config.cttc_threshold, table.prompts_with_events()
    )
    return {prompt: _staircase(curve, table.duration_s, config) for prompt, curve in curves.items()}


def _drawn_rocs(table: ScoreTable, config: PSDSConfig, weights: np.ndarray) -> list[list[_Staircase]]:
    """The curves of the prompts that have events, for each of (D, R) ``weights``."""
    shares = config.dtc_threshold, config.gtc_threshold, config.cttc_threshold
    events = [PromptEvents.of(table, weight) for weight in weights]
    durations_s = weights @ table.durations_s
    rocs: list[list[_Staircase]] = [[] for _ in weights]
    for k, changes in intersection_changes(table, *shares, table.prompts_with_events()):
        for d, weight in enumerate(weights):
            if events[d].n_events[k]:
                near = changes.within(config.max_efpr * durations_s[d] / SECONDS_PER_HOUR + 1, weight)
                rocs[d].append(_staircase(near.curve(events[d], k, weight), durations_s[d], config))
    return rocs


def _staircase(curve: IntersectionCurve, duration_s: float, config: PSDSConfig) -> _Staircase:
    rate = curve.counts.fp / duration_s + config.alpha_ct * curve.cross_trigger_rate
    efpr, tpr = rate * SECONDS_PER_HOUR, curve.counts.recall
    inside = efpr <= config.max_efpr
    efpr, tpr = efpr[inside], tpr[inside]
    order = np.lexsort((tpr, efpr))
    efpr, tpr = efpr[order], np.maximum.accumulate(tpr[order])
    last = np.append(efpr[1:] != efpr[:-1], True)
    return _Staircase(efpr[last], tpr[last])


def _psds(table: ScoreTable, rocs: Mapping[str, _Staircase], config: PSDSConfig) -> PSDS:
    end = config.max_efpr
    overall = _overall(list(rocs.values()), config)
    return PSDS(
        overall.area(end) / end,
        {prompt: rocs[prompt].area(end) / end if prompt in rocs else float("nan") for prompt in table.prompts},
        overall.efpr,
        overall.tpr,
        tuple(prompt for prompt in table.prompts if prompt not in rocs),
        config,
    )


def _area(rocs: Sequence[_Staircase], config: PSDSConfig) -> float:
    return _overall(rocs, config).area(config.max_efpr) / config.max_efpr


def _overall(rocs: Sequence[_Staircase], config: PSDSConfig) -> _Staircase:
    return _combine(rocs, config.alpha_st) if rocs else _Staircase(np.zeros(1), np.full(1, np.nan))


def _combine(rocs: Sequence[_Staircase], alpha_st: float) -> _Staircase:
    """Mean less ``alpha_st`` standard deviations over the prompts, not below 0."""
    efpr = np.unique(np.concatenate([roc.efpr for roc in rocs]))
    etpr = np.empty(len(efpr))
    for start in range(0, len(efpr), STEP_POINTS):  # many prompts have too many points for one array
        at = efpr[start : start + STEP_POINTS]
        tpr = np.stack([roc.tpr[np.searchsorted(roc.efpr, at, side="right") - 1] for roc in rocs])
        etpr[start : start + STEP_POINTS] = np.maximum(tpr.mean(axis=0) - alpha_st * tpr.std(axis=0), 0)
    return _Staircase(efpr, etpr)
