"""The false alarm curve: points, between them, beyond them, and from a model's config."""

import math

import pytest

from flam.core import from_mapping, to_mapping
from flam.detection.config import DetectionConfig
from flam.detection.false_alarms import FalseAlarmCurve
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


def test_beyond_the_measured_ends_nothing_is_made_up():
    assert CURVE.threshold(1e6) == pytest.approx(0.9)
    assert CURVE.threshold(1e-6) == pytest.approx(0.99)
    assert CURVE.threshold(60.0, n_prompts=0) == pytest.approx(0.9)


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
