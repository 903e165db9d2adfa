"""WebVTT captions of sounds, one recording per file: times in milliseconds, cues may overlap, no scores."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

from flam.annotations.cues import cue_text, cue_timing, parse_cues
from flam.annotations.format import STRICT, Format, ReadOptions, only_recording, recording_name
from flam.annotations.parsing import by_onset
from flam.core import AnnotationError, RecordingEvents

_TAG = re.compile(r"<[^>]*>")


def write_vtt(recordings: Iterable[RecordingEvents], file: TextIO) -> None:
    """Write a cue per event; the characters with a meaning in WebVTT are escaped."""
    recording = only_recording(recordings, "vtt")
    file.write("WEBVTT\n")
    for event in recording.events:
        file.write(f"\n{cue_timing(event, '.')}\n{html.escape(cue_text(event), quote=False)}\n")


def read_vtt(text: str, path: Path, options: ReadOptions = STRICT) -> list[RecordingEvents]:
    """Read cues without their voice and style tags; the file's name gives the recording.

    Examples
    --------
    >>> [found] = read_vtt("WEBVTT\\n\\n00:01.000 --> 00:02.500 align:start\\n<i>[siren]</i>\\n", Path("film.vtt"))
    >>> found.recording, found.events[0].prompt, found.events[0].offset_s
    ('film', 'siren', 2.5)
    """
    if not text.startswith("WEBVTT"):
        raise AnnotationError(f"{path}, line 1: does not start with WEBVTT; add that line or read the file as srt")
    events = by_onset(parse_cues(text, path, lambda caption: html.unescape(_TAG.sub("", caption)), options))
    return [RecordingEvents(recording_name(path, FORMAT.suffix), None, events)]


FORMAT = Format(
    "vtt",
    ".vtt",
    write_vtt,
    read_vtt,
    many=False,
    keeps_scores=False,
    keeps_duration=False,
    keeps_line_breaks=False,
    resolution_s=1e-3,
)
