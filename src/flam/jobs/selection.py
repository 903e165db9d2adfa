"""Which of the events found are shown: the best of each prompt, ranked by score, recordings without any left out."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from flam.core import Event, RecordingEvents


@dataclass(frozen=True)
class Selection:
    """What of all events goes into a list.

    Parameters
    ----------
    top : int, optional
        At most so many events of each prompt, those with the highest scores in all recordings; None for all.
    is_ranked : bool
        True orders events by their highest score instead of recording and time.
    skips_empty : bool
        True leaves out recordings without events.
    """

    top: int | None = None
    is_ranked: bool = False
    skips_empty: bool = False


def select_events(recordings: Iterable[RecordingEvents], selection: Selection) -> Iterator[RecordingEvents]:
    """Apply a selection, one recording at a time where it allows that.

    Parameters
    ----------
    recordings : iterable of RecordingEvents
        As they are found.
    selection : Selection
        What to keep.

    Returns
    -------
    iterator of RecordingEvents
        A ranked list holds each event in a recording of its own, those without events last.

    Examples
    --------
    >>> found = [
    ...     RecordingEvents("a", 9.0, (Event(1.0, 2.0, "owl", 0.5, 0.6), Event(3.0, 4.0, "owl", 0.5, 0.9))),
    ...     RecordingEvents("b", 9.0, (Event(0.0, 1.0, "owl", 0.5, 0.8),)),
    ... ]
    >>> ranked = select_events(found, Selection(top=2, is_ranked=True))
    >>> [(recording.recording, recording.events[0].max_score) for recording in ranked]
    [('a', 0.9), ('b', 0.8)]
    """
    if selection.top is not None:
        recordings = _top(list(recordings), selection.top)
    if selection.skips_empty:
        recordings = (recording for recording in recordings if recording.events)
    return iter(_ranked(recordings) if selection.is_ranked else recordings)


def passing_through(
    recordings: Iterable[RecordingEvents], on_recording: Callable[[RecordingEvents], None]
) -> Iterator[RecordingEvents]:
    """Give each recording to a function on its way, such as one that cuts its events out."""
    for recording in recordings:
        on_recording(recording)
        yield recording


def _score(event: Event) -> float:
    return 0.0 if event.max_score is None else event.max_score


def _top(recordings: list[RecordingEvents], top: int) -> list[RecordingEvents]:
    best: dict[str, list[tuple[float, int, int]]] = {}
    for number, recording in enumerate(recordings):
        for place, event in enumerate(recording.events):
            # of equal scores the earlier counts
            best.setdefault(event.prompt, []).append((_score(event), -number, -place))
    kept = {(-number, -place) for ranks in best.values() for _, number, place in heapq.nlargest(top, ranks)}
    return [
        replace(
            recording, events=tuple(event for place, event in enumerate(recording.events) if (number, place) in kept)
        )
        for number, recording in enumerate(recordings)
    ]


def _ranked(recordings: Iterable[RecordingEvents]) -> list[RecordingEvents]:
    every = list(recordings)
    singles = [replace(recording, events=(event,)) for recording in every for event in recording.events]
    singles.sort(key=lambda recording: -_score(recording.events[0]))
    return [*singles, *(recording for recording in every if not recording.events)]
