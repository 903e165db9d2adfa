"""SRT captions of sounds, one recording per file: times in milliseconds, cues may overlap, no scores."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

from flam.annotations.cues import cue_text, cue_timing, parse_cues
from flam.annotations.format import STRICT, Format, ReadOptions, only_recording, recording_name
from flam.annotations.parsing import by_onset
from flam.core import AnnotationError, RecordingEvents


def write_srt(recordings: Iterable[RecordingEvents], file: TextIO) -> None:
    """Write a numbered cue per event."""
    for number, event in enumerate(only_recording(recordings, "srt").events, start=1):
        file.write(f"{number}\n{cue_timing(event, ',')}\n{cue_text(event)}\n\n")


def read_srt(text: str, path: Path, options: ReadOptions = STRICT) -> list[RecordingEvents]:
    """Read cues; the file's name gives the recording.

    Examples
    --------
    >>> [found] = read_srt("1\\n00:00:01,000 --> 00:00:02,500\\n[siren]\\n", Path("film.srt"))
    >>> found.recording, found.events[0].prompt, found.events[0].offset_s
    ('film', 'siren', 2.5)
    """
    events = by_onset(parse_cues(text, path, str, options))
    if text.strip() and not events:
        raise AnnotationError(f"{path}: no line with times such as 00:00:01,500 --> 00:00:02,750; is it an SRT file?")
    return [RecordingEvents(recording_name(path, FORMAT.suffix), None, events)]


FORMAT = Format(
    "srt",
    ".srt",
    write_srt,
    read_srt,
    many=False,
    keeps_scores=False,
    keeps_duration=False,
    keeps_line_breaks=False,
    resolution_s=1e-3,
)
