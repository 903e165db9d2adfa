"""Figures at an operating point: by hand, and their draws beside drawing recordings one by one."""

import math

import numpy as np
import pytest

from flam.core import Event
from flam.evaluation.detections import count_detections, joined
from flam.evaluation.operating_point import operating_point


def drawn_recordings(seed, n_recordings):
    """Detections, events and lengths; some events are missed, some detections are false, one recording is silent."""
    rng = np.random.default_rng(seed)
    detections, events = [], []
    for r in range(n_recordings):
        there = [
            Event(onset_s, onset_s + float(rng.choice([0.3, 1.0, 3.0, 6.0])), str(rng.choice(["a", "b"])))
            for onset_s in (rng.random(rng.integers(1, 5)) * 20 if r else [])
        ]
        found = [
            Event(event.onset_s + float(rng.random() / 10), event.offset_s, event.prompt)
            for event in there
            if rng.random() < 0.6
        ]
        found += [Event(50.0 + n, 50.5 + n, "a") for n in range(rng.integers(0, 3))]
        detections.append(found)
        events.append(there)
    return detections, events, (60 + 10 * rng.random(n_recordings)).tolist()


def test_values_equal_counting_by_length_and_recordings():
    detections, events, durations_s = drawn_recordings(0, 12)
    point = operating_point(detections, events, durations_s, n_draws=0)
    counts = [count_detections(*one) for one in zip(detections, events, durations_s, strict=True)]
    total = sum(counts[1:], counts[0])
    assert point.recall.value == pytest.approx(total.recall)
    assert point.false_alarms_per_minute.value == pytest.approx(total.false_alarms_per_minute)
    assert point.onset_error_s.value == pytest.approx(np.median(total.onset_errors_s))
    assert point.false_alarms_without_events.value == pytest.approx(counts[0].false_alarms_per_minute)
    assert math.isnan(point.recall.low)
    for number, (least_s, most_s) in enumerate([(0, 0.6), (0.6, 1.5), (1.5, 5), (5, 99)]):
        own = [[event for event in there if least_s <= event.duration_s < most_s] for there in events]
        found = [count_detections(*one) for one in zip(detections, own, durations_s, strict=True)]
        assert point.n_by_length[number] == sum(count.n_events for count in found) > 0
        assert point.recall_by_length[number].value == pytest.approx(
            sum(count.n_found for count in found) / point.n_by_length[number]
        )


def test_intervals_equal_drawing_recordings_one_by_one():
    detections, events, durations_s = drawn_recordings(1, 8)
    draws = np.random.default_rng(3).multinomial(8, np.full(8, 1 / 8), 25)
    values = {"recall": [], "false_alarms_per_minute": [], "onset_error_s": [], "false_alarms_without_events": []}
    for draw in draws:
        chosen = [r for r, times in enumerate(draw) for _ in range(times)]
        again = operating_point(*([every[r] for r in chosen] for every in (detections, events, durations_s)), 0)
        for name, drawn in values.items():
            drawn.append(getattr(again, name).value)
    point = operating_point(detections, events, durations_s, n_draws=25, share=0.8, seed=3)
    assert np.isnan(values["false_alarms_without_events"]).any()  # draws without the silent recording don't count
    for name, drawn in values.items():
        own = getattr(point, name)
        assert (own.low, own.high) == pytest.approx(tuple(np.nanquantile(drawn, [0.1, 0.9])), abs=1e-12)
    assert point.recall.low < point.recall.value < point.recall.high


def test_nothing_to_count_is_not_a_number():
    point = operating_point([[], []], [[], []], [10.0, 10.0])
    assert math.isnan(point.recall.value)
    assert math.isnan(point.onset_error_s.value)
    assert point.false_alarms_per_minute.value == point.false_alarms_without_events.high == 0.0
    assert math.isnan(operating_point([[]], [[Event(0, 1, "a")]], [10.0]).false_alarms_without_events.value)


def test_events_that_a_detector_joins_are_one_event():
    events = [Event(0, 1, "a"), Event(1.4, 2, "a"), Event(1.4, 2, "b"), Event(2.2, 3, "b"), Event(9, 10, "a")]
    gaps_s = {"a": 0.5, "b": 0.1}
    assert joined(events, gaps_s.__getitem__) == [
        Event(0, 2, "a"),
        Event(9, 10, "a"),
        Event(1.4, 2, "b"),
        Event(2.2, 3, "b"),
    ]
