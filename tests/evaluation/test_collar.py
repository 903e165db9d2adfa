"""Collar F1 equals sed_scores_eval's at every threshold, also where events are closer than the collar."""

import itertools

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching

from flam.core import Event, FrameScores, RecordingEvents, TimeGrid
from flam.evaluation.collar import OnsetErrors, collar_changes, collar_f1, onset_errors
from flam.evaluation.detections import count_detections
from flam.evaluation.table import ScoreTable

COLLARS = {"onset_collar": 0.2, "offset_collar": 0.2, "offset_collar_rate": 0.2}


@pytest.fixture
def check(sed_scores_eval, as_sed_scores_eval):
    collar_based = sed_scores_eval.collar_based

    def compare(table):
        scores, truth, _ = as_sed_scores_eval(table)
        statistics = collar_based.intermediate_statistics.accumulated_intermediate_statistics
        counted, _ = statistics(scores, truth, **COLLARS)
        curves = collar_f1(table)
        for prompt, (thresholds, counts) in counted.items():
            curve = curves.curves[prompt]
            places = [curve.at(threshold) for threshold in thresholds]
            np.testing.assert_array_equal(curve.tp[places], counts["tps"])
            np.testing.assert_array_equal(curve.fp[places], counts["fps"])
        best, *_ = collar_based.best_fscore(scores, truth, **COLLARS)
        own = curves.best()
        assert own.macro == pytest.approx(best["macro_average"], abs=1e-6)
        assert own.per_prompt == pytest.approx({prompt: best[prompt] for prompt in table.prompts}, abs=1e-6)
        for threshold in (0.22, 0.43, 0.72):  # between scores: theirs have to be above a threshold, ours to reach it
            at, precision, recall, _ = collar_based.fscore(scores, truth, threshold, **COLLARS)
            own = curves.at(threshold)
            assert own.macro == pytest.approx(at["macro_average"], abs=1e-6)
            assert own.micro == pytest.approx(at["micro_average"], abs=1e-6)
            assert own.recall == pytest.approx(recall["micro_average"], abs=1e-6)
            if own.precision < 1:  # they take 0 for the precision of no detections
                assert own.precision == pytest.approx(precision["micro_average"], abs=1e-6)

    return compare


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n_levels", [None, 4])
def test_random_scores(random_table, check, seed, n_levels):
    table = random_table(seed, n_levels=n_levels, n_recordings=25, n_events=5)
    assert collar_f1(table).best().macro > 0.1
    check(table)


@pytest.mark.parametrize("seed", range(6))
def test_short_events_closer_than_the_collar(check, seed):
    rng = np.random.default_rng(seed)
    grid, scores, truth = TimeGrid(100, 5), {}, []
    for r in range(4):
        rows = np.round(rng.random((60, 1)), 1 if seed % 2 else 6).astype(np.float32)
        scores[str(r)] = FrameScores(rows, ("tick",), grid, 0, 300)
        onsets_s = np.flatnonzero(rng.random(20) < 0.7) * 0.15
        events = tuple(Event(float(onset), float(onset + 0.02 + 0.11 * rng.random()), "tick") for onset in onsets_s)
        truth.append(RecordingEvents(str(r), None, events))
    table = ScoreTable.build(scores, truth)
    curve = collar_f1(table).curves["tick"]
    assert curve.tp.max() > 5
    check(table)
    for place, threshold in enumerate(curve.thresholds):
        assert curve.tp[place] == most_pairs(table, threshold)


def most_pairs(table, threshold):
    """The most pairs of a detection and an event, recording by recording, by scipy's matching."""
    total = 0
    for r in range(len(table.recordings)):
        rows = slice(*table.first_row[r : r + 2])
        on = np.concatenate([[False], table.scores[rows, 0] >= threshold, [False]])
        onset_s = np.flatnonzero(on[1:] & ~on[:-1])[:, None] * 0.05
        offset_s = np.flatnonzero(on[:-1] & ~on[1:])[:, None] * 0.05
        own = table.truth.recording == r
        is_hit = np.abs(onset_s - table.truth.onset_s[own]) <= 0.2 + 1e-7
        is_hit &= np.abs(offset_s - table.truth.offset_s[own]) <= 0.2 + 1e-7  # all are shorter than 1 s
        total += (maximum_bipartite_matching(csr_matrix(is_hit)) >= 0).sum()
    return total


def test_a_collar_is_met_to_the_microsecond(small_table):
    scores = {"x": {"a": [0.1, 0.1, 0.1, 0.9, 0.9, 0.1, 0.1]}}
    assert collar_f1(small_table(scores, {"x": [(0.1, 0.7, "a")]})).at(0.5).macro == 1.0
    assert collar_f1(small_table(scores, {"x": [(0.09, 0.7, "a")]})).at(0.5).macro == 0.0
    assert collar_f1(small_table(scores, {"x": [(0.1, 0.7, "a")]}), offset_collar_s=0.1).at(0.5).macro == 0.0


def test_wide_collars_stay_within_their_recording(small_table):
    columns = {"a": [0.9, 0.1, 0.1]}
    table = small_table({"x": columns, "y": columns}, {"x": [(0.2, 0.3, "a")], "y": [(0.2, 0.3, "a")]})
    curve = collar_f1(table, onset_collar_s=5.0, offset_collar_s=5.0).curves["a"]
    assert (curve.tp[curve.at(0.5)], curve.fp[curve.at(0.5)]) == (2, 0)
    lone = small_table({"x": columns, "y": columns}, {"x": [(0.2, 0.3, "a")]})
    curve = collar_f1(lone, onset_collar_s=5.0, offset_collar_s=5.0).curves["a"]
    assert (curve.tp[curve.at(0.5)], curve.fp[curve.at(0.5)]) == (1, 1)


def test_prompt_without_events_counts_in_micro_alone(small_table):
    scores = {"x": {"a": [0.1, 0.9, 0.1], "b": [0.9, 0.1, 0.9]}}
    found = collar_f1(small_table(scores, {"x": [(0.1, 0.2, "a")]}))
    assert found.without_events == ("b",)
    assert (found.at(0.5).macro, found.at(0.5).micro) == (1.0, 0.5)
    assert np.isnan(found.at(0.5).per_prompt["b"])
    assert found.best().thresholds["b"] == np.inf


def test_f1_against_the_threshold_is_f1_at_each(random_table):
    curves = collar_f1(random_table(0))
    thresholds = np.linspace(0, 1, 7)
    for threshold, scores in zip(thresholds, curves.against(thresholds), strict=True):
        assert scores == curves.at(threshold)
    assert max(itertools.chain(*[curve.f1 for curve in curves.curves.values()])) == max(
        curves.best().per_prompt.values()
    )


def test_the_interval_equals_tables_of_the_drawn_recordings(check_f1_interval):
    check_f1_interval(collar_f1, collar_changes)


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
