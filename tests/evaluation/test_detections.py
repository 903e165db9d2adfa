"""Counting events by hand and by program."""

import math

from flam.core import Event
from flam.evaluation.detections import count_detections


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
