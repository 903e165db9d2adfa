"""Numbers out of range are refused with value, rule and remedy; a prompt's own settings win."""

import subprocess
import sys

import pytest

from flam.core import ConfigError, from_mapping, load_yaml, save_yaml
from flam.detection import DetectionConfig, PromptSettings


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"threshold": 0.0}, r"threshold 0.0 must be within \(0, 1\]"),
        ({"threshold": 1.5}, r"threshold 1.5 must be within \(0, 1\]"),
        ({"threshold": float("nan")}, "threshold nan must be"),
        ({"low_threshold": -0.1}, "low_threshold -0.1 must be within"),
        ({"threshold": 0.4, "low_threshold": 0.5}, "low_threshold 0.5 must be at most threshold 0.4"),
        ({"median_s": -1.0}, "median_s -1.0 must be finite"),
        ({"merge_gap_s": float("inf")}, "merge_gap_s inf must be finite"),
        ({"min_duration_s": -0.5}, "min_duration_s -0.5 must be"),
        ({"overlap": 0.6}, r"overlap 0.6 must be within \[0, 0.5\]"),
        ({"silence_db": 3.0}, r"silence_db 3.0 must be within \[-120, 0\]"),
        ({"batch_windows": 0}, "batch_windows 0 must be at least 1"),
        ({"score": "logit"}, "'logit' is not one of"),
        ({"treshold": 0.5}, "unknown key 'treshold'"),
        ({"prompts": {"dog": {"threshold": 2}}}, r"prompts.dog: threshold 2.0 must be within"),
        ({"prompts": {"dog": {"low_threshold": 0.9}}}, r"prompts\['dog'\]: low_threshold 0.9 must be at most"),
    ],
)
def test_values_out_of_range_are_refused(mapping, message):
    with pytest.raises(ConfigError, match=message) as caught:
        from_mapping(DetectionConfig, mapping, "detection")
    assert str(caught.value).startswith("detection")
    assert "\n" not in str(caught.value)


def test_a_prompt_takes_what_it_does_not_say_from_all():
    config = DetectionConfig(
        threshold=0.6, low_threshold=0.3, median_s=0.5, prompts={"dog": PromptSettings(threshold=0.2, merge_gap_s=0.0)}
    )
    dog, rain = config.rule("dog"), config.rule("rain")
    assert (dog.threshold, dog.median_s, dog.merge_gap_s) == (0.2, 0.5, 0.0)
    assert dog.low_threshold == pytest.approx(0.1)  # half of the threshold, as for all
    assert (rain.threshold, rain.low_threshold) == (0.6, 0.3)


def test_yaml_gives_back_the_same(tmp_path):
    config = DetectionConfig(threshold=0.4, prompts={"dog barking": PromptSettings(median_s=0.0)})
    save_yaml(config, tmp_path / "detection.yaml")
    assert load_yaml(DetectionConfig, tmp_path / "detection.yaml") == config


def test_reading_a_configuration_needs_no_torch():
    code = "import flam.detection, sys; flam.detection.DetectionConfig(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
