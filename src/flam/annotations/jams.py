"""JAMS: one recording per file, events as observations of the namespace ``tag_open``.

The title is the recording, the confidence the mean score; highest scores lie in the annotation's sandbox, in the order
of the observations. JAMS demands a duration: an unknown one is written as the end of the last event.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

from flam.annotations.format import STRICT, Format, ReadOptions, only_recording, recording_name, rounded, rounded_score
from flam.annotations.parsing import by_onset, load_json, object_under, objects_under, parse_duration, parse_event
from flam.core import AnnotationError, Event, RecordingEvents

SCHEMA_VERSION = "0.3.5"
NAMESPACES = ("tag_open", "segment_open", "scaper")


def write_jams(recordings: Iterable[RecordingEvents], file: TextIO) -> None:
    """Write one recording, times to the microsecond."""
    recording = only_recording(recordings, "jams")
    events = recording.events
    duration_s = recording.duration_s
    if duration_s is None:
        duration_s = max((event.offset_s for event in events), default=0.0)
    observations = [
        {
            "time": rounded(event.onset_s),
            "duration": rounded(rounded(event.offset_s) - rounded(event.onset_s)),
            "value": event.prompt,
            "confidence": rounded_score(event.mean_score),
        }
        for event in events
    ]
    annotation = {
        "namespace": "tag_open",
        "annotation_metadata": {"annotation_tools": "flam", "data_source": "program"},
        "time": 0.0,
        "duration": rounded(duration_s),
        "data": observations,
        "sandbox": {"max_score": [rounded_score(event.max_score) for event in events]},
    }
    document = {
        "file_metadata": {
            "title": recording.recording,
            "duration": rounded(duration_s),
            "jams_version": SCHEMA_VERSION,
        },
        "annotations": [annotation],
        "sandbox": {} if recording.began is None else {"began": recording.clock_time(0.0)},
    }
    json.dump(document, file, ensure_ascii=False, indent=1)
    file.write("\n")


def read_jams(text: str, path: Path, options: ReadOptions = STRICT) -> list[RecordingEvents]:
    """Read the open tags and segments of a JAMS file, or the foreground events of a Scaper soundscape.

    Raises
    ------
    AnnotationError
        no annotation of these namespaces, or an observation that is not an event
    """
    document = load_json(text, path)
    annotations = objects_under(document, "annotations", str(path))
    wanted = [item for item in annotations if item.get("namespace") in NAMESPACES]
    if not wanted:
        found = ", ".join(sorted({str(item.get("namespace")) for item in annotations})) or "none"
        raise AnnotationError(f"{path}: namespaces {found} hold no events; {', '.join(NAMESPACES)} are read")
    events: list[Event] = []
    for item in wanted:
        events += _events(item, f"{path}, {item['namespace']}", options)
    metadata = object_under(document, "file_metadata", str(path))
    name = metadata.get("title") or recording_name(path, FORMAT.suffix)
    return [RecordingEvents(str(name), parse_duration(str(path), metadata.get("duration")), by_onset(events))]


def _events(annotation: dict[str, Any], where: str, options: ReadOptions) -> list[Event]:
    observations = objects_under(annotation, "data", where)
    max_scores = object_under(annotation, "sandbox", where).get("max_score")
    if not isinstance(max_scores, list) or len(max_scores) != len(observations):
        max_scores = [None] * len(observations)

    def event(number: int, scored: tuple[dict[str, Any], Any]) -> Event | None:
        item, max_score = scored
        place = f"{where}, observation {number}"
        value, confidence = item.get("value"), item.get("confidence")
        if isinstance(value, dict):
            if value.get("role") == "background":
                return None
            # the confidence of a Scaper event only says that it was synthesised
            value, confidence = value.get("label"), None
        start = parse_event(place, item.get("time"), item.get("time"), value)
        length = parse_event(place, 0, item.get("duration"), value)
        return parse_event(place, start.onset_s, start.onset_s + length.duration_s, value, confidence, max_score)

    scored = zip(observations, max_scores, strict=True)
    return [found for found in options.kept(event, scored) if found is not None]


FORMAT = Format(
    "jams",
    ".jams",
    write_jams,
    read_jams,
    many=False,
    keeps_scores=True,
    keeps_duration=True,
    keeps_line_breaks=True,
)
