"""JSON: a list with one object per recording, its events under ``events``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from flam.annotations.format import STRICT, Format, ReadOptions, event_mapping, rounded
from flam.annotations.parsing import by_onset, load_json, objects_under, parse_duration, parse_event
from flam.core import AnnotationError, Event, RecordingEvents


def write_json(recordings: Iterable[RecordingEvents], file: TextIO) -> None:
    """Write one event per line, times to the microsecond."""
    file.write("[")
    for number, recording in enumerate(recordings):
        duration_s = None if recording.duration_s is None else rounded(recording.duration_s)
        mappings = [event_mapping(event, recording) for event in recording.events]
        events = ",".join("\n  " + json.dumps(mapping, ensure_ascii=False) for mapping in mappings)
        facts: dict[str, Any] = {"recording": recording.recording, "duration_s": duration_s}
        if recording.began is not None:
            facts["began"] = recording.clock_time(0.0)
        if recording.sample_rate is not None:
            facts["sample_rate"] = recording.sample_rate
        start = json.dumps(facts, ensure_ascii=False).removesuffix("}")
        file.write(",\n" if number else "\n")
        file.write(f'{start}, "events": [{events}]}}')
    file.write("\n]\n")


def read_json(text: str, path: Path, options: ReadOptions = STRICT) -> list[RecordingEvents]:
    """Read a list of recordings, or a single one.

    Examples
    --------
    >>> [found] = read_json('[{"recording": "a.wav", "duration_s": 3, "events": []}]', Path("events.json"))
    >>> found
    RecordingEvents(recording='a.wav', duration_s=3.0, events=(), began=None, sample_rate=None)
    """
    document = load_json(text, path)
    items = document if isinstance(document, list) else [document]
    return list(options.kept(lambda number, item: _recording(item, f"{path}, recording {number}", options), items))


def _recording(item: Any, where: str, options: ReadOptions) -> RecordingEvents:
    if not isinstance(item, dict) or not isinstance(item.get("recording"), str):
        raise AnnotationError(f"{where}: no object with a text under 'recording'; add the recording's name")
    if "events" not in item:
        raise AnnotationError(f"{where}: no 'events'; write [] where there are none")
    events = objects_under(item, "events", where)
    found = by_onset(options.kept(lambda i, event: event_from_mapping(event, f"{where}, event {i}"), events))
    duration_s = parse_duration(where, item.get("duration_s"))
    rate = item.get("sample_rate")
    return RecordingEvents(
        item["recording"], duration_s, found, _began(item, where), rate if type(rate) is int else None
    )


def _began(item: dict[str, Any], where: str) -> datetime | None:
    if item.get("began") is None:
        return None
    try:
        return datetime.fromisoformat(item["began"])
    except (TypeError, ValueError):
        raise AnnotationError(
            f"{where}: began {item['began']!r} is no time; write it as 2024-03-10T22:00:00+01:00 or leave it out"
        ) from None


def event_from_mapping(item: dict[str, Any], where: str) -> Event:
    """Build an event from a JSON object with the fields of ``Event``.

    Raises
    ------
    AnnotationError
        a field is missing or of the wrong kind
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
