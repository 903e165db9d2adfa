"""Counting events by hand and by program."""

import math

from flam.core import Event
from flam.evaluation.detections import compare_events, count_detections

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


def test_found_missed_and_false():
    events = [Event(0, 2, "bell"), Event(5, 6, "bell"), Event(5, 6, "dog")]
    detections = [
        Event(1.8, 2.6, "bell"),  # shares 0.2 s of 0.8 s: no match, a false alarm
        Event(4.9, 5.4, "bell"),  # found, 0.1 s early
        Event(5, 6, "cat"),  # nobody made it: a false alarm
    ]
    counts = count_detections(detections, events, 30)
    assert (counts.n_events, counts.n_found, counts.n_false_alarms) == (3, 1, 2)
    assert math.isclose(counts.onset_errors_s[0], 0.1)
    assert counts.false_alarms_per_minute == 4


def test_counts_add_up_and_nothing_is_not_a_number():
    one = count_detections([], [Event(0, 1, "a")], 30)
    other = count_detections([Event(0, 1, "a")], [Event(0, 1, "a")], 30)
    assert (one + other).recall == 0.5
    assert math.isnan(count_detections([], [], 10).recall)


def test_two_detections_of_one_event_are_no_false_alarm():
    counts = count_detections([Event(0, 1, "a"), Event(2, 3, "a")], [Event(0, 3, "a")], 60)
    assert (counts.n_found, counts.n_false_alarms, counts.onset_errors_s) == (1, 0, (0,))


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
