"""Raven selection table: tab-separated, one recording per file; opens in Raven Lite and Raven Pro.

The label is the column ``Annotation``, the mean score ``Score``, the highest ``Max Score``. Times are in microseconds.
A table without selections does not name its recording, its file name does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from flam.annotations.format import Format, only_recording, recording_name
from flam.annotations.parsing import group_by_recording, parse_event
from flam.annotations.writing import decimal, single_line
from flam.core import AnnotationError, Event, RecordingEvents

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
# Raven lets its users name the label column; these are the names in wide use, ours first
LABEL_COLUMNS = ("Annotation", "Species/Annotation", "Species", "Common Name", "Label", "Class", "Tags")


def write_raven(recordings: Iterable[RecordingEvents], file: TextIO, high_freq_hz: float | None = None) -> None:
    """Write the selections of one recording.

    Parameters
    ----------
    high_freq_hz : upper edge of the boxes; None for half the sample rate, above which Raven refuses a table, or 4 kHz
        where the rate is not known
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


def read_raven(text: str, path: Path) -> list[RecordingEvents]:
    """Read a selection table, extra columns allowed; ``Begin Path`` or else the file's name gives the recording.

    A table over several files holds times since the start of the first; ``File Offset (s)`` gives each one's own.
    A selection drawn in two views has two rows and counts once.

    >>> text = "Selection\\tBegin Time (s)\\tEnd Time (s)\\tSpecies\\n1\\t2.5\\t3\\towl\\n"
    >>> [found] = read_raven(text, Path("night.txt"))
    >>> found.events
    (Event(onset_s=2.5, offset_s=3.0, prompt='owl', mean_score=None, max_score=None, probability=None),)
    """
    stem = re.sub(r"\.Table\.\d+$", "", recording_name(path, FORMAT.suffix))
    recordings = group_by_recording(_rows(text, path, stem))
    return recordings if recordings else [RecordingEvents(stem, None, ())]


def _rows(text: str, path: Path, stem: str) -> Iterator[tuple[str, Event | None]]:
    lines = [line.removesuffix("\r").split("\t") for line in text.split("\n")]
    header = lines[0]
    label_column = next((name for name in LABEL_COLUMNS if name in header), None)
    for name in (BEGIN, END):
        if name not in header:
            raise AnnotationError(f"{path}, line 1: the header has no column {name!r}; export the table from Raven")
    if label_column is None:
        raise AnnotationError(
            f"{path}, line 1: the header has no label column; name it one of {', '.join(LABEL_COLUMNS)}"
        )
    seen = set()
    for number, cells in enumerate(lines[1:], start=2):
        if cells == [""]:
            continue
        where = f"{path}, line {number}"
        if len(cells) > len(header):
            raise AnnotationError(f"{where}: {len(cells)} cells under a header of {len(header)}; remove the extra tabs")
        row = dict(zip(header, cells, strict=False))  # spreadsheets drop the empty cells at the end of a row
        scores = row.get("Score", row.get("Confidence")), row.get("Max Score")
        event = parse_event(where, row.get(BEGIN), row.get(END), row.get(label_column, ""), *scores)
        if row.get("File Offset (s)"):
            onset = row["File Offset (s)"]
            # a decimal subtraction of two decimals read as binary leaves noise far below a microsecond
            offset = round(parse_event(where, onset, onset, "").onset_s + event.duration_s, 9)
            event = parse_event(where, onset, offset, event.prompt, *scores)
        recording = row.get("Begin Path") or row.get("Begin File") or stem
        selection = (row.get("Selection", str(number)), recording, event)
        if selection not in seen:
            seen.add(selection)
            yield recording, event


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
