"""The false alarm curve: points, between them, beyond them, and from a model's config."""

import math

import pytest

from flam.core import from_mapping, to_mapping
from flam.detection.config import DetectionConfig, FalseAlarmCurve
from flam.detection.load import load

CURVE = FalseAlarmCurve((0.9, 0.95, 0.99), (60.0, 30.0, 5.0))


def test_a_point_of_the_curve_is_given_back_from_either_side():
    for threshold, rate in zip(CURVE.thresholds, CURVE.per_prompt_per_hour, strict=True):
        assert CURVE.threshold(rate * 7, n_prompts=7) == pytest.approx(threshold)
        assert CURVE.per_hour(threshold, n_prompts=7) == pytest.approx(rate * 7)


def test_between_points_rate_and_threshold_are_each_others_inverse():
    for rate in (55.0, 31.0, 12.0, 5.5):
        assert CURVE.per_hour(CURVE.threshold(rate)) == pytest.approx(rate)


def test_more_prompts_for_the_same_false_alarms_need_a_higher_threshold():
    thresholds = [CURVE.threshold(60.0, n_prompts) for n_prompts in (1, 2, 5, 10)]
    assert thresholds == sorted(thresholds)
    assert len(set(thresholds)) == 4


def test_more_than_was_measured_gives_the_first_threshold():
    assert CURVE.threshold(1e6) == pytest.approx(0.9)
    assert CURVE.threshold(60.0, n_prompts=0) == pytest.approx(0.9)
    assert CURVE.per_hour(0.5) == pytest.approx(60.0)


def test_less_than_was_measured_follows_the_line_through_both_ends():
    slope = math.log(60.0 / 5.0) / math.log(0.1 / 0.01)
    for rate in (2.0, 0.5):
        threshold = CURVE.threshold(rate)
        assert math.log(1 - threshold) == pytest.approx(math.log(0.01) + math.log(rate / 5.0) / slope)
        assert CURVE.per_hour(threshold) == pytest.approx(rate)
    assert 0.999 < CURVE.threshold(1e-9) < 1  # no threshold that float32 scores can't reach


@pytest.mark.parametrize(
    ("thresholds", "rates", "said"),
    [
        ((0.9,), (1.0,), "2 or more"),
        ((0.9, 0.8), (2.0, 1.0), "must rise"),
        ((0.9, 0.95), (1.0, 2.0), "must fall"),
        ((0.9, 0.95), (1.0, 0.0), "above 0"),
        ((0.9, 1.0), (2.0, 1.0), "within"),
    ],
)
def test_a_curve_that_is_none_is_refused(thresholds, rates, said):
    with pytest.raises(ValueError, match=said):
        FalseAlarmCurve(thresholds, rates)


@pytest.mark.parametrize("rate", [0.0, -1.0, math.nan])
def test_no_threshold_promises_no_false_alarms(rate):
    with pytest.raises(ValueError, match="above 0"):
        CURVE.threshold(rate)


def test_a_config_with_a_curve_is_read_back_as_it_was():
    config = DetectionConfig(false_alarm_curve=CURVE)
    assert from_mapping(DetectionConfig, to_mapping(config)) == config


def test_the_shipped_model_brings_a_curve():
    curve = load(device="cpu").config.false_alarm_curve
    assert curve is not None
    assert curve.threshold(60.0, n_prompts=50) > curve.threshold(60.0, n_prompts=5)
