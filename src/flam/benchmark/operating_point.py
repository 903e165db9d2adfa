"""A detector's own operating point applied to stored scores, whatever kind of score they are."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from flam.core import Event, FrameScores, ScoreMethod
from flam.detection.binarize import binarize
from flam.detection.config import DetectionConfig, PromptSettings
from flam.evaluation.detections import joined
from flam.evaluation.operating_point import OperatingPoint, operating_point
from flam.evaluation.table import ScoreTable


def at_operating_point(table: ScoreTable, scores: Mapping[str, FrameScores], config: DetectionConfig) -> OperatingPoint:
    """What ``flam detect`` would find, beside the truth of a table.

    Events of one prompt that the detector would join count as one event, but for the number of events.

    Parameters
    ----------
    scores : Mapping[str, FrameScores]
        of the table's recordings, not smoothed
    config : DetectionConfig
        the rules; its thresholds are of the kind of these scores
    """
    counted = _events(table)
    events = [joined(there, lambda prompt: config.rule(prompt).merge_gap_s) for there in counted]
    detections = [list(binarize([scores[name]], config)) for name in table.recordings]
    return operating_point(detections, events, table.durations_s.tolist(), counted=counted)


def convert_thresholds(
    config: DetectionConfig, method: ScoreMethod, prompts: Sequence[str], logit_bias: Sequence[float]
) -> DetectionConfig:
    """The same rules for another kind of score: events begin and end in the same frames.

    Within a prompt each kind of score rises with the others, so that thresholds have counterparts and medians stay
    medians.

    Parameters
    ----------
    method : ScoreMethod
        the kind of score to find events in
    prompts : Sequence[str]
        K texts
    logit_bias : Sequence[float]
        (K,) bias of each, beta of the paper

    Examples
    --------
    >>> own = DetectionConfig(score="approximate", threshold=0.9, low_threshold=0.5)
    >>> rule = convert_thresholds(own, "posterior", ["siren"], [-8.0]).rule("siren")
    >>> round(rule.threshold, 5), round(rule.low_threshold, 5)
    (0.00301, 0.00034)
    """
    settings = {}
    for prompt, bias in zip(prompts, logit_bias, strict=True):
        rule = config.rule(prompt)
        settings[prompt] = PromptSettings(
            _score(_scaled_cosine(rule.threshold, config.score, bias), method, bias),
            _score(_scaled_cosine(rule.low_threshold, config.score, bias), method, bias),
            rule.median_s,
            rule.min_duration_s,
            rule.merge_gap_s,
        )
    return dataclasses.replace(config, score=method, prompts=settings)


def _events(table: ScoreTable) -> list[list[Event]]:
    truth = table.truth
    events: list[list[Event]] = [[] for _ in table.recordings]
    for r, k, onset_s, offset_s in zip(
        truth.recording.tolist(), truth.prompt.tolist(), truth.onset_s.tolist(), truth.offset_s.tolist(), strict=True
    ):
        events[r].append(Event(onset_s, offset_s, table.prompts[k]))
    return events


def _scaled_cosine(score: float, method: ScoreMethod, bias: float) -> float:
    """alpha * c of Eq. 2 at which a score is reached; infinite where it never is."""
    if method == "approximate":
        return _logit(score)
    posterior = score if method == "posterior" else _sigmoid(bias) * score / (1 - score) if score < 1 else 1.0
    return _logit(min(posterior, 1.0)) - bias


def _score(scaled_cosine: float, method: ScoreMethod, bias: float) -> float:
    if method == "approximate" or scaled_cosine == np.inf:
        return _sigmoid(scaled_cosine)
    posterior = _sigmoid(scaled_cosine + bias)
    return posterior if method == "posterior" else posterior / (posterior + _sigmoid(bias))


def _logit(share: float) -> float:
    with np.errstate(divide="ignore"):
        return float(np.log(share) - np.log1p(-share))


def _sigmoid(logit: float) -> float:
    return float(np.exp(-np.logaddexp(0.0, -logit)))
