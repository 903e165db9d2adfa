"""Operating points, prompts that nobody can judge, and few prompts at once; some figures are those of the evaluator
that flam-mini's recipe had of its own."""

from dataclasses import replace

import numpy as np
import pytest

from flam.benchmark import Item
from flam.benchmark.benchmark import OperatingPoints
from flam.benchmark.operating_point import (
    OWN,
    at_false_alarms,
    at_operating_points,
    convert_thresholds,
    prompt_groups,
)
from flam.benchmark.results import ambience_result, frame_result, score_table
from flam.core import Event, FrameScores, TimeGrid
from flam.detection.config import DetectionConfig, PromptSettings

GRID = TimeGrid(48_000, 3_840)
N_FRAMES = 375
PROMPTS = ("knock", "rain", "siren", "dog bark")
CONFIG = DetectionConfig(
    score="approximate",
    threshold=0.99,
    median_s=0.24,
    merge_gap_s=0.3,
    min_duration_s=0.16,
    prompts={"rain": PromptSettings(merge_gap_s=1.0, median_s=0.4)},
)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Twelve recordings of 30 s with drawn events; some of them are found, some late, some prompts aren't judged."""
    rng = np.random.default_rng(5)
    items, scores = [], {}
    path = tmp_path_factory.mktemp("drawn") / "a.wav"
    for r in range(12):
        frames = rng.uniform(0.0, 0.3, (N_FRAMES, len(PROMPTS))).astype(np.float32)
        events = []
        for k, prompt in enumerate(PROMPTS):
            first = int(rng.integers(0, 40))
            while first < N_FRAMES - 90:
                n = int(rng.choice([4, 12, 30, 75]))
                kind = rng.random()
                level = float(1 / (1 + np.exp(-rng.uniform(3, 9))))
                if kind < 0.7:
                    events.append(Event(first * GRID.hop_s, (first + n) * GRID.hop_s, prompt))
                if kind < 0.4 or kind > 0.7:
                    late = int(rng.integers(0, 3)) if kind < 0.4 else 0
                    frames[first + late : first + n, k] = level
                first += n + int(rng.choice([3, 9, 60]))
        not_judged = frozenset({PROMPTS[r % 4]}) if r % 3 == 0 else frozenset()
        judged = tuple(event for event in events if event.prompt not in not_judged) if r < 11 else ()
        items.append(Item(f"r{r}", path, N_FRAMES * GRID.hop_s, judged, not_judged=not_judged))
        scores[f"r{r}"] = FrameScores(frames, PROMPTS, GRID, 0, N_FRAMES * GRID.hop_samples)
    return items, scores


@pytest.fixture(scope="module")
def result(drawn):
    return frame_result(*drawn, lambda prompts: CONFIG, OperatingPoints(2.5))


def figures(point):
    return (
        point.recall.value,
        *(recall.value * n for recall, n in zip(point.recall_by_length, point.n_by_length, strict=True)),
        point.false_alarms_per_minute.value,
        point.onset_error_s.value,
        point.count_error.value,
    )


def test_its_own_point_as_the_recipe_judged_it(result):
    point = result.points[OWN]
    assert figures(point) == pytest.approx((72 / 126, 14, 14, 19, 25, 8.166667, 0.08, 1.75))
    assert point.n_by_length == (26, 27, 39, 34)
    assert point.found_by_prompt == {"dog bark": (21, 37), "knock": (16, 27), "rain": (16, 27), "siren": (19, 35)}
    assert result.figures["frame_auroc"].value == pytest.approx(0.7048971107826044)


def test_equal_false_alarms_as_the_recipe_judged_them(result):
    point = result.points["at 2.5 false alarms a minute"]
    assert figures(point) == pytest.approx((15 / 126, 2, 3, 3, 7, 2.5, 0.08, 3.425))
    assert point.found_by_prompt == {"dog bark": (4, 37), "knock": (4, 27), "rain": (1, 27), "siren": (6, 35)}


def test_fewer_false_alarms_leave_a_prompt_that_is_never_found(drawn):
    items, scores = drawn
    point = at_operating_points(score_table(items, scores), scores, lambda prompts: CONFIG, OperatingPoints(1.0))
    assert figures(point["at 1 false alarms a minute"]) == pytest.approx((7 / 126, 2, 0, 2, 3, 1.0, 0.08, 3.875))
    assert point["at 1 false alarms a minute"].never_found == ("rain",)


