"""Event counts at a detector's own settings: found, missed and falsely reported, in total and by prompt."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from flam.core import Event

MIN_OVERLAP = 0.3


@dataclass(frozen=True)
class DetectionCounts:
    """Counts over recordings; add them up with ``+``.

    Parameters
    ----------
    n_events, n_found : int
        events that are there, and those of them that a detection of the same prompt overlaps
    n_false_alarms : int
        detections that overlap no event of their prompt
    onset_errors_s : tuple[float, ...]
        distance of onsets of each found event and the first detection that overlaps it, seconds
    duration_s : float
        length of the recordings, seconds
    """

    n_events: int
    n_found: int
    n_false_alarms: int
    onset_errors_s: tuple[float, ...]
    duration_s: float

    def __add__(self, other: DetectionCounts) -> DetectionCounts:
        return DetectionCounts(
            self.n_events + other.n_events,
            self.n_found + other.n_found,
            self.n_false_alarms + other.n_false_alarms,
            self.onset_errors_s + other.onset_errors_s,
            self.duration_s + other.duration_s,
        )

    @property
    def recall(self) -> float:
        """Share of the events that were found; NaN without events."""
        return self.n_found / self.n_events if self.n_events else float("nan")

    @property
    def false_alarms_per_minute(self) -> float:
        """False alarms of all prompts together, per minute of recording."""
        return 60 * self.n_false_alarms / self.duration_s


@dataclass(frozen=True)
class Matches:
    """Detections of one recording beside its events.

    Parameters
    ----------
    onset_errors_s : tuple[float | None, ...]
        by event, distance of its onset and that of the first detection that overlaps it, seconds; None for an event
        that was missed
    n_false_alarms : int
        detections that overlap no event of their prompt
    """

    onset_errors_s: tuple[float | None, ...]
    n_false_alarms: int


def match_detections(detections: Sequence[Event], events: Sequence[Event], min_overlap: float = MIN_OVERLAP) -> Matches:
    """Look for each event among the detections, and for each detection among the events.

    A detection overlaps an event of its prompt where they share at least ``min_overlap`` of the shorter of the two.

    Examples
    --------
    >>> events = [Event(1.0, 3.0, "siren"), Event(8.0, 9.0, "siren")]
    >>> match_detections([Event(1.5, 2.0, "siren"), Event(6.0, 7.0, "siren")], events)
    Matches(onset_errors_s=(0.5, None), n_false_alarms=1)
    """
    events_of, detections_of = _by_prompt(events), _by_prompt(detections)
    onset_errors_s: list[float | None] = []
    for event in events:
        onsets_s = [hit.onset_s for hit in detections_of.get(event.prompt, ()) if _overlap(hit, event, min_overlap)]
        onset_errors_s.append(abs(min(onsets_s) - event.onset_s) if onsets_s else None)
    n_false_alarms = sum(
        not any(_overlap(detection, event, min_overlap) for event in events_of.get(detection.prompt, ()))
        for detection in detections
    )
    return Matches(tuple(onset_errors_s), n_false_alarms)


def count_detections(
    detections: Sequence[Event], events: Sequence[Event], duration_s: float, min_overlap: float = MIN_OVERLAP
) -> DetectionCounts:
    """Match detections to the events of one recording, as ``match_detections``, and count.

    Examples
    --------
    >>> events = [Event(1.0, 3.0, "siren")]
    >>> counts = count_detections([Event(1.1, 2.0, "siren"), Event(6.0, 7.0, "siren")], events, duration_s=30.0)
    >>> counts.recall, counts.false_alarms_per_minute, round(counts.onset_errors_s[0], 3)
    (1.0, 2.0, 0.1)
    """
    matches = match_detections(detections, events, min_overlap)
    found_s = tuple(error_s for error_s in matches.onset_errors_s if error_s is not None)
    return DetectionCounts(len(events), len(found_s), matches.n_false_alarms, found_s, duration_s)


def joined(events: Sequence[Event], merge_gap_s: Callable[[str], float]) -> list[Event]:
    """Events of one prompt with at most ``merge_gap_s(prompt)`` seconds between them as one, as a detector joins them.

    Examples
    --------
    >>> barks = [Event(1.0, 1.5, "bark"), Event(1.75, 2.0, "bark"), Event(4.0, 4.5, "bark")]
    >>> [(event.onset_s, event.offset_s) for event in joined(barks, lambda prompt: 0.5)]
    [(1.0, 2.0), (4.0, 4.5)]
    """
    result: list[Event] = []
    for event in sorted(events, key=lambda event: (event.prompt, event.onset_s)):
        last = result[-1] if result else None
        if (
            last is not None
            and last.prompt == event.prompt
            and event.onset_s - last.offset_s <= merge_gap_s(event.prompt)
        ):
            result[-1] = dataclasses.replace(last, offset_s=max(last.offset_s, event.offset_s))
        else:
            result.append(event)
    return result


def _by_prompt(events: Sequence[Event]) -> dict[str, list[Event]]:
    result: dict[str, list[Event]] = {}
    for event in events:
        result.setdefault(event.prompt, []).append(event)
    return result


def _overlap(detection: Event, event: Event, min_overlap: float) -> bool:
    shared_s = min(detection.offset_s, event.offset_s) - max(detection.onset_s, event.onset_s)
    shorter_s = min(detection.duration_s, event.duration_s)
    return shared_s > 0 and shared_s >= min_overlap * shorter_s


@dataclass(frozen=True)
class PromptComparison:
    """Counts of one prompt over all recordings.

    Parameters
    ----------
    prompt : str
        As the truth writes it; "all" for the sum.
    n_events, n_found : int
        Events that are there, and those that a detection overlaps.
    n_detections, n_right : int
        Detections, and those that overlap an event.
    onset_errors_s : tuple of float
        Of each found event, distance of its onset from that of the first detection that overlaps it, seconds.
    """

    prompt: str
    n_events: int
    n_found: int
    n_detections: int
    n_right: int
    onset_errors_s: tuple[float, ...]

    @property
    def precision(self) -> float:
        """Share of the detections that are right; NaN without any."""
        return self.n_right / self.n_detections if self.n_detections else float("nan")

    @property
    def recall(self) -> float:
        """Share of the events that were found; NaN without any."""
        return self.n_found / self.n_events if self.n_events else float("nan")

    def onset_error_s(self, share: float = 0.5) -> float:
        """Quantile of the onset errors, seconds; NaN where nothing was found."""
        return float(np.quantile(self.onset_errors_s, share)) if self.onset_errors_s else float("nan")


def compare_events(
    results: Mapping[str, Sequence[Event]], truth: Mapping[str, Sequence[Event]], min_overlap: float = MIN_OVERLAP
) -> list[PromptComparison]:
    """Compare detections with the events that are there, over the recordings of the truth.

    A detection and an event of one prompt match where they share at least ``min_overlap`` of the shorter of the two.
    Case, underscores and spaces around a prompt don't count.

    Parameters
    ----------
    results, truth : mapping of str to sequence of Event
        By recording. A recording of the truth without results counts with no detections, one of the results that
        nobody reviewed does not count.
    min_overlap : float
        In (0, 1].

    Returns
    -------
    list of PromptComparison
        By prompt, in alphabetical order; the last is "all".

    Examples
    --------
    >>> truth = {"a": [Event(1.0, 3.0, "Car horn"), Event(8.0, 9.0, "Car horn")]}
    >>> rows = compare_events({"a": [Event(1.25, 2.0, "car_horn"), Event(5.0, 6.0, "car horn")]}, truth)
    >>> [(row.prompt, row.precision, row.recall, row.onset_error_s()) for row in rows]
    [('Car horn', 0.5, 0.5, 0.25), ('all', 0.5, 0.5, 0.25)]
    """
    written: dict[str, str] = {}  # the first spelling of a prompt is the one to show
    counts: dict[str, PromptComparison] = {}
    for recording, events in truth.items():
        there = _events_by_prompt(events, written)
        reported = _events_by_prompt(results.get(recording, ()), written)
        for key in there.keys() | reported.keys():
            found = _compare(written[key], reported.get(key, []), there.get(key, []), min_overlap)
            counts[key] = _sum(written[key], [counts[key], found] if key in counts else [found])
    rows = [counts[key] for key in sorted(counts)]
    return [*rows, _sum("all", rows)]


def _compare(prompt: str, detections: Sequence[Event], events: Sequence[Event], min_overlap: float) -> PromptComparison:
    matches = match_detections(detections, events, min_overlap)
    errors_s = tuple(error_s for error_s in matches.onset_errors_s if error_s is not None)
    n_right = len(detections) - matches.n_false_alarms
    return PromptComparison(prompt, len(events), len(errors_s), len(detections), n_right, errors_s)


def _events_by_prompt(events: Sequence[Event], written: dict[str, str]) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = {}
    for event in events:
        key = " ".join(event.prompt.replace("_", " ").casefold().split())
        written.setdefault(key, event.prompt)
        found.setdefault(key, []).append(replace(event, prompt=key))
    return found


def _sum(prompt: str, rows: Sequence[PromptComparison]) -> PromptComparison:
    return PromptComparison(
        prompt,
        sum(row.n_events for row in rows),
        sum(row.n_found for row in rows),
        sum(row.n_detections for row in rows),
        sum(row.n_right for row in rows),
        tuple(error_s for row in rows for error_s in row.onset_errors_s),
    )
