"""Metrics at one operating point: events found, by their length, false alarms and onset errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flam.core import Event
from flam.evaluation.bootstrap import Interval, interval, recording_weights
from flam.evaluation.detections import match_detections

LENGTHS_S = (0.6, 1.5, 5.0)  # between short, middling, long and very long events


@dataclass(frozen=True)
class OperatingPoint:
    """Detections beside events, NaN where there is nothing to count.

    Parameters
    ----------
    recall : Interval
        share of the events that were found
    recall_by_length : tuple[Interval, ...]
        the same of events shorter than 0.6 s, of 0.6 to 1.5 s, of 1.5 to 5 s, and from 5 s on
    n_by_length : tuple[int, ...]
        events of each of these lengths
    false_alarms_per_minute : Interval
        of all prompts together
    false_alarms_without_events : Interval
        the same in recordings without any event
    onset_error_s : Interval
        median distance of onsets of found events, seconds
    count_error : Interval
        mean distance of the number of detections and of events, over recordings and prompts that sound in them
    found_by_prompt : dict[str, tuple[int, int]]
        events found and events there, of each prompt that sounds
    """

    recall: Interval
    recall_by_length: tuple[Interval, ...]
    n_by_length: tuple[int, ...]
    false_alarms_per_minute: Interval
    false_alarms_without_events: Interval
    onset_error_s: Interval
    count_error: Interval
    found_by_prompt: dict[str, tuple[int, int]]

    @property
    def never_found(self) -> tuple[str, ...]:
        """Prompts that sound somewhere, none of whose events was found."""
        return tuple(prompt for prompt, (found, _) in self.found_by_prompt.items() if not found)


def operating_point(
    detections: Sequence[Sequence[Event]],
    events: Sequence[Sequence[Event]],
    durations_s: Sequence[float],
    n_draws: int = 200,
    share: float = 0.95,
    seed: int = 0,
    counted: Sequence[Sequence[Event]] | None = None,
) -> OperatingPoint:
    """Judge detections by ``match_detections``, with intervals from drawing recordings again.

    Parameters
    ----------
    detections, events : Sequence[Sequence[Event]]
        of each of R recordings
    durations_s : Sequence[float]
        (R,) lengths of the recordings, seconds
    n_draws : int, default 200
        as for ``flam.evaluation.auroc.frame_auroc``
    share : float, default 0.95
        as for ``flam.evaluation.auroc.frame_auroc``
    seed : int, default 0
        as for ``flam.evaluation.auroc.frame_auroc``
    counted : Sequence[Sequence[Event]], optional
        the events that the number of detections should be, where ``events`` were joined; None takes ``events``

    Examples
    --------
    >>> there, found = [Event(1.0, 3.0, "siren")], [Event(1.25, 3.0, "siren"), Event(7.0, 8.0, "siren")]
    >>> point = operating_point([found, found], [there, []], [30.0, 30.0])
    >>> point.recall.value, point.false_alarms_per_minute.value, point.false_alarms_without_events.value
    (1.0, 3.0, 4.0)
    >>> point.onset_error_s.value, point.count_error.value, point.found_by_prompt
    (0.25, 1.0, {'siren': (1, 1)})
    """
    matches = [match_detections(found, there) for found, there in zip(detections, events, strict=True)]
    recording = np.repeat(np.arange(len(events)), [len(there) for there in events])
    lengths_s = np.array([event.duration_s for there in events for event in there])
    # None, a missed event, becomes NaN
    errors_s = np.array([error_s for match in matches for error_s in match.onset_errors_s], dtype=np.float64)
    n_false_alarms = np.array([match.n_false_alarms for match in matches])
    minutes = np.asarray(durations_s) / 60
    is_silent = np.array([not there for there in events])
    weights = recording_weights(len(events), n_draws, seed)

    def of_recordings(counts: np.ndarray) -> np.ndarray:
        return weights @ counts

    def recall(chosen: np.ndarray) -> Interval:
        there = np.bincount(recording[chosen], minlength=len(events))
        found = np.bincount(recording[chosen & ~np.isnan(errors_s)], minlength=len(events))
        return interval(_shares(of_recordings(found), of_recordings(there)), share)

    length_class = np.searchsorted(LENGTHS_S, lengths_s, side="right")
    classes = [length_class == number for number in range(len(LENGTHS_S) + 1)]
    found_by_prompt: dict[str, tuple[int, int]] = {}
    all_events = [event for there in events for event in there]
    for event, error_s in zip(all_events, errors_s.tolist(), strict=True):
        n_found, n_there = found_by_prompt.get(event.prompt, (0, 0))
        found_by_prompt[event.prompt] = (n_found + (error_s == error_s), n_there + 1)
    differences = [
        [
            abs(sum(event.prompt == prompt for event in found) - sum(event.prompt == prompt for event in there))
            for prompt in sorted({event.prompt for event in there})
        ]
        for found, there in zip(detections, events if counted is None else counted, strict=True)
    ]
    return OperatingPoint(
        recall(np.ones(len(recording), bool)),
        tuple(recall(chosen) for chosen in classes),
        tuple(int(chosen.sum()) for chosen in classes),
        interval(_shares(of_recordings(n_false_alarms), of_recordings(minutes)), share),
        interval(_shares(of_recordings(n_false_alarms * is_silent), of_recordings(minutes * is_silent)), share),
        interval(_medians(errors_s, recording, weights), share),
        interval(
            _shares(
                of_recordings(np.array([sum(each) for each in differences])),
                of_recordings(np.array([len(each) for each in differences])),
            ),
            share,
        ),
        dict(sorted(found_by_prompt.items())),
    )


def _shares(parts: np.ndarray, wholes: np.ndarray) -> np.ndarray:
    return np.divide(parts, wholes, out=np.full(len(parts), np.nan), where=wholes > 0)


def _medians(errors_s: np.ndarray, recording: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(D,) medians of the errors that are numbers, each as often as its recording counts."""
    found = np.flatnonzero(~np.isnan(errors_s))
    found = found[np.argsort(errors_s[found])]
    medians = np.full(len(weights), np.nan)
    for d, weight in enumerate(weights):
        n_before = np.cumsum(weight[recording[found]])
        if len(found) and n_before[-1] > 0:
            middle = np.searchsorted(n_before, [(n_before[-1] + 1) // 2, n_before[-1] // 2 + 1])
            medians[d] = errors_s[found[middle]].mean()
    return medians
