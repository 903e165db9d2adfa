"""Raven selection table: tab-separated, one recording per file; opens in Raven Lite and Raven Pro.

The label is the column ``Annotation``, the mean score ``Score``, the highest ``Max Score``. Times are in microseconds.
A table without selections does not name its recording, its file name does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TextIO

from flam.annotations.columns import LABEL_NAMES, Columns, require_label_column
from flam.annotations.format import STRICT, Format, ReadOptions, decimal, only_recording, recording_name, single_line
from flam.annotations.parsing import group_by_recording
from flam.annotations.rows import Layout, Row, event_rows, find_layout, open_table
from flam.core import AnnotationError, RecordingEvents

BEGIN, END = "Begin Time (s)", "End Time (s)"
COLUMNS = (
    "Selection",
    "View",
    "Channel",
    BEGIN,
    END,
    "Low Freq (Hz)",
    "High Freq (Hz)",
    "Begin Path",
    "File Offset (s)",
    "Annotation",
    "Score",
    "Max Score",
)
CLOCK_COLUMN = "Begin Date Time"


def write_raven(recordings: Iterable[RecordingEvents], file: TextIO, high_freq_hz: float | None = None) -> None:
    """Write the selections of one recording.

    Parameters
    ----------
    high_freq_hz : float | None, optional
        upper edge of the boxes; None for half the sample rate, above which Raven refuses a table, or 4 kHz where the
        rate is not known
    """
    recording = only_recording(recordings, "raven")
    if high_freq_hz is None:
        high_freq_hz = 4000.0 if recording.sample_rate is None else recording.sample_rate / 2
    file.write("\t".join(COLUMNS + (CLOCK_COLUMN,) * (recording.began is not None)) + "\n")
    for number, event in enumerate(recording.events, start=1):
        onset = decimal(event.onset_s)
        cells = [str(number), "Spectrogram 1", "1", onset, decimal(event.offset_s), "0.0", f"{high_freq_hz:.1f}"]
        cells += [single_line(recording.recording), onset, single_line(event.prompt)]
        cells += [decimal(event.mean_score), decimal(event.max_score)]
        if recording.began is not None:
            cells.append(recording.clock_time(event.onset_s) or "")
        file.write("\t".join(cells) + "\n")


def read_raven(text: str, path: Path, options: ReadOptions = STRICT) -> list[RecordingEvents]:
    """Read a selection table, extra columns allowed; ``Begin Path`` or else the file's name gives the recording.

    A table over several files holds times since the start of the first; ``File Offset (s)`` gives each one's own.
    A selection drawn in two views has two rows and counts once. Where no column has a usual name for labels, the only
    one with texts is taken.

    Examples
    --------
    >>> text = "Selection\\tBegin Time (s)\\tEnd Time (s)\\tSpecies\\n1\\t2.5\\t3\\towl\\n"
    >>> [found] = read_raven(text, Path("night.txt"))
    >>> found.events[0].onset_s, found.events[0].offset_s, found.events[0].prompt
    (2.5, 3.0, 'owl')
    """
    layout = find_layout(text)
    if layout is None or not layout.has_header:
        layout = Layout("\t", (), True)
    if layout.delimiter == "\t":  # Raven quotes nothing
        lines = [line.removesuffix("\r").split("\t") for line in text.split("\n")]
        rows = [(f"{path}, line {number}", cells) for number, cells in enumerate(lines, start=1) if cells != [""]]
        columns, where = Columns(lines[0], options.label_column), f"{path}, line 1"
        require_label_column(columns, options.label_column, where)
        rows = rows[1:]
    else:
        columns, where, parsed = open_table(text, path, layout, options)
        rows = list(parsed)
    for role, name in (("onset", BEGIN), ("offset", END)):
        if role not in columns.at:
            raise AnnotationError(f"{where}: the header has no column {name!r}; export the table from Raven")
    if "label" not in columns.at:
        _choose_label_column(columns, rows, where, options)

    def complaint(n_cells: int) -> str | None:  # spreadsheets drop the empty cells at the end of a row
        n_named = len(columns.header)
        return f"{n_cells} cells under a header of {n_named}; remove the extra tabs" if n_cells > n_named else None

    stem = re.sub(r"\.Table\.\d+$", "", recording_name(path, FORMAT.suffix), flags=re.IGNORECASE)
    found = list(dict.fromkeys(event_rows(iter(rows), columns, options, complaint)))
    if "file_offset" not in columns.at:
        found = _of_known_times(found, path, options)
    seen = {(row.selection or row.where, row.recording or stem, row.event): row for row in found}
    recordings = group_by_recording((row.recording or stem, row.event) for row in seen.values())
    return recordings if recordings else [RecordingEvents(stem, None, ())]


def _choose_label_column(
    columns: Columns, rows: Sequence[tuple[str, list[str]]], where: str, options: ReadOptions
) -> None:
    if not rows:
        return  # a recording without selections
    place = columns.only_text_column([cells for _, cells in rows])
    if place is None:
        raise AnnotationError(
            f"{where}: the header has no label column; name it one of {', '.join(LABEL_NAMES)}, or name yours "
            f"of {', '.join(columns.header)} with --label-column"
        )
    columns.at["label"] = place
    options.on_note(f"{where}: column {columns.header[place]!r} is taken for the labels")


def _of_known_times(rows: list[Row], path: Path, options: ReadOptions) -> list[Row]:
    """Without a file offset, times of several files are known only where they start anew in each file."""
    timed = sorted((row for row in rows if row.event is not None and row.recording), key=lambda row: row.event.onset_s)  # type: ignore[union-attr]
    names = [row.recording for row in timed]
    n_changes = sum(one != other for one, other in pairwise(names))
    if len(set(names)) < 2 or n_changes >= len(set(names)):
        return rows
    options.tell(
        AnnotationError(
            f"{path}: {len(timed)} selections in {len(set(names))} files have times since the start of the first file "
            "only; add the measurement File Offset (s) to the table in Raven"
        )
    )
    return [row for row in rows if row not in timed]


FORMAT = Format(
    "raven",
    ".selections.txt",
    write_raven,
    read_raven,
    many=False,
    keeps_scores=True,
    keeps_duration=False,
    keeps_line_breaks=False,
)
