"""CSV with a header, one event per row; a recording without events keeps a row with empty cells."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from flam.annotations.columns import Columns
from flam.annotations.format import CLOCK_COLUMNS, STRICT, Format, ReadOptions, clock_times, decimal, recording_name
from flam.annotations.parsing import group_by_recording
from flam.annotations.rows import (
    Layout,
    Row,
    delimited_row,
    event_rows,
    find_layout,
    open_table,
    spreadsheet_plain,
    spreadsheet_safe,
)
from flam.core import AnnotationError, Event, RecordingEvents

MOST_SHOWN = 200
COLUMNS = ("recording", "onset_s", "offset_s", "prompt", "mean_score", "max_score")


def write_csv(
    recordings: Iterable[RecordingEvents], file: TextIO, with_probability: bool = False, with_clock: bool = False
) -> None:
    """Write one row per event, times to the microsecond.

    Parameters
    ----------
    with_probability : bool, default False
        True adds a column ``probability``
    with_clock : bool, default False
        True adds ``onset_time`` and ``offset_time``, date and time where the recording's beginning is known
    """
    columns = (*COLUMNS, *(["probability"] if with_probability else []), *(CLOCK_COLUMNS if with_clock else []))
    file.write(delimited_row(columns, ","))
    for recording in recordings:
        name = spreadsheet_safe(recording.recording)
        for event in recording.events:
            scores = event.mean_score, event.max_score, *([event.probability] if with_probability else [])
            times = decimal(event.onset_s), decimal(event.offset_s)
            clock = clock_times(event, recording) if with_clock else ()
            cells = (name, *times, spreadsheet_safe(event.prompt), *map(decimal, scores), *clock)
            file.write(delimited_row(cells, ","))
        if not recording.events:
            file.write(delimited_row((name, *[""] * (len(columns) - 1)), ","))


def read_csv(text: str, path: Path, options: ReadOptions = STRICT) -> list[RecordingEvents]:
    """Read rows by the names in the header, in the many spellings of ``flam.annotations.columns``.

    Scores may be missing, columns may be in any order and parted by commas, semicolons or tabs, others are ignored.
    Without a column of recordings, the file's name gives the recording. A file without a header holds recording, onset,
    offset and label, or the last three.

    Examples
    --------
    >>> [found] = read_csv("recording,onset_s,offset_s,prompt\\na.wav,1,2,siren\\n", Path("events.csv"))
    >>> found.recording, found.events[0].offset_s
    ('a.wav', 2.0)
    """
    layout = find_layout(text)
    if layout is None or layout.delimiter == " ":
        layout = Layout(max(",;\t", key=text.split("\n", maxsplit=1)[0].count), (), True)
    columns, where, rows = open_table(text, path, layout, options)
    if layout.has_header:
        _require_columns(columns, where)
    expected = f"under a header of {len(columns.header)}" if layout.has_header else f"where {len(columns.header)} fit"

    def complaint(n_cells: int) -> str | None:
        is_right = n_cells == len(columns.header)
        return None if is_right else f"{n_cells} cells {expected}; put quotes around cells with commas"

    name = recording_name(path, FORMAT.suffix)
    found = event_rows(rows, columns, options, complaint)
    return group_by_recording((spreadsheet_plain(row.recording or name), _plain(row)) for row in found)


def _plain(row: Row) -> Event | None:
    return None if row.event is None else replace(row.event, prompt=spreadsheet_plain(row.event.prompt))


def _require_columns(columns: Columns, where: str) -> None:
    roles = {"recording": "recording", "onset": "onset_s", "offset": "offset_s", "label": "prompt"}
    present = columns.at.keys() | ({"offset"} if "duration" in columns.at else set())
    if {"onset", "offset", "label"} <= present:
        present |= {"recording"}
    missing = [name for role, name in roles.items() if role not in present]
    if missing:
        # the file's name can stand for a recording
        told = missing[1] if columns.header and missing[0] == "recording" and missing[1:] else missing[0]
        counted = any(re.search(r"samples?$|frames?$", name) for name in columns.names)
        raise AnnotationError(
            f"{where}: the header has no column {told!r}; it needs {','.join(COLUMNS[:4])}"
            + (f", and has {', '.join(columns.header)[:MOST_SHOWN]}" if columns.header else "")
            + ("; turn samples or frames into seconds" if counted else "")
        )


FORMAT = Format(
    "csv",
    ".csv",
    write_csv,
    read_csv,
    many=True,
    keeps_scores=True,
    keeps_duration=False,
    keeps_line_breaks=True,
)
