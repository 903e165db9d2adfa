"""JSON: a list with one object per recording, its events under ``events``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

from flam.annotations.format import Format
from flam.annotations.parsing import by_onset, load_json, objects_under, parse_duration, parse_event
from flam.annotations.writing import event_mapping, rounded
from flam.core import AnnotationError, Event, RecordingEvents


def write_json(recordings: Iterable[RecordingEvents], file: TextIO) -> None:
    """Write one event per line, times to the microsecond."""
    file.write("[")
    for number, recording in enumerate(recordings):
        duration_s = None if recording.duration_s is None else rounded(recording.duration_s)
        events = ",".join("\n  " + json.dumps(event_mapping(event), ensure_ascii=False) for event in recording.events)
        name = json.dumps(recording.recording, ensure_ascii=False)
        file.write(",\n" if number else "\n")
        file.write(f'{{"recording": {name}, "duration_s": {json.dumps(duration_s)}, "events": [{events}]}}')
    file.write("\n]\n")


def read_json(text: str, path: Path) -> list[RecordingEvents]:
    """Read a list of recordings, or a single one.

    >>> [found] = read_json('[{"recording": "a.wav", "duration_s": 3, "events": []}]', Path("events.json"))
    >>> found
    RecordingEvents(recording='a.wav', duration_s=3.0, events=())
    """
    document = load_json(text, path)
    items = document if isinstance(document, list) else [document]
    return [_recording(item, f"{path}, recording {number}") for number, item in enumerate(items, start=1)]


def _recording(item: Any, where: str) -> RecordingEvents:
    if not isinstance(item, dict) or not isinstance(item.get("recording"), str):
        raise AnnotationError(f"{where}: no object with a text under 'recording'; add the recording's name")
    if "events" not in item:
        raise AnnotationError(f"{where}: no 'events'; write [] where there are none")
    events = objects_under(item, "events", where)
    found = by_onset(event_from_mapping(event, f"{where}, event {i}") for i, event in enumerate(events, start=1))
    return RecordingEvents(item["recording"], parse_duration(where, item.get("duration_s")), found)


def event_from_mapping(item: dict[str, Any], where: str) -> Event:
    """Build an event from a JSON object with the fields of ``Event``.

    Raises
    ------
    AnnotationError : a field is missing or of the wrong kind
    """
    missing = [key for key in ("onset_s", "offset_s", "prompt") if key not in item]
    if missing:
        raise AnnotationError(f"{where}: no {missing[0]!r}; an event needs onset_s, offset_s and prompt")
    scores = (item.get(name) for name in ("mean_score", "max_score", "probability"))
    return parse_event(where, item["onset_s"], item["offset_s"], item["prompt"], *scores)


FORMAT = Format(
    "json",
    ".json",
    write_json,
    read_json,
    many=True,
    keeps_scores=True,
    keeps_duration=True,
    keeps_line_breaks=True,
)
