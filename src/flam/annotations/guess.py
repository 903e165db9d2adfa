"""Which format a file is in, from its name and first lines."""

from __future__ import annotations

from pathlib import Path

from flam.annotations.columns import Columns
from flam.annotations.rows import TRACK_HEADER, find_layout
from flam.core import AnnotationError, parse_json

_BY_SUFFIX = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".jams": "jams", ".srt": "srt", ".vtt": "vtt"}

_OF_JSON_MIN = {"annotator", "annotation_id", "lead_time"}


def guess_format(path: Path, text: str) -> str:
    """Name the format of an event list.

    Raises
    ------
    AnnotationError
        neither the name nor the first lines decide

    Examples
    --------
    >>> guess_format(Path("labels.txt"), "0.5\\t1.5\\tdog\\n"), guess_format(Path("events.csv"), "")
    ('audacity', 'csv')
    """
    suffix = path.suffix.lower()
    guess = _BY_SUFFIX.get(suffix)
    if guess is None and suffix == ".txt" and not text.strip():
        guess = "audacity"  # the only text format in which a file without events is empty
    if guess is None:
        guess = _by_content(text)
    if guess is None:
        guess = {".json": "json", ".tsv": "dcase"}.get(suffix)
    if guess is None:
        raise AnnotationError(f"{path}: neither its name nor its first lines tell its format; name the format")
    return guess


def _by_content(text: str) -> str | None:
    if text.startswith("WEBVTT"):
        return "vtt"
    if text.lstrip()[:1] in ("{", "["):
        return _json_kind(text)
    layout = find_layout(text)
    if layout is None:
        return "srt" if any("-->" in line for line in text.lstrip().split("\n", maxsplit=3)[:2]) else None
    if layout.header == TRACK_HEADER and not layout.has_header:
        return "audacity"
    at = Columns(layout.header).at
    if layout.has_header and ("selection" in at or "recording" not in at):
        return "raven"  # one recording, which the file's name gives where no column does
    return "dcase" if layout.delimiter in "\t " else "csv"


def _json_kind(text: str) -> str | None:
    try:
        document = parse_json(text, "document", AnnotationError)
    except AnnotationError:
        first = text.lstrip().split("\n", maxsplit=1)[0]
        return "jsonl" if first.rstrip().endswith("}") and '"recording"' in first else None
    if isinstance(document, dict):
        if "data" in document and ("annotations" in document or "predictions" in document):
            return "label-studio"
        if "annotations" in document:
            return "jams"
        return "json" if "events" in document else "jsonl" if "recording" in document else None
    first_item = document[0] if document and isinstance(document[0], dict) else {}
    is_task = "data" in first_item or bool(_OF_JSON_MIN & first_item.keys())
    return "label-studio" if is_task else "json"
