"""What the rest of the program may ask of an event list format before using it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from flam.annotations.reading import ReadOptions
from flam.core import AnnotationError, RecordingEvents


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
