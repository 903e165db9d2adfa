"""What ships beside the weights: the curve of false alarms, and kinds of sound."""

from pathlib import Path

import numpy as np
import pytest

from flam.benchmark import Item
from flam.benchmark.results import score_table
from flam.core import Event, FrameScores, TimeGrid
from flam.detection.config import DetectionConfig, PromptSettings
from recipes.flam_mini.kinds import stretch_seconds
from recipes.flam_mini.operating import false_alarm_curve, with_threshold

GRID = TimeGrid(48_000, 3_840)
N_FRAMES = 400
CONFIG = DetectionConfig(score="approximate", threshold=0.9, median_s=0.0, merge_gap_s=0.0, min_duration_s=0.0)


def curve_of(spans, events=(), not_judged=()):
    """The curve of one recording whose scores are high in ``spans`` of (prompt, first frame, last frame, score)."""
    prompts = ("knock", "rain")
    frames = np.full((N_FRAMES, len(prompts)), 0.1, np.float32)
    for prompt, first, last, score in spans:
        frames[first:last, prompts.index(prompt)] = score
    scores = {"a": FrameScores(frames, prompts, GRID, 0, N_FRAMES * GRID.hop_samples)}
    items = [Item("a", Path("a"), events=tuple(events), not_judged=frozenset(not_judged))]
    return false_alarm_curve(CONFIG, score_table(items, scores), scores)


def test_a_curve_counts_false_alarms_by_prompt_and_hour():
    logits = np.linspace(1, 9, 60)
    spans = [("rain", 6 * k, 6 * k + 3, float(1 / (1 + np.exp(-logit)))) for k, logit in enumerate(logits)]
    curve = curve_of(spans, not_judged=["knock"])
    hours = N_FRAMES * GRID.hop_s / 3600  # of one prompt: the other can't be judged
    for threshold, rate in zip(curve.thresholds, curve.per_prompt_per_hour, strict=True):
        n_above = int((1 / (1 + np.exp(-logits)) >= threshold).sum())
        assert rate * hours == pytest.approx(n_above, abs=0.01)
    assert n_above >= 8


def test_what_is_there_or_can_not_be_judged_is_no_false_alarm_of_a_curve():
    spans = [("rain", 6 * k, 6 * k + 3, 0.9 + 0.001 * k) for k in range(40)]
    noise = [("knock", 6 * k, 6 * k + 3, 0.99) for k in range(40)]
    there = [Event(6 * k * GRID.hop_s, (6 * k + 3) * GRID.hop_s, "rain") for k in range(0, 40, 2)]
    hours = N_FRAMES * GRID.hop_s / 3600
    every, half = curve_of(spans, not_judged=["knock"]), curve_of(spans + noise, there, not_judged=["knock"])
    assert every.per_prompt_per_hour[0] * hours == pytest.approx(40, abs=0.01)
    assert half.per_prompt_per_hour[0] * hours == pytest.approx(20, abs=0.01)


def test_another_threshold_moves_the_low_ones_along():
    config = DetectionConfig(threshold=0.8, prompts={"knock": PromptSettings(low_threshold=0.76, median_s=0.1)})
    rule = with_threshold(config, 0.4).rule("knock")
    assert (rule.threshold, rule.median_s) == (0.4, 0.1)
    assert rule.low_threshold == pytest.approx(0.38)


def test_pauses_divide_a_clip_into_sounds():
    assert stretch_seconds([(0.0, 0.2), (0.3, 0.5), (1.5, 1.6)]) == [0.5, 0.1]
