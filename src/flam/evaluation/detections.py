"""What a person would count: events found, events missed, false alarms, and how far off an onset is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flam.core import Event


@dataclass(frozen=True)
class DetectionCounts:
    """Counts over recordings; add them up with ``+``.

    Parameters
    ----------
    n_events, n_found : events that are there, and those of them that a detection of the same prompt overlaps
    n_false_alarms : detections that overlap no event of their prompt
    onset_errors_s : distance of onsets of each found event and the first detection that overlaps it, seconds
    duration_s : length of the recordings, seconds
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


def count_detections(
    detections: Sequence[Event], events: Sequence[Event], duration_s: float, min_overlap: float = 0.3
) -> DetectionCounts:
    """Match detections to the events of one recording.

    A detection overlaps an event of its prompt where they share at least ``min_overlap`` of the shorter of the two.

    >>> events = [Event(1.0, 3.0, "siren")]
    >>> counts = count_detections([Event(1.1, 2.0, "siren"), Event(6.0, 7.0, "siren")], events, duration_s=30.0)
    >>> counts.recall, counts.false_alarms_per_minute, round(counts.onset_errors_s[0], 3)
    (1.0, 2.0, 0.1)
    """
    onset_errors_s, n_found = [], 0
    for event in events:
        hits = [detection for detection in detections if _overlap(detection, event, min_overlap)]
        if hits:
            n_found += 1
            onset_errors_s.append(abs(min(hit.onset_s for hit in hits) - event.onset_s))
    n_false_alarms = sum(
        not any(_overlap(detection, event, min_overlap) for event in events) for detection in detections
    )
    return DetectionCounts(len(events), n_found, n_false_alarms, tuple(onset_errors_s), duration_s)


def _overlap(detection: Event, event: Event, min_overlap: float) -> bool:
    shared_s = min(detection.offset_s, event.offset_s) - max(detection.onset_s, event.onset_s)
    shorter_s = min(detection.duration_s, event.duration_s)
    return detection.prompt == event.prompt and shared_s > 0 and shared_s >= min_overlap * shorter_s
