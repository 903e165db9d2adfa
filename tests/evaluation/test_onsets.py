"""Onset errors are those that counting detections finds, with their sign."""

import numpy as np
import pytest

from flam.core import Event
from flam.evaluation.detections import count_detections
from flam.evaluation.onsets import OnsetErrors, onset_errors


@pytest.mark.parametrize("threshold", [0.3, 0.6, 0.8, 5.0])
def test_equals_counting_detections(random_table, threshold):
    table = random_table(2, n_levels=10, n_recordings=20)
    expected_s, n_events = [], 0
    for r in range(len(table.recordings)):
        own = table.truth.recording == r
        rows = slice(*table.first_row[r : r + 2])
        events = [
            Event(onset_s, offset_s, table.prompts[k])
            for onset_s, offset_s, k in zip(
                table.truth.onset_s[own], table.truth.offset_s[own], table.truth.prompt[own], strict=True
            )
        ]
        detections = []
        for k, prompt in enumerate(table.prompts):
            on = np.concatenate([[False], table.scores[rows, k] >= threshold, [False]])
            starts, ends = np.flatnonzero(on[1:] & ~on[:-1]), np.flatnonzero(on[:-1] & ~on[1:]) - 1
            detections += [
                Event(table.starts_s[rows][start], table.ends_s[rows][end], prompt)
                for start, end in zip(starts, ends, strict=True)
            ]
        counts = count_detections(detections, events, table.durations_s[r])
        expected_s += counts.onset_errors_s
        n_events += counts.n_events
    own = onset_errors(table, threshold)
    np.testing.assert_allclose(np.sort(np.abs(own.errors_s)), np.sort(expected_s))
    assert own.n_events == n_events
    assert (len(expected_s) > 0) == (threshold < 1)


def test_early_is_negative_and_late_is_positive(small_table):
    columns = {"a": [0.1, 0.9, 0.9, 0.1, 0.1, 0.9, 0.9, 0.1]}
    errors = onset_errors(small_table({"x": columns}, {"x": [(0.15, 0.3, "a"), (0.4, 0.7, "a")]}), 0.5)
    np.testing.assert_allclose(errors.errors_s, [-0.05, 0.1])
    assert (errors.recall, errors.within(0.06)) == (1.0, 0.5)
    assert errors.median_s == pytest.approx(0.025)
    assert errors.median_absolute_s == pytest.approx(0.075)
    np.testing.assert_allclose(errors.quantiles_s((0.0, 1.0)), [-0.05, 0.1])


def test_detections_of_neighbouring_recordings_stay_apart(small_table):
    scores = {"x": {"a": [0.1, 0.9]}, "y": {"a": [0.9, 0.1]}}
    errors = onset_errors(small_table(scores, {"x": [(0.1, 0.2, "a")], "y": [(0.0, 0.1, "a")]}), 0.5)
    np.testing.assert_allclose(errors.errors_s, [0.0, 0.0])


def test_nothing_found_is_not_a_number():
    nothing = OnsetErrors(np.empty(0), 0, 0.5)
    assert np.isnan([nothing.recall, nothing.median_s, nothing.median_absolute_s, nothing.within(1)]).all()
    assert np.isnan(nothing.quantiles_s()).all()
