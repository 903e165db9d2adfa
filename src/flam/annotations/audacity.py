"""Audacity label track: onset, offset and label, one recording per file (File > Import > Labels).

Labels hold no scores. Audacity writes a second line, which starts with a backslash, for a label with a frequency range;
reading skips it. A point label has equal times.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

from flam.annotations.format import STRICT, Format, ReadOptions, decimal, only_recording, recording_name, single_line
from flam.annotations.parsing import by_onset, parse_event
from flam.annotations.rows import track_cells
from flam.core import AnnotationError, Event, RecordingEvents


def write_audacity(recordings: Iterable[RecordingEvents], file: TextIO) -> None:
    """Write the labels of one recording, times to the microsecond."""
    for event in only_recording(recordings, "audacity").events:
        file.write(f"{decimal(event.onset_s)}\t{decimal(event.offset_s)}\t{single_line(event.prompt)}\n")


def read_audacity(text: str, path: Path, options: ReadOptions = STRICT) -> list[RecordingEvents]:
    """Read a label track, whose columns tabs part, or spaces as Scaper writes; the file's name gives the recording.

    Examples
    --------
    >>> [track] = read_audacity("1.0\\t2.5\\tsiren\\n\\\\\\t300.0\\t900.0\\n", Path("street.txt"))
    >>> track.recording, track.events[0].prompt
    ('street', 'siren')
    """

    def event(number: int, line: str) -> Event | None:
        if not line.strip() or line.startswith("\\"):
            return None
        where, cells = f"{path}, line {number}", track_cells(line.removesuffix("\r"))
        if len(cells) < 2:
            raise AnnotationError(
                f"{where}: {line.strip()!r} is no label; a label is onset, tab, offset, tab, text, or with spaces"
            )
        return parse_event(where, cells[0], cells[1], cells[2] if len(cells) == 3 else "")

    events = [found for found in options.kept(event, text.split("\n")) if found is not None]
    return [RecordingEvents(recording_name(path, FORMAT.suffix), None, by_onset(events))]


FORMAT = Format(
    "audacity",
    ".txt",
    write_audacity,
    read_audacity,
    many=False,
    keeps_scores=False,
    keeps_duration=False,
    keeps_line_breaks=False,
)
