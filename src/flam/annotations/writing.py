"""Numbers and prompts as the text of an event list."""

from __future__ import annotations

import math
import re

from flam.core import Event, RecordingEvents

CLOCK_COLUMNS = ("onset_time", "offset_time")

# everything that some reader's str.splitlines would take for the end of a line, and the tab that ends a column
_BREAKS = re.compile("[\t\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+")


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
