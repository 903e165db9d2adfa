"""The operating point of prompts that are asked together: thresholds by their number, smoothing by kind of sound."""

import numpy as np
import pytest

import flam
from flam.core import FrameScores, TimeGrid, from_mapping, to_mapping
from flam.detection.binarize import binarize
from flam.detection.config import DetectionConfig, FalseAlarmCurve, PromptSettings, with_overrides
from flam.detection.kinds import SoundKind
from flam.detection.operating_point import operating_point

CURVE = FalseAlarmCurve((0.9, 0.95, 0.99, 0.999), (100.0, 50.0, 10.0, 1.0))
HITS = SoundKind(("gunshot", "knock"), median_s=0.08, merge_gap_s=0.0, low_share=0.95)
HUMS = SoundKind(("rain", "engine"), median_s=0.8, merge_gap_s=1.0)
CONFIG = DetectionConfig(
    threshold=0.9, false_alarm_curve=CURVE, false_alarms_per_hour=10.0, kinds={"hits": HITS, "hums": HUMS}
)


def embed(texts):
    """Shots point one way, hums another."""
    angle = {"gunshot": 0.0, "knock": 0.2, "rifle": 0.1, "rain": 1.5, "engine": 1.3, "drizzle": 1.6}
    return np.array([[np.cos(angle[text]), np.sin(angle[text])] for text in texts])


def test_more_prompts_get_a_higher_threshold_and_may_be_wrong_more_often_together():
    settled = [operating_point(CONFIG, ["rain"] * n, embed).threshold for n in (1, 4, 25)]
    assert settled == sorted(settled)
    assert settled[0] == pytest.approx(0.99)
    assert CURVE.per_hour(settled[2], 25) == pytest.approx(50.0)


def test_each_prompt_is_smoothed_as_its_nearest_kind():
    settled = operating_point(CONFIG, ["rifle", "drizzle"], embed)
    shot, rain = settled.rule("rifle"), settled.rule("drizzle")
    assert (shot.median_s, shot.merge_gap_s) == (0.08, 0.0)
    assert (rain.median_s, rain.merge_gap_s) == (0.8, 1.0)
    assert shot.low_threshold == pytest.approx(0.95 * settled.threshold)
    assert rain.low_threshold == pytest.approx(0.85 * settled.threshold)


def test_what_is_said_of_a_prompt_comes_before_its_kind():
    config = from_mapping(
        DetectionConfig, {**to_mapping(CONFIG), "prompts": {"rifle": {"median_s": 0.4, "threshold": 0.5}}}
    )
    rule = operating_point(config, ["rifle"], embed).rule("rifle")
    assert (rule.median_s, rule.merge_gap_s, rule.threshold) == (0.4, 0.0, 0.5)
    assert rule.low_threshold == pytest.approx(0.475)


def test_a_settled_config_stays_as_it_is():
    once = operating_point(CONFIG, ["rifle", "rain"], embed)
    assert operating_point(once, ["rifle", "rain"], embed) == once


def test_a_threshold_that_a_user_gives_is_the_threshold():
    given = with_overrides(CONFIG, {"threshold": 0.6})
    assert operating_point(given, ["rain"], embed).threshold == 0.6


def test_without_a_curve_the_number_of_prompts_changes_nothing():
    config = DetectionConfig(threshold=0.7, false_alarms_per_hour=1.0)
    assert operating_point(config, ["rain"] * 9, embed).threshold == 0.7


def test_four_shots_are_four_events_and_rain_with_drops_between_is_one():
    grid = TimeGrid(48_000, 3_840)
    shots = np.full(80, 0.3)
    for first in (5, 21, 37, 53):  # 1.3 s apart
        shots[first : first + 3] = 0.9999
        shots[first + 3 : first + 13] = 0.88  # what a window of a second smears
    rain = np.full(80, 0.9999)
    rain[30:38] = 0.3
    scores = FrameScores(np.stack([shots, rain], 1).astype(np.float32), ("rifle", "drizzle"), grid, 0, 80 * 3_840)
    events = list(binarize([scores], operating_point(CONFIG, ["rifle", "drizzle"], embed)))
    assert sum(event.prompt == "rifle" for event in events) == 4
    assert sum(event.prompt == "drizzle" for event in events) == 1


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"texts": ()}, "at least one"),
        ({"texts": ("a",), "median_s": -1.0}, "median_s"),
        ({"texts": ("a",), "low_share": 1.5}, "low_share"),
    ],
)
def test_a_kind_that_makes_no_sense_is_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        SoundKind(**settings)


def test_the_detector_settles_for_the_prompts_it_is_asked():
    detector = flam.load("flam-mini")
    detector.config = DetectionConfig(
        score="approximate",
        false_alarm_curve=CURVE,
        false_alarms_per_hour=10.0,
        kinds={"hits": HITS, "hums": HUMS},
        prompts={"siren": PromptSettings(threshold=0.5)},
    )
    few, many = detector.operating_point(["rain"]), detector.operating_point([f"sound {i}" for i in range(40)])
    assert few.threshold < many.threshold
    assert few.rule("rain").median_s == 0.8
