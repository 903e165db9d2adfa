"""Prompts files: read back as written, plain text as before, alternatives and negatives equal to their definition."""

import numpy as np
import pytest

import flam
from flam.core import ConfigError, Event, FrameScores, TimeGrid
from flam.detection.config import DetectionConfig, FalseAlarmCurve, PromptSettings, replace_settings
from flam.detection.operating_point import operating_point
from flam.detection.prompt_file import (
    Probability,
    PromptEntry,
    PromptList,
    merged,
    read_prompt_file,
    write_prompt_file,
)

FULL = PromptEntry(
    "dog barking",
    alternatives=("a barking dog", "woof ü"),
    negatives=("wolf howling",),
    threshold=0.93,
    min_duration_s=0.25,
    probability=Probability(-3.0, 1.5),
    score="approximate",
    n=20,
    model_id="0123456789abcdef",
)


def test_what_is_written_is_read_back(tmp_path):
    prompts = PromptList((FULL, PromptEntry("siren"), PromptEntry("no", threshold=0.5)))
    write_prompt_file(prompts, tmp_path / "prompts.yaml")
    assert read_prompt_file(tmp_path / "prompts.yaml") == prompts
    assert "null" not in (tmp_path / "prompts.yaml").read_text()


def test_plain_text_is_still_a_prompt_a_line(tmp_path):
    (tmp_path / "prompts.txt").write_text("# sounds\nsiren\n\n dog barking \nsiren\n")
    assert read_prompt_file(tmp_path / "prompts.txt").names == ("siren", "dog barking")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prompts: []", "holds no prompts"),
        ("- siren", "holds no prompts"),
        ("prompts: [{prompt: siren, treshold: 1}]", "unknown key 'treshold'"),
        ("prompts: [{prompt: siren, threshold: 2}]", "threshold 2.0 must be within"),
        ("prompts: [siren, siren]", "'siren' is given twice"),
        ("prompts: [{prompt: siren, negatives: [siren]}]", "is also its negative"),
        ("prompts: [{prompt: ' '}]", "is empty"),
        ("prompts: [{prompt: siren, probability: {offset: 0, slope: -1}}]", "slope -1.0"),
        ("prompts: [siren]\nsites: {}", "unknown key 'sites'"),
    ],
)
def test_mistakes_are_named(tmp_path, text, message):
    (tmp_path / "prompts.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_prompt_file(tmp_path / "prompts.yaml")


def test_combined_scores_equal_their_definition():
    prompts = PromptList((FULL, PromptEntry("siren", negatives=("dog barking", "wind")), PromptEntry("wind")))
    rng = np.random.default_rng(0)
    values = rng.random((50, len(prompts.texts) + 1)).astype(np.float32)
    scores = FrameScores(values, (*prompts.texts, "shown"), TimeGrid(10, 1), 3, 50)
    combined = prompts.combine(scores)
    assert combined.prompts == ("dog barking", "siren", "wind", "shown")
    assert combined.start_frame == 3
    for t in range(50):
        by_text = dict(zip(scores.prompts, values[t], strict=True))
        for k, entry in enumerate(prompts.prompts):
            best = max(by_text[text] for text in entry.texts)
            is_rival_higher = any(by_text[text] > best for text in entry.negatives)
            assert combined.scores[t, k] == (0 if is_rival_higher else best)
        assert combined.scores[t, 3] == by_text["shown"]


def test_plain_prompts_keep_their_scores_untouched():
    prompts = PromptList.of(["siren", "dog"])
    scores = FrameScores(np.zeros((2, 2), np.float32), ("siren", "dog"), TimeGrid(10, 1), 0, 2)
    assert prompts.combine(scores) is scores
    assert prompts.configure(DetectionConfig()) == DetectionConfig()


def test_events_of_reviewed_prompts_get_a_probability():
    prompts = PromptList((FULL, PromptEntry("siren")))
    dog, siren = prompts.finish([Event(0, 1, "dog barking", 0.9, 0.9), Event(0, 1, "siren", 0.9, 0.9)])
    assert dog.probability == pytest.approx(1 / (1 + np.exp(3.0 - 1.5 * np.log(9))), abs=1e-4)
    assert siren.probability is None


def test_thresholds_of_another_score_or_model_are_noticed():
    prompts = PromptList((PromptEntry("siren"), FULL))
    prompts.require_score("approximate")
    with pytest.raises(ConfigError, match="--score approximate"):
        prompts.require_score("posterior")
    assert prompts.of_other_models("fedc") == ("dog barking",)
    assert prompts.of_other_models(FULL.model_id) == ()


def test_a_fresh_review_replaces_its_prompt_only():
    earlier = PromptList((FULL, PromptEntry("siren")))
    assert merged(earlier, [PromptEntry("dog barking", n=5)]).prompts[0].n == 5
    assert merged(earlier, [PromptEntry("dog barking")]).names == earlier.names


def test_thresholds_of_a_review_win_over_those_of_the_model_and_the_budget():
    config = DetectionConfig(
        score="approximate",
        threshold=0.99,
        prompts={"dog barking": PromptSettings(threshold=0.995, low_threshold=0.99, median_s=0.5)},
        false_alarms_per_hour=40.0,
        false_alarm_curve=FalseAlarmCurve((0.9, 0.99), (40.0, 4.0)),
    )
    prompts = PromptList((FULL, PromptEntry("siren")))
    rule = operating_point(prompts.configure(config), prompts.names, np.array).rule("dog barking")
    assert (rule.threshold, rule.min_duration_s, rule.median_s) == (FULL.threshold, FULL.min_duration_s, 0.5)
    assert rule.low_threshold == pytest.approx(0.85 * FULL.threshold)


def test_another_score_leaves_the_curve_behind_and_a_threshold_the_budget():
    curve = {"thresholds": [0.9, 0.99], "per_prompt_per_hour": [40.0, 4.0]}
    base = {"score": "approximate", "threshold": 0.99, "false_alarms_per_hour": 1.0, "false_alarm_curve": curve}
    assert replace_settings(base, {"score": "posterior"})["false_alarm_curve"] is None
    assert replace_settings(base, {"threshold": 0.5})["false_alarms_per_hour"] is None
    assert replace_settings(base, {"median_s": 0.5}) == {**base, "median_s": 0.5}


def test_detector_finds_with_a_list_what_it_finds_with_its_texts():
    detector = flam.load("flam-mini")
    audio = (np.random.default_rng(0).normal(0, 0.1, 480_000).astype(np.float32), 48_000)
    entry = PromptEntry("rain", alternatives=("hiss",), negatives=("wind",), threshold=0.6, score="approximate")
    scores = detector.score(audio, ["rain", "hiss", "wind"]).scores
    expected = scores[:, :2].max(axis=1) * (scores[:, :2].max(axis=1) >= scores[:, 2])
    prompts = PromptList((entry,))
    np.testing.assert_array_equal(detector.score(audio, prompts).scores[:, 0], expected)
    pushed = detector.session(prompts)
    events = [event for piece in (*pushed.push(audio[0]), *pushed.finish()) for event in piece.events]
    [event], [as_file] = events, detector.detect(audio, prompts, latency_s=pushed.latency_s)
    assert (event.onset_s, event.offset_s, event.prompt) == (as_file.onset_s, as_file.offset_s, "rain")
    assert event.mean_score == pytest.approx(as_file.mean_score, abs=1e-5)
