"""Which format a file is in, from its name and first lines."""

from __future__ import annotations

from pathlib import Path

from flam.core import AnnotationError, parse_json

_BY_SUFFIX = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".jams": "jams", ".srt": "srt", ".vtt": "vtt"}


def guess_format(path: Path, text: str) -> str:
    """Name the format of an event list.

    Raises
    ------
    AnnotationError : neither the name nor the first lines decide

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
    lines = text.lstrip().split("\n", maxsplit=3)
    cells = lines[0].rstrip("\r").split("\t")
    if "Begin Time (s)" in cells:
        return "raven"
    if {"onset", "offset"} <= set(cells) or (len(cells) >= 4 and _is_number(cells[1]) and _is_number(cells[2])):
        return "dcase"
    if len(cells) >= 2 and _is_number(cells[0]) and _is_number(cells[1]):
        return "audacity"
    if {"recording", "onset_s"} <= set(lines[0].rstrip("\r").split(",")):
        return "csv"
    return "srt" if any("-->" in line for line in lines[:2]) else None


def _json_kind(text: str) -> str | None:
    try:
        document = parse_json(text, "document", AnnotationError)
    except AnnotationError:
        first = text.lstrip().split("\n", maxsplit=1)[0]
        return "jsonl" if first.rstrip().endswith("}") and '"recording"' in first else None
    if isinstance(document, dict):
        if "annotations" in document:
            return "jams"
        return "json" if "events" in document else "jsonl" if "recording" in document else None
    is_task = bool(document) and isinstance(document[0], dict) and "data" in document[0]
    return "label-studio" if is_task else "json"


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
