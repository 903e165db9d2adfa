"""The formats by name, and the two functions that use them."""

from __future__ import annotations

import codecs
import inspect
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TextIO

from flam.annotations import audacity, csv, dcase, jams, json, jsonl, label_studio, raven, srt, table, vtt
from flam.annotations.columns import Columns
from flam.annotations.format import Format, ReadOptions
from flam.annotations.rows import TRACK_HEADER, find_layout
from flam.core import AnnotationError, ConfigError, RecordingEvents, atomic_text, parse_json, read_text

_BY_SUFFIX = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".jams": "jams", ".srt": "srt", ".vtt": "vtt"}

_EXCEL_SEPARATOR = re.compile(r"sep=.?\r?(?:\n|(?<=\r)|$)")  # a first line that tells Excel how cells are parted
_OF_JSON_MIN = {"annotator", "annotation_id", "lead_time"}
_MODULES = (table, csv, json, jsonl, audacity, raven, dcase, jams, label_studio, srt, vtt)
FORMATS: dict[str, Format] = {module.FORMAT.name: module.FORMAT for module in _MODULES}


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


def write_events(
    recordings: Iterable[RecordingEvents], target: str | Path | TextIO, format: str, **options: Any
) -> None:
    """Write event lists, one recording after the other.

    Parameters
    ----------
    recordings : Iterable[RecordingEvents]
        taken one at a time; formats for many recordings write each before they ask for the next
    target : str | Path | TextIO
        a path, which appears only once it is complete, or an open text file
    format : str
        a key of ``FORMATS``
    options : Any
        what the writer of the format takes, such as ``width`` for ``table`` or ``high_freq_hz`` for ``raven``

    Raises
    ------
    AnnotationError
        unknown format, several recordings for a format that holds one, or a text that is not Unicode
    ConfigError
        an option that the format does not have
    OutputError
        the path can't be written

    Examples
    --------
    >>> import sys
    >>> from flam.core import Event
    >>> write_events([RecordingEvents("a.wav", 10.0, (Event(1.0, 2.5, "siren"),))], sys.stdout, "csv")
    recording,onset_s,offset_s,prompt,mean_score,max_score
    a.wav,1.000000,2.500000,siren,,
    """
    writer = _format(format).write
    known = list(inspect.signature(writer).parameters)[2:]
    for name in options:
        if name not in known:
            raise ConfigError(f"format {format!r} has no option {name!r}; its options: {', '.join(known) or 'none'}")
    try:
        if isinstance(target, (str, Path)):
            with atomic_text(Path(target)) as file:
                writer(recordings, file, **options)
        else:
            writer(recordings, target, **options)
    except UnicodeEncodeError as error:
        bad = error.object[error.start : error.end]
        raise AnnotationError(
            f"{bad!r} can't be written as {error.encoding}; rename the recording or prompt, or write to a UTF-8 file"
        ) from error


def read_events(
    path: str | Path,
    format: str | None = None,
    on_problem: Callable[[str], None] | None = None,
    on_note: Callable[[str], None] = lambda line: None,
    label_column: str | None = None,
) -> list[RecordingEvents]:
    """Read event lists from a file.

    Parameters
    ----------
    path : str or Path
        A UTF-8 or UTF-16 file.
    format : str, optional
        A key of ``FORMATS``; None to tell it from the name and the first lines.
    on_problem : callable, optional
        Told, in one line, of each row that can't be understood and is left out; None lets the first one raise.
    on_note : callable
        Told, in one line, what was assumed, such as which column holds the labels.
    label_column : str, optional
        Name of the column of labels in a table; None for the usual names.

    Returns
    -------
    list[RecordingEvents]
        list of RecordingEvents

    Raises
    ------
    AnnotationError
        The file is missing or not Unicode, its format is not clear, or a place in it can't be understood.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "street.txt").write_text("1.0\\t2.5\\tsiren\\n")
    ...     [found] = read_events(Path(folder, "street.txt"))
    >>> found.recording, found.events[0].prompt
    ('street', 'siren')
    """
    path = Path(path)
    text = _text(path)
    reader = _format(guess_format(path, text) if format is None else format).read
    if reader is None:
        raise AnnotationError(f"{path}: format {format!r} is for people and can't be read back; write csv or json")
    return reader(text, path, ReadOptions(on_problem, on_note, label_column))


def _text(path: Path) -> str:
    """The text of a file, lines ended by line feeds where carriage returns alone end them."""
    try:
        with open(path, "rb") as file:
            is_utf_16 = file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        text = path.read_bytes().decode("utf-16") if is_utf_16 else read_text(path, AnnotationError)
    except (OSError, ValueError):
        text = read_text(path, AnnotationError)  # says what is wrong
    if match := _EXCEL_SEPARATOR.match(text):
        text = text[match.end() :] if "\n" not in text else "\n" + text[match.end() :]
    return text.replace("\r", "\n") if "\n" not in text else text


def _format(name: str) -> Format:
    if name not in FORMATS:
        raise AnnotationError(f"format {name!r} is not known; choose one of {', '.join(FORMATS)}")
    return FORMATS[name]
