"""Label Studio: tasks with predictions to review, and the annotations that people made of them.

The labelling configuration of the project names ``label`` and ``audio``::

    <View>
      <Labels name="label" toName="audio"><Label value="dog barking"/></Labels>
      <Audio name="audio" value="$audio"/>
    </View>

Recordings are written as given; Label Studio plays those it can reach (a URL, or ``/data/local-files/?d=...``).
"""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TextIO

from flam.annotations.format import STRICT, Format, ReadOptions, rounded, rounded_score
from flam.annotations.parsing import by_onset, load_json, object_under, objects_under, parse_duration, parse_event
from flam.core import AnnotationError, Event, RecordingEvents

# a name with a suffix, or what a URL holds of one
_RECORDING = re.compile(r"\.[A-Za-z0-9]{2,5}(?:[?#].*)?$|[?&]d=")


def write_label_studio(recordings: Iterable[RecordingEvents], file: TextIO) -> None:
    """Write one pre-annotated task per recording, ready for Import, times to the microsecond."""
    file.write("[")
    for number, recording in enumerate(recordings):
        file.write(",\n" if number else "\n")
        file.write(json.dumps(_task(recording), ensure_ascii=False))
    file.write("\n]\n")


def _task(recording: RecordingEvents) -> dict[str, Any]:
    duration_s = None if recording.duration_s is None else rounded(recording.duration_s)
    length = {} if duration_s is None else {"original_length": duration_s}
    prediction: dict[str, Any] = {
        "model_version": "flam",
        "result": [
            _region(event, number, recording) | length for number, event in enumerate(recording.events, start=1)
        ],
    }
    scores = [region["score"] for region in prediction["result"] if "score" in region]
    if scores:
        prediction["score"] = round(statistics.fmean(scores), 6)
    data = {"audio": recording.recording, "duration_s": duration_s}
    if recording.began is not None:
        data["began"] = recording.clock_time(0.0)
    return {"data": data, "predictions": [prediction]}


def _region(event: Event, number: int, recording: RecordingEvents) -> dict[str, Any]:
    mean_score, max_score = rounded_score(event.mean_score), rounded_score(event.max_score)
    region: dict[str, Any] = {
        "id": f"event-{number}",
        "from_name": "label",
        "to_name": "audio",
        "type": "labels",
        "value": {
            "start": rounded(event.onset_s),
            "end": rounded(event.offset_s),
            "channel": 0,
            "labels": [event.prompt],
        },
    }
    if mean_score is not None:
        region["score"] = mean_score
    if max_score is not None:
        region["meta"] = {"max_score": max_score}
    if recording.began is not None:
        region["meta"] = region.get("meta", {}) | {"onset_time": recording.clock_time(event.onset_s)}
    return region


def read_label_studio(text: str, path: Path, options: ReadOptions = STRICT) -> list[RecordingEvents]:
    """Read an export in the format "JSON" or "JSON-MIN", or tasks before import.

    The audio may have any key of the labelling configuration, if no other text names a recording. The latest annotation
    that was not cancelled counts, without one the latest prediction; a region with several labels is an event for each.

    Raises
    ------
    AnnotationError
        Not a list of tasks, a task without audio, or a region that is not an event.
    """
    tasks = load_json(text, path)
    if isinstance(tasks, dict) and "data" in tasks:
        tasks = [tasks]
    if not isinstance(tasks, list):
        raise AnnotationError(f'{path}: not a list of tasks; export the project as "JSON"')
    return list(options.kept(lambda number, task: _recording(task, f"{path}, task {number}", options), tasks))


def _recording(task: Any, where: str, options: ReadOptions) -> RecordingEvents:
    if not isinstance(task, dict):
        raise AnnotationError(f'{where}: is no object; export the project as "JSON"')
    if "data" not in task:
        return _minimal(task, where, options)
    data = object_under(task, "data", where)
    done = [item for item in objects_under(task, "annotations", where) if not item.get("was_cancelled")]
    candidates = done if done else objects_under(task, "predictions", where)
    latest = max(candidates, key=lambda item: str(item.get("updated_at", "")), default={})
    events: list[Event] = []
    # texts and choices of the whole recording have no times
    parsed = options.kept(_parser(where), objects_under(latest, "result", where))
    for found in parsed:
        events += found
    return RecordingEvents(_audio(data, where), parse_duration(where, data.get("duration_s")), by_onset(events))


def _minimal(task: dict[str, Any], where: str, options: ReadOptions) -> RecordingEvents:
    """A task of JSON-MIN: data and regions beside each other, the regions under the name of their control."""
    regions = [
        {"type": "labels", "value": item}
        for value in task.values()
        if isinstance(value, list)
        for item in value
        if isinstance(item, dict) and "start" in item
    ]
    events = [event for found in options.kept(_parser(where), regions) for event in found]
    return RecordingEvents(_audio(task, where, "text"), None, by_onset(events))


def _audio(data: dict[str, Any], where: str, under: str = "text under data.audio") -> str:
    """The text that names the recording: under ``audio``, or the only one that ends like one."""
    if isinstance(data.get("audio"), str):
        return str(data["audio"])
    texts = {key: value for key, value in data.items() if isinstance(value, str)}
    named = [value for value in texts.values() if _RECORDING.search(value)]
    if len(named) != 1:
        what = "several texts that name a recording" if named else f"no {under}"
        raise AnnotationError(
            f"{where}: {what} among {', '.join(texts) or 'its keys'}; export as \"JSON\" a project with value='$audio'"
        )
    return named[0]


def _parser(where: str) -> Callable[[int, dict[str, Any]], list[Event]]:
    return lambda number, region: _events(region, f"{where}, region {number}")


def _events(region: dict[str, Any], where: str) -> list[Event]:
    value = object_under(region, "value", where)
    labels = value.get("labels", value.get(str(region.get("type"))))
    if region.get("type") != "labels" and ("start" not in value or not isinstance(labels, list)):
        return []
    max_score = object_under(region, "meta", where).get("max_score")
    if labels is None and "start" in value:
        labels = [""]  # drawn, and given no label
    if not isinstance(labels, list):
        raise AnnotationError(f"{where}: {labels!r} under 'labels' is not a list; write one label as ['dog barking']")
    times = value.get("start"), value.get("end")
    return [parse_event(where, *times, label, region.get("score"), max_score) for label in labels]


FORMAT = Format(
    "label-studio",
    ".label-studio.json",
    write_label_studio,
    read_label_studio,
    many=True,
    keeps_scores=True,
    keeps_duration=True,
    keeps_line_breaks=True,
)
