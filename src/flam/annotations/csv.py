"""CSV with a header, one event per row; a recording without events keeps a row with empty cells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from flam.annotations.delimited import delimited_row, numbered_rows, spreadsheet_plain, spreadsheet_safe
from flam.annotations.format import Format
from flam.annotations.parsing import group_by_recording, parse_event
from flam.annotations.writing import CLOCK_COLUMNS, clock_times, decimal
from flam.core import AnnotationError, Event, RecordingEvents

COLUMNS = ("recording", "onset_s", "offset_s", "prompt", "mean_score", "max_score")


def write_csv(
    recordings: Iterable[RecordingEvents], file: TextIO, with_probability: bool = False, with_clock: bool = False
) -> None:
    """Write one row per event, times to the microsecond.

    Parameters
    ----------
    with_probability : True adds a column ``probability``
    with_clock : True adds ``onset_time`` and ``offset_time``, date and time where the recording's beginning is known
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


def read_csv(text: str, path: Path) -> list[RecordingEvents]:
    """Read rows by the names in the header: scores may be missing, columns may be in any order, others are ignored.

    >>> [found] = read_csv("recording,onset_s,offset_s,prompt\\na.wav,1,2,siren\\n", Path("events.csv"))
    >>> found.recording, found.events[0].offset_s
    ('a.wav', 2.0)
    """
    return group_by_recording(_rows(text, path))


def _rows(text: str, path: Path) -> Iterator[tuple[str, Event | None]]:
    rows = numbered_rows(text, path, ",")
    header = next(rows, ("", []))[1]
    missing = [name for name in COLUMNS[:4] if name not in header]
    if missing:
        raise AnnotationError(
            f"{path}, line 1: the header has no column {missing[0]!r}; it needs {','.join(COLUMNS[:4])}"
        )
    for where, cells in rows:
        if len(cells) != len(header):
            raise AnnotationError(
                f"{where}: {len(cells)} cells under a header of {len(header)}; put quotes around cells with commas"
            )
        row = dict(zip(header, cells, strict=True))
        scores = row.get("mean_score"), row.get("max_score"), row.get("probability")
        empty = not (row["onset_s"] or row["offset_s"] or row["prompt"])
        prompt = spreadsheet_plain(row["prompt"])
        event = None if empty else parse_event(where, row["onset_s"], row["offset_s"], prompt, *scores)
        yield spreadsheet_plain(row["recording"]), event


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
