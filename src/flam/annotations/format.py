"""An event list format: how to write and read it, how to read strictly or not, and numbers and prompts as text."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from flam.core import AnnotationError, Event, RecordingEvents

Item = TypeVar("Item")
Result = TypeVar("Result")
CLOCK_COLUMNS = ("onset_time", "offset_time")

# everything that some reader's str.splitlines would take for the end of a line, and the tab that ends a column
_BREAKS = re.compile("[\t\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+")


@dataclass(frozen=True)
class ReadOptions:
    """Options of ``flam.annotations.read_events``.

    Parameters
    ----------
    on_problem : callable, optional
        Told, in one line, of each row that is left out; None lets the first one raise.
    on_note : callable
        Told, in one line, what was assumed.
    label_column : str, optional
        Name of the column that holds the labels; None for the usual names.
    """

    on_problem: Callable[[str], None] | None = None
    on_note: Callable[[str], None] = lambda line: None
    label_column: str | None = None

    def tell(self, error: AnnotationError) -> None:
        """Tell of a row that is left out, or raise."""
        if self.on_problem is None:
            raise error
        self.on_problem(f"{error}; it is left out")

    def kept(self, parse: Callable[[int, Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Yield what ``parse(number, item)`` makes of each item, numbered from 1, leaving out bad ones."""
        for number, item in enumerate(items, start=1):
            try:
                result = parse(number, item)
            except AnnotationError as error:
                self.tell(error)
                continue
            yield result


STRICT = ReadOptions()


def rounded(seconds: float) -> float:
    """Seconds to the microsecond, which tells samples apart at any rate below 500 kHz."""
    return round(float(seconds), 6)


def rounded_score(score: float | None) -> float | None:
    """Score to six decimals; None for a missing score and for one that is not a finite number.

    Examples
    --------
    >>> rounded_score(0.12345678), rounded_score(float("nan")), rounded_score(None)
    (0.123457, None, None)
    """
    return None if score is None or not math.isfinite(score) else round(float(score), 6)


def decimal(value: float | None) -> str:
    """Six decimals, or nothing for a value that is missing or not finite.

    Examples
    --------
    >>> decimal(1.5), decimal(None)
    ('1.500000', '')
    """
    return "" if value is None or not math.isfinite(value) else f"{value:.6f}"


def single_line(text: str) -> str:
    """Replace tabs and line breaks by a space, for formats in which they would end a column or a row.

    Examples
    --------
    >>> single_line("dog\\tbarking\\r\\nfar away")
    'dog barking far away'
    """
    return _BREAKS.sub(" ", text)


def event_mapping(event: Event, recording: RecordingEvents) -> dict[str, str | float | None]:
    """The event as JSON holds it: the names of its fields, rounded, never NaN; clock times where they are known."""
    mapping: dict[str, str | float | None] = {
        "onset_s": rounded(event.onset_s),
        "offset_s": rounded(event.offset_s),
        "prompt": event.prompt,
        "mean_score": rounded_score(event.mean_score),
        "max_score": rounded_score(event.max_score),
    }
    if event.probability is not None:
        mapping["probability"] = rounded_score(event.probability)
    if recording.began is not None:
        mapping |= dict(zip(CLOCK_COLUMNS, clock_times(event, recording), strict=True))
    return mapping


def clock_times(event: Event, recording: RecordingEvents) -> tuple[str, str]:
    """Date and time of onset and offset; empty where the beginning of the recording is not known."""
    onset, offset = recording.clock_time(event.onset_s), recording.clock_time(event.offset_s)
    return onset or "", offset or ""


@dataclass(frozen=True)
class Format:
    """An event list format: how to write it, how to read it, and what survives the round trip.

    Parameters
    ----------
    name : str
        what a user types
    suffix : str
        what a file name ends in, with its dot
    write : Callable[..., None]
        ``write(recordings, file, **options)``, file opened for text
    read : Callable[[str, Path, ReadOptions], list[RecordingEvents]] | None
        ``read(text, path, options)``, path used for messages and the recording's name; None for write-only formats
    many : bool
        whether one file holds several recordings
    keeps_scores : bool
        whether mean and max scores survive
    keeps_duration : bool
        whether the duration of the recording survives
    keeps_line_breaks : bool
        whether tabs and line breaks in a prompt survive; otherwise a space replaces them
    resolution_s : float, default 1e-06
        the finest time the format holds, seconds
    """

    name: str
    suffix: str
    write: Callable[..., None]
    read: Callable[[str, Path, ReadOptions], list[RecordingEvents]] | None
    many: bool
    keeps_scores: bool
    keeps_duration: bool
    keeps_line_breaks: bool
    resolution_s: float = 1e-6


def only_recording(recordings: Iterable[RecordingEvents], format_name: str) -> RecordingEvents:
    """Return the single recording that a one-recording format can hold.

    Raises
    ------
    AnnotationError
        no recording, or more than one
    """
    only: RecordingEvents | None = None
    for recording in recordings:
        if only is not None:
            raise AnnotationError(
                f"{recording.recording!r} is a second recording, but a {format_name} file holds one; "
                "write one file per recording, or choose a format for many (csv, json, jsonl, dcase)"
            )
        only = recording
    if only is None:
        raise AnnotationError(f"no recording to write, but a {format_name} file holds exactly one; give one recording")
    return only


def recording_name(path: Path, suffix: str) -> str:
    """Name the recording of a file that does not name it itself.

    Examples
    --------
    >>> recording_name(Path("night.selections.txt"), ".selections.txt"), recording_name(Path("a.b.txt"), ".srt")
    ('night', 'a.b')
    """
    return path.name[: -len(suffix)] if path.name.lower().endswith(suffix.lower()) else path.stem
