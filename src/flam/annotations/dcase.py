"""DCASE strong labels: tab-separated filename, onset, offset, event_label; many recordings, no scores.

Cells are quoted as pandas quotes them. A recording without events keeps a row with its filename only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from flam.annotations.delimited import delimited_row, numbered_rows
from flam.annotations.format import Format
from flam.annotations.parsing import group_by_recording, parse_event
from flam.annotations.writing import CLOCK_COLUMNS, clock_times, decimal
from flam.core import AnnotationError, Event, RecordingEvents

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


def read_dcase(text: str, path: Path) -> list[RecordingEvents]:
    """Read strong labels with or without a header; with one, columns may be in any order and others are ignored.

    >>> [found] = read_dcase("a.wav\\t1.0\\t2.5\\tSpeech\\n", Path("strong.tsv"))
    >>> found.recording, found.events[0].prompt
    ('a.wav', 'Speech')
    """
    return group_by_recording(_rows(text, path))


def _rows(text: str, path: Path) -> Iterator[tuple[str, Event | None]]:
    header = COLUMNS
    for number, (where, cells) in enumerate(numbered_rows(text, path, "\t")):
        if number == 0 and {"onset", "offset"} <= set(cells):
            header = cells
            missing = [name for name in COLUMNS if name not in header]
            if missing:
                raise AnnotationError(
                    f"{where}: the header has no column {missing[0]!r}; name the columns {', '.join(COLUMNS)}"
                )
            continue
        row = dict(zip(header, cells, strict=False))
        filename, onset, offset, label = (row.get(name, "") for name in COLUMNS)
        if len(cells) not in (1, len(header)):
            raise AnnotationError(
                f"{where}: {len(cells)} cells where {len(header)} are expected ({', '.join(header)}); "
                "separate them by tabs"
            )
        yield filename, parse_event(where, onset, offset, label) if onset or offset or label else None


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
