"""Timed cues, the part that SRT and WebVTT share: ``[dog barking]`` from one millisecond to another."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from flam.annotations.format import STRICT, ReadOptions, single_line
from flam.annotations.parsing import parse_event
from flam.core import AnnotationError, Event, round_half_up

_TIME = r"(?:(\d{1,9}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_TIMING = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?")


def cue_timing(event: Event, decimal_mark: str) -> str:
    """The timing line of an event; a cue lasts 1 ms at least, since players drop empty ones.

    Examples
    --------
    >>> cue_timing(Event(1.5, 3723.25, "siren"), ",")
    '00:00:01,500 --> 01:02:03,250'
    """
    start_ms = round_half_up(event.onset_s * 1000)
    end_ms = max(round_half_up(event.offset_s * 1000), start_ms + 1)
    return f"{_clock(start_ms, decimal_mark)} --> {_clock(end_ms, decimal_mark)}"


def _clock(milliseconds: int, decimal_mark: str) -> str:
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{decimal_mark}{milliseconds:03d}"


def cue_text(event: Event) -> str:
    """The prompt as a caption of a sound: in brackets, on one line."""
    return f"[{single_line(event.prompt)}]"


def parse_cues(text: str, path: Path, plain: Callable[[str], str], options: ReadOptions = STRICT) -> Iterator[Event]:
    """Yield an event per cue, brackets removed; what stands between cues (numbers, notes, styles) is ignored.

    Parameters
    ----------
    plain : Callable[[str], str]
        turns the text of a cue into plain text

    Raises
    ------
    AnnotationError
        a line with an arrow is no timing, or a cue ends before it starts
    """
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    number = 0
    while number < len(lines):
        line, number = lines[number], number + 1
        if "-->" not in line:
            continue
        where = f"{path}, line {number}"
        timing = _TIMING.fullmatch(line)
        if timing is None:
            options.tell(AnnotationError(f"{where}: {line!r} is not a timing; write 00:00:01,500 --> 00:00:02,750"))
            continue
        payload = _payload(lines, number)
        number += len(payload)
        caption = plain(" ".join(payload))
        bracketed = len(caption) >= 2 and caption.startswith("[") and caption.endswith("]")
        onset_s, offset_s = _seconds(*timing.groups()[:4]), _seconds(*timing.groups()[4:])
        try:
            event = parse_event(where, onset_s, offset_s, caption[1:-1] if bracketed else caption)
        except AnnotationError as error:
            options.tell(error)
            continue
        yield event


def _payload(lines: Sequence[str], start: int) -> list[str]:
    """The text of a cue: up to an empty line, or to the next cue and its number where the empty line is missing."""
    payload: list[str] = []
    for line in lines[start:]:
        if _TIMING.fullmatch(line):
            return payload[:-1] if payload and payload[-1].strip().isdecimal() else payload
        if not line.strip():
            break
        payload.append(line)
    return payload


def _seconds(hours: str | None, minutes: str, seconds: str, fraction: str) -> float:
    whole = (int(hours) if hours is not None else 0) * 3600 + int(minutes) * 60 + int(seconds)
    return (whole * 1000 + int(fraction.ljust(3, "0"))) / 1000
