"""Events: which sound, from when to when."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True, order=True)
class Event:
    """A sound between two times of a recording, half-open: [onset_s, offset_s).

    Parameters
    ----------
    onset_s, offset_s : float
        seconds from the start of the recording, ``0 <= onset_s <= offset_s``
    prompt : str
        the text that was asked for, or the label an annotator gave
    mean_score, max_score : float | None, optional
        score in [0, 1] over the event's frames; None for an event that nobody scored
    probability : float | None, optional
        that the event is right, in [0, 1]; None where no review of the prompt has fitted it

    Examples
    --------
    >>> event = Event(1.0, 2.5, "dog barking", mean_score=0.8, max_score=0.95)
    >>> event.duration_s
    1.5
    """

    onset_s: float
    offset_s: float
    prompt: str
    mean_score: float | None = None
    max_score: float | None = None
    probability: float | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.onset_s) and math.isfinite(self.offset_s) and 0 <= self.onset_s <= self.offset_s):
            raise ValueError(
                f"event {self.prompt!r} has onset_s {self.onset_s} and offset_s {self.offset_s}; "
                "both must be finite with 0 <= onset_s <= offset_s"
            )

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.offset_s - self.onset_s


def spans_by_prompt(events: Iterable[Event]) -> dict[str, list[tuple[float, float]]]:
    """When each prompt sounds, (onset_s, offset_s) in seconds, in the order of the events.

    Examples
    --------
    >>> spans_by_prompt([Event(0.0, 1.0, "dog"), Event(0.5, 2.0, "siren"), Event(3.0, 4.0, "dog")])
    {'dog': [(0.0, 1.0), (3.0, 4.0)], 'siren': [(0.5, 2.0)]}
    """
    spans_s: dict[str, list[tuple[float, float]]] = {}
    for event in events:
        spans_s.setdefault(event.prompt, []).append((event.onset_s, event.offset_s))
    return spans_s


@dataclass(frozen=True)
class RecordingEvents:
    """The events of one recording, ordered by onset.

    Parameters
    ----------
    recording : str
        path or name of the recording, as the user gave it
    duration_s : float | None
        length of the recording in seconds; None where a label file does not say
    events : tuple[Event, ...]
        the events found or annotated
    began : datetime | None, optional
        when the recording began, where that was asked for and is known
    sample_rate : int | None, optional
        Hz of the recording, where it is known
    """

    recording: str
    duration_s: float | None
    events: tuple[Event, ...]
    began: datetime | None = None
    sample_rate: int | None = None

    def clock_time(self, time_s: float) -> str | None:
        """Date and time of a moment of the recording, to the millisecond; None where its beginning is not known.

        Parameters
        ----------
        time_s : float
            Seconds since the beginning of the recording.

        Returns
        -------
        str or None
            ISO 8601, with the zone where one is known.

        Examples
        --------
        >>> RecordingEvents("a.wav", None, (), datetime(2024, 3, 10, 23, 59, 58)).clock_time(2.5)
        '2024-03-11T00:00:00.500'
        """
        if self.began is None:
            return None
        if self.began.tzinfo is None:
            moment = self.began + timedelta(seconds=time_s)
        else:  # by way of UTC, as a clock that is put forward or back jumps
            moment = (self.began.astimezone(UTC) + timedelta(seconds=time_s)).astimezone(self.began.tzinfo)
        return moment.isoformat(timespec="milliseconds")
