"""JSON lines: one event per line with its recording; a recording without events keeps a line with its name only."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

from flam.annotations.format import STRICT, Format, ReadOptions, event_mapping
from flam.annotations.json import event_from_mapping
from flam.annotations.parsing import group_by_recording
from flam.core import AnnotationError, Event, RecordingEvents, parse_json


def write_jsonl(recordings: Iterable[RecordingEvents], file: TextIO) -> None:
    """Write one line per event as soon as its recording is there, times to the microsecond."""
    for recording in recordings:
        name: dict[str, str | float | None] = {"recording": recording.recording}
        lines = [name | event_mapping(event, recording) for event in recording.events] if recording.events else [name]
        file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        file.flush()


def read_jsonl(text: str, path: Path, options: ReadOptions = STRICT) -> list[RecordingEvents]:
    """Read lines of any order into recordings.

    Examples
    --------
    >>> line = '{"recording": "a.wav", "onset_s": 1, "offset_s": 2.5, "prompt": "siren"}'
    >>> read_jsonl(line, Path("events.jsonl"))[0].events[0].duration_s
    1.5
    """

    def row(number: int, line: str) -> tuple[str, Event | None] | None:
        if not line.strip():
            return None
        where = f"{path}, line {number}"
        item = parse_json(line, where, AnnotationError, "write one object per line")
        if not isinstance(item, dict) or not isinstance(item.get("recording"), str):
            raise AnnotationError(f"{where}: no object with a text under 'recording'; add the recording's name")
        return item["recording"], None if item.keys() == {"recording"} else event_from_mapping(item, where)

    return group_by_recording(found for found in options.kept(row, text.split("\n")) if found is not None)


FORMAT = Format(
    "jsonl",
    ".jsonl",
    write_jsonl,
    read_jsonl,
    many=True,
    keeps_scores=True,
    keeps_duration=False,
    keeps_line_breaks=True,
)
