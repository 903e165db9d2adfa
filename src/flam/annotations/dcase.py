"""DCASE strong labels: tab-separated filename, onset, offset, event_label; many recordings, no scores.

Cells are quoted as pandas quotes them. A recording without events keeps a row with its filename only.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

from flam.annotations.columns import Columns
from flam.annotations.format import CLOCK_COLUMNS, STRICT, Format, ReadOptions, clock_times, decimal
from flam.annotations.parsing import group_by_recording
from flam.annotations.rows import DCASE_HEADER, TRACK_HEADER, Layout, delimited_row, event_rows, find_layout, open_table
from flam.core import AnnotationError, RecordingEvents

COLUMNS = ["filename", "onset", "offset", "event_label"]


def write_dcase(recordings: Iterable[RecordingEvents], file: TextIO, with_clock: bool = False) -> None:
    """Write one row per event below the usual header, times to the microsecond; True adds columns of clock times."""
    file.write(delimited_row([*COLUMNS, *(CLOCK_COLUMNS if with_clock else ())], "\t"))
    for recording in recordings:
        for event in recording.events:
            clock = clock_times(event, recording) if with_clock else ()
            cells = (recording.recording, decimal(event.onset_s), decimal(event.offset_s), event.prompt, *clock)
            file.write(delimited_row(cells, "\t"))
        if not recording.events:
            file.write(delimited_row((recording.recording, *[""] * (5 if with_clock else 3)), "\t"))


def read_dcase(text: str, path: Path, options: ReadOptions = STRICT) -> list[RecordingEvents]:
    """Read strong labels with or without a header; with one, columns may be in any order and others are ignored.

    Examples
    --------
    >>> [found] = read_dcase("a.wav\\t1.0\\t2.5\\tSpeech\\n", Path("strong.tsv"))
    >>> found.recording, found.events[0].prompt
    ('a.wav', 'Speech')
    """
    layout = find_layout(text)
    if layout is None or (layout.delimiter != "\t" and not layout.has_header and layout.header != DCASE_HEADER):
        first = text.split("\n", maxsplit=1)[0].rstrip("\r").split("\t")
        is_header = "recording" in Columns(first).at and not Path(first[0]).suffix
        layout = Layout("\t", first if is_header else DCASE_HEADER, is_header)
    elif layout.header == TRACK_HEADER and not layout.has_header:
        layout = layout._replace(header=DCASE_HEADER)
    columns, where, rows = open_table(text, path, layout, options)
    names = columns.header if layout.has_header else COLUMNS

    def complaint(n_cells: int) -> str | None:
        if n_cells in (1, len(names)):
            return None
        return f"{n_cells} cells where {len(names)} are expected ({', '.join(names)}); separate them by tabs"

    if "recording" not in columns.at:
        raise AnnotationError(f"{where}: the header has no column 'filename'; name the columns {', '.join(COLUMNS)}")
    found = event_rows(rows, columns, options, complaint)
    return group_by_recording((row.recording, row.event) for row in found)


FORMAT = Format(
    "dcase",
    ".tsv",
    write_dcase,
    read_dcase,
    many=True,
    keeps_scores=False,
    keeps_duration=False,
    keeps_line_breaks=True,
)
