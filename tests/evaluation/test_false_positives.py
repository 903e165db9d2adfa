"""False positives per minute, against a loop over detections and over choices of prompts."""

import itertools

import numpy as np
import pytest

from flam.evaluation.false_positives import FalsePositives, false_positives


def test_equals_a_loop_over_detections(random_table):
    table = random_table(4, n_levels=10)
    thresholds = np.array([0.0, 0.3, 0.5, 0.50001, 0.9, 2.0])
    own = false_positives(table, thresholds, dtc_threshold=0.4)
    for n, k in itertools.product(range(len(thresholds)), range(len(table.prompts))):
        assert own.per_minute[n, k] == pytest.approx(60 * count(table, k, thresholds[n]) / table.duration_s)
    np.testing.assert_allclose(own.total_per_minute, own.per_minute.sum(axis=1))
    assert own.total_per_minute[1] > 0
    assert own.total_per_minute[-1] == 0


def count(table, k, threshold):
    n_false = 0
    for r in range(len(table.recordings)):
        rows = np.arange(*table.first_row[r : r + 2])
        for is_on, run in itertools.groupby(rows, key=lambda row: table.scores[row, k] >= threshold):
            run = list(run)
            if is_on:
                onset_s, offset_s = table.starts_s[run[0]], table.ends_s[run[-1]]
                own = (table.truth.recording == r) & (table.truth.prompt == k)
                shared_s = np.minimum(offset_s, table.truth.offset_s[own]) - np.maximum(
                    onset_s, table.truth.onset_s[own]
                )
                n_false += np.clip(shared_s, 0, None).sum() < 0.4 * (offset_s - onset_s) - 1e-9
    return n_false


def test_fewer_prompts_raise_fewer_alarms():
    rates = FalsePositives(np.array([0.5]), ("a", "b", "c"), np.array([[3.0, 0.0, 6.0]]))
    few = rates.for_prompt_counts([1, 2, 3], n_draws=500)
    assert few.shape == (3, 1, 3)
    pairs = [sum(pair) for pair in itertools.combinations([3.0, 0.0, 6.0], 2)]
    np.testing.assert_allclose(few[:, 0, 0], [3.0, np.mean(pairs), 9.0])
    np.testing.assert_allclose(few[:, 0, 1:], [[0.0, 6.0], [3.0, 9.0], [9.0, 9.0]])
    with pytest.raises(ValueError, match="4 prompts; the table has 3"):
        rates.for_prompt_counts([4])


def test_all_prompts_count_also_those_without_events(small_table):
    table = small_table({"x": {"a": [0.9, 0.1, 0.9], "b": [0.9, 0.9, 0.9]}}, {"x": [(0.0, 0.1, "a")]})
    np.testing.assert_allclose(false_positives(table, np.array([0.5])).per_minute, [[200.0, 200.0]])


def test_a_score_equal_to_a_threshold_reaches_it(small_table):
    table = small_table({"x": {"a": [0.1, 0.7, 0.3]}}, {})  # 0.7 in 32 bits is less than 0.7 in 64
    assert false_positives(table, np.array([0.7, 0.700001])).total_per_minute.tolist() == [200.0, 0.0]
