"""What ships beside the weights: equal scales, the curve of false alarms, kinds of sound; and how they are judged."""

import numpy as np
import pytest

from flam.core import Event, FrameScores, TimeGrid
from flam.detection.config import DetectionConfig, PromptSettings
from recipes.flam_mini.judgement import JudgedRecording
from recipes.flam_mini.kinds import stretch_seconds
from recipes.flam_mini.operating import false_alarm_curve, with_threshold
from recipes.flam_mini.robustness import at_false_alarms, macro_frame_auroc, operating

GRID = TimeGrid(48_000, 3_840)
N_FRAMES = 400
CONFIG = DetectionConfig(score="approximate", threshold=0.9, median_s=0.0, merge_gap_s=0.0, min_duration_s=0.0)


def recording(spans, events, prompts=("knock", "rain"), unsure=()):
    """Scores that are high in ``spans`` of (prompt, first frame, last frame, score)."""
    scores = np.full((N_FRAMES, len(prompts)), 0.1, np.float32)
    for prompt, first, last, score in spans:
        scores[first:last, prompts.index(prompt)] = score
    frames = FrameScores(scores, tuple(prompts), GRID, 0, N_FRAMES * GRID.hop_samples)
    return JudgedRecording(frames, tuple(events), frozenset(unsure))


def event(prompt, first, last):
    return Event(first * GRID.hop_s, last * GRID.hop_s, prompt)


ONE_OF_TWO = recording(
    [("knock", 10, 14, 0.95), ("rain", 100, 200, 0.99), ("rain", 300, 310, 0.99)],
    [event("knock", 10, 14), event("knock", 50, 54), event("rain", 100, 200)],
)


def test_what_is_found_is_told_by_prompt_by_length_and_by_number():
    found = operating(CONFIG, [ONE_OF_TWO])
    assert found.found_by_prompt == {"knock": (1, 2), "rain": (1, 1)}
    assert found.found_by_length == [(1, 2), (0, 0), (0, 0), (1, 1)]
    assert found.counts.n_false_alarms == 1
    assert found.count_error == pytest.approx(1.0)  # one knock too few, one rain too many


def test_a_prompt_that_is_never_found_is_counted_as_such():
    figures = operating(with_threshold(CONFIG, 0.97), [ONE_OF_TWO]).figures
    assert (figures["prompts_found"], figures["prompts_asked"]) == (1, 2)


def test_the_threshold_of_equal_false_alarms_keeps_within_them():
    recordings = [recording([("rain", 10 * k, 10 * k + 5, 0.9 + 0.0024 * k) for k in range(40)], [])]
    for per_minute in (5.0, 30.0):
        _, found = at_false_alarms(CONFIG, recordings, per_minute, n_steps=20)
        assert found.counts.false_alarms_per_minute <= per_minute
        assert found.counts.false_alarms_per_minute > 0.6 * per_minute


def test_a_curve_counts_false_alarms_by_prompt_and_hour():
    logits = np.linspace(1, 9, 60)
    spans = [("rain", 6 * k, 6 * k + 3, float(1 / (1 + np.exp(-logit)))) for k, logit in enumerate(logits)]
    curve = false_alarm_curve(CONFIG, [recording(spans, [], unsure=["knock"])])
    hours = N_FRAMES * GRID.hop_s / 3600  # of one prompt: the other can't be judged
    for threshold, rate in zip(curve.thresholds, curve.per_prompt_per_hour, strict=True):
        n_above = int((1 / (1 + np.exp(-logits)) >= threshold).sum())
        assert rate * hours == pytest.approx(n_above, abs=0.01)
    assert n_above >= 8


def test_another_threshold_moves_the_low_ones_along():
    config = DetectionConfig(threshold=0.8, prompts={"knock": PromptSettings(low_threshold=0.76, median_s=0.1)})
    rule = with_threshold(config, 0.4).rule("knock")
    assert (rule.threshold, rule.median_s) == (0.4, 0.1)
    assert rule.low_threshold == pytest.approx(0.38)


def test_frame_auroc_leaves_out_what_sounds_nowhere():
    assert macro_frame_auroc([recording([("rain", 0, 50, 0.9)], [event("rain", 0, 50)])], ["knock", "rain"]) == 1.0


def test_pauses_divide_a_clip_into_sounds():
    assert stretch_seconds([(0.0, 0.2), (0.3, 0.5), (1.5, 1.6)]) == [0.5, 0.1]
