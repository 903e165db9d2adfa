"""Segment scores, F1 and MPAUC equal sed_scores_eval's and a loop over segments."""

import numpy as np
import pytest

from flam.core import Event, TimeGrid
from flam.evaluation.segments import mpauc, segment_changes, segment_f1, segments, soft_label_events

GRIDS = (TimeGrid(100, 8), TimeGrid(48000, 15000), TimeGrid(22050, 6615), TimeGrid(10, 10))


@pytest.mark.parametrize("grid", GRIDS, ids=str)
@pytest.mark.parametrize("segment_s", [1.0, 0.37])
def test_equals_sed_scores_eval(random_table, sed_scores_eval, as_sed_scores_eval, grid, segment_s):
    segment_based = sed_scores_eval.segment_based
    table = random_table(1, grid=grid, n_frames=23, n_recordings=20, n_levels=None if segment_s == 1 else 5)
    scores, truth, durations_s = as_sed_scores_eval(table)
    statistics = segment_based.intermediate_statistics.accumulated_intermediate_statistics
    counted, _ = statistics(scores, truth, durations_s, segment_length=segment_s)
    curves = segment_f1(table, segment_s)
    for prompt, (thresholds, counts) in counted.items():
        curve = curves.curves[prompt]
        places = [curve.at(threshold) for threshold in thresholds]
        np.testing.assert_array_equal(curve.tp[places], counts["tps"])
        np.testing.assert_array_equal(curve.fp[places], counts["fps"])
    best, *_ = segment_based.best_fscore(scores, truth, durations_s, segment_length=segment_s)
    assert curves.best().macro == pytest.approx(best["macro_average"], abs=1e-6)
    for max_fpr in (0.1, 0.5, 1.0):
        areas, _ = segment_based.auroc(scores, truth, durations_s, segment_length=segment_s, max_fpr=max_fpr)
        own = mpauc(table, max_fpr, segment_s)
        assert own.value == pytest.approx(areas["mean"], abs=1e-6)
        assert own.per_prompt == pytest.approx({prompt: areas[prompt] for prompt in table.prompts}, abs=1e-6)


@pytest.mark.parametrize("grid", GRIDS, ids=str)
@pytest.mark.parametrize("pooling", ["max", "mean"])
def test_equals_a_loop_over_segments(random_table, grid, pooling):
    table = random_table(2, grid=grid, n_frames=17, n_recordings=4)
    cut = segments(table, pooling=pooling)
    place = 0
    for r, duration_s in enumerate(table.durations_s):
        rows = range(table.first_row[r], table.first_row[r + 1])
        for s in range(int(np.ceil(duration_s - 1e-9))):
            shared_s = {row: min(s + 1, table.ends_s[row]) - max(s, table.starts_s[row]) for row in rows}
            own = [row for row in rows if shared_s[row] > 1e-6]
            for k in range(len(table.prompts)):
                values = table.scores[own, k].astype(float)
                weights = [shared_s[row] for row in own]
                expected = values.max() if pooling == "max" else np.average(values, weights=weights)
                assert cut.scores[place, k] == pytest.approx(expected, abs=1e-9)
            assert cut.recording[place] == r
            place += 1
    assert place == len(cut.scores)


def test_segments_beyond_the_scores_score_nothing(small_table):
    cut = segments(
        small_table({"x": {"a": [0.5] * 10}}, {"x": [(1.5, 3.0, "a")]}, durations_s={"x": 2.5}, outside="trim")
    )
    np.testing.assert_allclose(cut.scores[:, 0], [0.5, 0, 0])
    assert cut.labels[:, 0].tolist() == [False, True, True]


def test_prompts_without_both_kinds_are_left_out_and_named(small_table):
    columns = {"a": [0.9] * 10 + [0.1] * 10, "b": [0.5] * 20, "c": [0.5] * 20}
    area = mpauc(small_table({"x": columns}, {"x": [(0.0, 0.5, "a"), (0.0, 2.0, "b")]}))
    assert (area.value, area.left_out) == (1.0, ("b", "c"))
    with pytest.raises(ValueError, match="max_fpr is 0"):
        mpauc(small_table({"x": columns}, {}), max_fpr=0)


def test_soft_labels_round_trip_and_half_is_not_enough():
    soft = np.array([[0.6, 0.0], [0.51, 1.0], [0.5, 1.0], [0.9, 0.2]])
    events = soft_label_events(soft, ["birds", "car"])
    assert events == [Event(0.0, 2.0, "birds"), Event(1.0, 3.0, "car"), Event(3.0, 4.0, "birds")]
    assert soft_label_events(np.zeros((0, 2)), ["birds", "car"]) == []


def test_the_interval_equals_tables_of_the_drawn_recordings(check_f1_interval):
    check_f1_interval(segment_f1, segment_changes)
