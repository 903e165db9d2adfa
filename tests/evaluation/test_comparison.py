"""Counts of detections beside labels equal those made by hand, event by event."""

import math

from flam.core import Event
from flam.evaluation.comparison import compare_events

TRUTH = {
    "a": [Event(1.0, 3.0, "Car horn"), Event(10.0, 11.0, "Car horn"), Event(5.0, 6.0, "siren")],
    "b": [],
    "c": [Event(0.0, 2.0, "siren")],
}
RESULTS = {
    "a": [Event(1.5, 3.5, "car_horn"), Event(20.0, 21.0, "car horn"), Event(5.0, 5.5, "siren")],
    "b": [Event(2.0, 3.0, "siren")],
    "unreviewed": [Event(0.0, 9.0, "siren")],
}


def test_counts_by_hand():
    horn, siren, every = compare_events(RESULTS, TRUTH)
    assert (horn.prompt, horn.n_events, horn.n_found, horn.n_detections, horn.n_right) == ("Car horn", 2, 1, 2, 1)
    assert (horn.precision, horn.recall, horn.onset_error_s()) == (0.5, 0.5, 0.5)
    # c has no results: its siren is missed; the false siren of b counts, that of a recording nobody reviewed does not
    assert (siren.n_events, siren.n_found, siren.n_detections, siren.n_right) == (2, 1, 2, 1)
    assert (every.prompt, every.n_events, every.n_detections) == ("all", 4, 4)
    assert every.onset_errors_s == horn.onset_errors_s + siren.onset_errors_s


def test_truth_compared_with_itself_is_perfect():
    *_, every = compare_events(TRUTH, TRUTH)
    assert (every.precision, every.recall, every.onset_error_s(0.9)) == (1.0, 1.0, 0.0)


def test_nothing_gives_no_figures():
    [every] = compare_events({}, {"a": []})
    assert all(math.isnan(value) for value in (every.precision, every.recall, every.onset_error_s()))
