"""From the fields of an event list to events, with messages that name the place in the file."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from flam.core import AnnotationError, Event, RecordingEvents, parse_json

LARGEST_OVERSHOOT_S = 0.05
_MISSING = {"", "nan", "na", "n/a", "none", "null", "<na>", "-", "--"}
_UNSEEN = "\u200b\u2060\ufeff"
_CLOCK = re.compile(r"(?:\d+:)?\d{1,3}:\d{1,2}(?:[.,]\d+)?")


def parse_event(
    where: str,
    onset: Any,
    offset: Any,
    prompt: Any,
    mean_score: Any = None,
    max_score: Any = None,
    probability: Any = None,
) -> Event:
    """Build an event from texts or numbers.

    Parameters
    ----------
    where : str
        file and place in it, such as ``labels.txt, line 3``
    onset, offset : Any
        seconds
    prompt : Any
        the label
    mean_score, max_score, probability : Any, optional
        None, an empty text or NaN where nobody scored

    Raises
    ------
    AnnotationError
        a time or score is not a number, the label is not text, or the event ends before it starts

    Examples
    --------
    >>> parse_event("labels.txt, line 3", "1.5", "2", "siren")
    Event(onset_s=1.5, offset_s=2.0, prompt='siren', mean_score=None, max_score=None, probability=None)
    """
    if not isinstance(prompt, str):
        raise AnnotationError(f"{where}: label {prompt!r} is not text; put it in quotes")
    onset_s, offset_s = seconds(where, "onset", onset), seconds(where, "offset", offset)
    if -LARGEST_OVERSHOOT_S <= onset_s < 0:  # a box that was drawn a little beyond the left edge
        onset_s, offset_s = 0.0, max(0.0, offset_s)
    try:
        scores = [_score(where, value) for value in (mean_score, max_score, probability)]
        return Event(onset_s, offset_s, prompt, *scores)
    except ValueError:
        raise AnnotationError(
            f"{where}: onset {onset!r} and offset {offset!r} must be finite with 0 <= onset <= offset; correct them"
        ) from None


def is_missing(text: str) -> bool:
    """Whether a cell says that there is nothing, as pandas and spreadsheets write it.

    Examples
    --------
    >>> is_missing("NaN"), is_missing(" "), is_missing("0")
    (True, True, False)
    """
    return text.strip().lower() in _MISSING


def clean_label(text: str) -> str:
    """A label as a word to learn: without control characters, marks that nobody sees, and spaces or quotes at its ends.

    Examples
    --------
    >>> clean_label(" tawny\\N{NO-BREAK SPACE}owl\\x00\\n")
    'tawny owl'
    >>> clean_label("'owl'"), clean_label("the owls'")
    ('owl', "the owls'")
    """
    visible = "".join(" " if unicodedata.category(sign) == "Cc" else sign for sign in text if sign not in _UNSEEN)
    words = " ".join(visible.split())
    return words[1:-1].strip() if len(words) > 2 and words[0] == words[-1] == "'" else words


def is_number(text: str) -> bool:
    """Whether ``seconds`` reads a text.

    Examples
    --------
    >>> is_number("0,5"), is_number("1:02.5"), is_number("dog")
    (True, True, False)
    """
    try:
        seconds("", "", text)
    except AnnotationError:
        return False
    return not is_missing(text)


def seconds(where: str, field: str, value: Any) -> float:
    """Read a time as people write it: with a decimal point or comma, or as minutes and seconds.

    Raises
    ------
    AnnotationError
        No such number.

    Examples
    --------
    >>> seconds("labels.txt, line 3", "onset", "43352,824046"), seconds("", "", "1:02:03.5"), seconds("", "", "1.234,5")
    (43352.824046, 3723.5, 1234.5)
    """
    if isinstance(value, str):
        value = value.strip().replace("\N{MINUS SIGN}", "-")
        if _CLOCK.fullmatch(value):
            parts = [float(part.replace(",", ".")) for part in value.split(":")]
            return sum(part * 60**power for power, part in enumerate(reversed(parts)))
        if "," in value:  # the last of the two signs is that of the decimals
            thousands, decimal = ("." if value.rfind(",") > value.rfind(".") else ","), value
            value = decimal.replace(thousands, "").replace(",", ".") if thousands == "." else decimal.replace(",", "")
    return _number(where, field, value)


def _number(where: str, field: str, value: Any) -> float:
    try:
        if isinstance(value, str) and "_" in value:  # Python's own way to part digits, in tables a slip
            raise ValueError
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise AnnotationError(
            f"{where}: {field} {value!r} is not a number; write it with a point, such as 1.25"
        ) from None


def _score(where: str, value: Any) -> float | None:
    if value is None or value == "":
        return None
    score = seconds(where, "score", value)
    return None if math.isnan(score) else score


def group_by_recording(rows: Iterable[tuple[str, Event | None]]) -> list[RecordingEvents]:
    """Collect rows into recordings, in the order of first appearance, each ordered by onset.

    Parameters
    ----------
    rows : Iterable[tuple[str, Event | None]]
        (recording, event) pairs; None for a recording that is listed without an event

    Examples
    --------
    >>> [found] = group_by_recording([("a.wav", Event(2.0, 3.0, "siren")), ("a.wav", Event(0.0, 1.0, "dog"))])
    >>> [event.prompt for event in found.events]
    ['dog', 'siren']
    """
    found: dict[str, list[Event]] = {}
    for recording, event in rows:
        events = found.setdefault(recording, [])
        if event is not None:
            events.append(event)
    return [RecordingEvents(recording, None, by_onset(events)) for recording, events in found.items()]


def by_onset(events: Iterable[Event]) -> tuple[Event, ...]:
    """Order events by onset; equal onsets stay in file order."""
    return tuple(sorted(events, key=lambda event: event.onset_s))


def parse_duration(where: str, value: Any) -> float | None:
    """Duration of a recording in seconds, None where the file does not say.

    Raises
    ------
    AnnotationError
        not a finite number of at least 0
    """
    if value is None:
        return None
    duration_s = _number(where, "duration", value)
    if not (math.isfinite(duration_s) and duration_s >= 0):
        raise AnnotationError(f"{where}: duration {value!r} must be a finite number of at least 0; correct it")
    return duration_s


def load_json(text: str, path: Path) -> Any:
    """Parse a JSON document.

    Raises
    ------
    AnnotationError
        not JSON; the message names the line
    """
    return parse_json(text, str(path), AnnotationError, "correct it or name the format of the file")


def objects_under(container: Any, key: str, where: str) -> list[dict[str, Any]]:
    """The list of JSON objects under a key, empty where the key is absent.

    Raises
    ------
    AnnotationError
        the container is no object, or the value is no list of objects

    Examples
    --------
    >>> objects_under({"events": [{}]}, "events", "a.json"), objects_under({}, "events", "a.json")
    ([{}], [])
    """
    value = container.get(key, []) if isinstance(container, dict) else None
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise AnnotationError(f"{where}: no list of objects under {key!r}; write [] where there are none")
    return value


def object_under(container: dict[str, Any], key: str, where: str) -> dict[str, Any]:
    """The JSON object under a key, empty where the key is absent or null.

    Raises
    ------
    AnnotationError
        the value is something else
    """
    value = container.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise AnnotationError(f"{where}: {value!r} under {key!r} is not an object; write {{}} where there is nothing")
    return value
