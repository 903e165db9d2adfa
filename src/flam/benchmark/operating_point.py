"""Detectors' rules applied to stored scores: as they ship, at equal false alarms, and for few prompts at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from flam.benchmark.benchmark import OperatingPoints
from flam.core import Event, FrameScores, ScoreMethod
from flam.detection.binarize import binarize
from flam.detection.config import DetectionConfig, PromptSettings
from flam.evaluation.detections import joined, match_detections
from flam.evaluation.operating_point import OperatingPoint, operating_point
from flam.evaluation.table import ScoreTable

LARGEST_SHIFT = 12.0  # logits, up and down
N_HALVINGS = 12
OWN = ""  # the title of the rules as they ship
Rules = Callable[[Sequence[str]], DetectionConfig | None]


def at_operating_points(
    table: ScoreTable,
    scores: Mapping[str, FrameScores],
    rules: Rules,
    points: OperatingPoints,
) -> dict[str, OperatingPoint]:
    """Judge one system's scores at its own operating point and at those that a benchmark asks for.

    Parameters
    ----------
    table : ScoreTable
        Scores and truth.
    scores : Mapping[str, FrameScores]
        Of the table's recordings, not smoothed.
    rules : Callable[[Sequence[str]], DetectionConfig | None]
        The rules for prompts that are asked together, with thresholds of the kind of these scores; None for a system
        without any.
    points : OperatingPoints
        What to judge beside the system's own rules for all prompts.

    Returns
    -------
    dict[str, OperatingPoint]
        By title, the system's own first; nothing for a system without rules. Where no threshold brings false alarms
        down far enough, that point is missing.
    """
    own = rules(table.prompts)
    if own is None:
        return {}
    found = {OWN: at_operating_point(table, scores, own)}
    per_minute = points.false_alarms_per_minute
    if per_minute is not None and table.prompts_with_events().any():
        config = at_false_alarms(table, scores, own, per_minute)
        if config is not None:
            found[points.equal_title] = at_operating_point(table, scores, config)
    for n_prompts in points.prompts_at_once:
        groups = prompt_groups(table.prompts, n_prompts)
        config = _together([(group, rules(group) or own) for group in groups])
        title = f"{n_prompts} prompt{'s' * (n_prompts > 1)} at once"
        found[title] = at_operating_point(table, scores, config, len(groups))
    return found


def at_operating_point(
    table: ScoreTable, scores: Mapping[str, FrameScores], config: DetectionConfig, n_runs: int = 1
) -> OperatingPoint:
    """What ``flam detect`` would find, beside the truth of a table.

    Events of one prompt that the detector would join count as one event, but for the number of events.

    Parameters
    ----------
    scores : Mapping[str, FrameScores]
        of the table's recordings, not smoothed
    config : DetectionConfig
        the rules; its thresholds are of the kind of these scores
    n_runs : int, default 1
        how often each recording is listened to: once for each group of prompts that is asked together
    """
    counted, events, detections = _compared(table, scores, config)
    return operating_point(detections, events, (table.durations_s * n_runs).tolist(), counted=counted)


def n_false_alarms(table: ScoreTable, scores: Mapping[str, FrameScores], config: DetectionConfig) -> int:
    """Count the detections in all recordings that overlap no event of their prompt; parameters as above."""
    _, events, detections = _compared(table, scores, config)
    return sum(match_detections(*both).n_false_alarms for both in zip(detections, events, strict=True))


def at_false_alarms(
    table: ScoreTable, scores: Mapping[str, FrameScores], config: DetectionConfig, per_minute: float
) -> DetectionConfig | None:
    """Move the thresholds of all prompts by the same number of logits, until there are at most so many false alarms.

    Smoothing, joining and shortest durations stay as they are; ``DetectionConfig.rule`` gives the moved thresholds.

    Parameters
    ----------
    per_minute : float
        Of all prompts together.

    Returns
    -------
    DetectionConfig or None
        The lowest thresholds that keep within it, to 0.01 logits; None where the highest do not.
    """

    def is_within(shift: float) -> bool:
        moved = _with_thresholds(config, table.prompts, lambda score, _: _sigmoid(_logit(score) + shift))
        return 60 * n_false_alarms(table, scores, moved) / table.duration_s <= per_minute

    low, high = -LARGEST_SHIFT, LARGEST_SHIFT
    if not is_within(high):
        return None
    for _ in range(N_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if is_within(middle) else (middle, high)
    return _with_thresholds(config, table.prompts, lambda score, _: _sigmoid(_logit(score) + high))


def prompt_groups(prompts: Sequence[str], n_prompts: int, seed: int = 0) -> list[tuple[str, ...]]:
    """Divide prompts at random into groups of so many; the last one may be smaller.

    Examples
    --------
    >>> [len(group) for group in prompt_groups("abcde", 2)], len(prompt_groups("abcde", 50))
    ([2, 2, 1], 1)
    """
    order = np.random.default_rng(seed).permutation(len(prompts)).tolist()
    return [tuple(prompts[k] for k in order[start : start + n_prompts]) for start in range(0, len(order), n_prompts)]


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
    bias = dict(zip(prompts, logit_bias, strict=True))

    def converted(score: float, prompt: str) -> float:
        return _score(_scaled_cosine(score, config.score, bias[prompt]), method, bias[prompt])

    return dataclasses.replace(_with_thresholds(config, prompts, converted), score=method)


def _with_thresholds(
    config: DetectionConfig, prompts: Sequence[str], change: Callable[[float, str], float]
) -> DetectionConfig:
    """The same rules, written out for each prompt, with both thresholds changed."""
    settings = {}
    for prompt in prompts:
        rule = config.rule(prompt)
        thresholds = change(rule.threshold, prompt), change(rule.low_threshold, prompt)
        settings[prompt] = PromptSettings(*thresholds, rule.median_s, rule.min_duration_s, rule.merge_gap_s)
    return dataclasses.replace(config, prompts=settings)


def _together(groups: Sequence[tuple[Sequence[str], DetectionConfig]]) -> DetectionConfig:
    """One configuration that holds for each prompt what its group's says."""
    settled = [_with_thresholds(config, prompts, lambda score, _: score) for prompts, config in groups]
    prompts = {prompt: own for config in settled for prompt, own in config.prompts.items()}
    return dataclasses.replace(settled[0], prompts=prompts)


def _compared(
    table: ScoreTable, scores: Mapping[str, FrameScores], config: DetectionConfig
) -> tuple[list[list[Event]], list[list[Event]], list[list[Event]]]:
    """By recording: the events, the events joined as the detector joins, and the detections that can be judged."""
    counted = _events(table)
    events = [joined(there, lambda prompt: config.rule(prompt).merge_gap_s) for there in counted]
    detections = []
    for name, judged in zip(table.recordings, table.judged, strict=True):
        is_judged = dict(zip(table.prompts, judged.tolist(), strict=True))
        detections.append([event for event in binarize([scores[name]], config) if is_judged[event.prompt]])
    return counted, events, detections


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