def test_groups_of_prompts_count_as_asked_one_after_another(drawn):
    items, scores = drawn

    def rules(prompts):
        return replace(CONFIG, threshold={4: 0.99, 2: 0.98 if "knock" in prompts else 0.995}[len(prompts)])

    point = at_operating_points(score_table(items, scores), scores, rules, OperatingPoints(None, (2,)))[
        "2 prompts at once"
    ]
    groups = prompt_groups(PROMPTS, 2)
    # asked alone, each group has so many found, events and false alarms a minute
    alone = []
    for group in groups:
        part = {name: FrameScores(each.scores[:, [PROMPTS.index(p) for p in group]], group, GRID, 0, each.n_samples)
                for name, each in scores.items()}  # fmt: skip
        own = [replace(item, events=tuple(e for e in item.events if e.prompt in group)) for item in items]
        alone.append(at_operating_points(score_table(own, part), part, rules, OperatingPoints(None))[OWN])
    found, there = np.array([counts for one in alone for counts in one.found_by_prompt.values()]).sum(axis=0).tolist()
    assert point.recall.value == found / there
    per_minute = np.mean([one.false_alarms_per_minute.value for one in alone])
    assert point.false_alarms_per_minute.value == pytest.approx(per_minute)


def test_every_prompt_is_asked_once_in_groups_of_the_same_size():
    groups = prompt_groups([str(k) for k in range(12)], 5)
    assert sorted(map(len, groups)) == [2, 5, 5]
    assert {prompt for group in groups for prompt in group} == {str(k) for k in range(12)}
    assert groups == prompt_groups([str(k) for k in range(12)], 5)


def test_moved_thresholds_are_the_lowest_that_keep_within_the_false_alarms(drawn):
    items, scores = drawn
    table = score_table(items, scores)
    config = at_false_alarms(table, scores, CONFIG, 2.5)
    lower = at_false_alarms(table, scores, CONFIG, 5.0)
    assert lower.rule("rain").threshold < config.rule("rain").threshold
    assert config.rule("rain").median_s == 0.4


def test_equal_false_alarms_are_the_same_for_each_kind_of_score(drawn):
    items, scores = drawn
    bias = np.array([-2.0, -4.0, -6.0, -8.0])
    posterior = {
        name: replace(
            each, scores=(1 / (1 + np.exp(-bias) * (1 / np.maximum(each.scores, 1e-6) - 1))).astype(np.float32)
        )
        for name, each in scores.items()
    }
    converted = convert_thresholds(CONFIG, "posterior", PROMPTS, bias.tolist())
    points = [
        at_operating_points(score_table(items, each), each, lambda prompts, rules=rules: rules, OperatingPoints(2.5))
        for each, rules in ((scores, CONFIG), (posterior, converted))
    ]
    assert list(points[0]) == [OWN, "at 2.5 false alarms a minute"]
    for title, point in points[0].items():
        assert repr(point) == repr(points[1][title])


def test_certain_detections_that_no_threshold_removes_have_no_point_of_equal_false_alarms(drawn):
    items, scores = drawn
    certain = {name: replace(each, scores=(each.scores > 0.9).astype(np.float32)) for name, each in scores.items()}
    result = frame_result(items, certain, lambda prompts: CONFIG, OperatingPoints(0.1))
    assert list(result.points) == [OWN]


def test_what_is_not_judged_is_neither_found_nor_a_false_alarm_nor_a_frame(drawn):
    items, scores = drawn
    name = items[0].name
    loud = {**scores, name: replace(scores[name], scores=scores[name].scores.copy())}
    loud[name].scores[:, PROMPTS.index("knock")] = 0.9999
    assert items[0].not_judged == {"knock"}
    one, other = (frame_result(items, each, lambda prompts: CONFIG) for each in (scores, loud))
    assert repr(one.figures) == repr(other.figures)
    assert any("prompts that a recording's background may fulfil are not judged" in note for note in one.notes)


def test_ambience_counts_false_alarms_alone_at_each_number_of_prompts(drawn):
    items, scores = drawn
    silent = [replace(item, events=()) for item in items]

    def rules(prompts):
        return replace(CONFIG, threshold=0.99 if len(prompts) == 4 else 0.98)

    result = ambience_result(silent, scores, rules, OperatingPoints(2.5, (1,)))
    assert list(result.points) == [OWN, "1 prompt at once"]
    assert list(result.figures) == ["false_alarms"]
    all_together = result.points[OWN].false_alarms_per_minute.value
    assert result.figures["false_alarms"].value == all_together > 8
    # four times as long listened to, at lower thresholds
    assert all_together / 4 < result.points["1 prompt at once"].false_alarms_per_minute.value < all_together


def test_a_system_without_rules_has_no_operating_points(drawn):
    items, scores = drawn
    assert frame_result(items, scores).points == {}
    assert np.isnan(
        ambience_result(items, scores, lambda prompts: None, OperatingPoints()).figures["false_alarms"].value
    )
