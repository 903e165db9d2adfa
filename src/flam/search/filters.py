"""Which recordings and spans a search is about: by path, date, time of day, duration and loudness."""

from __future__ import annotations

import fnmatch
import math
import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from flam.core import ConfigError
from flam.search.recordings import Recording
from flam.search.spans import Span

_CLOCK = re.compile(r"(\d{1,2}):(\d\d)\s*-\s*(\d{1,2}):(\d\d)")


@dataclass(frozen=True)
class Filters:
    """What must hold for a span to be found.

    Parameters
    ----------
    paths : tuple of str
        Patterns with ``*`` and ``?``, of which the recording's path matches one; none for any path.
    after, before : datetime or None
        The span begins at or after the one and before the other, by the recorder's clock.
    time_of_day : (time, time) or None
        It begins at or after the first and before the second, which may lie behind midnight.
    min_duration_s, max_duration_s : float
        Bounds of its length.
    min_level_db, max_level_db : float
        Bounds of its mean level, dB relative to full scale.
    max_score : float
        Highest score, to begin in the middle of a ranking.

    Examples
    --------
    >>> Filters(time_of_day=parse_time_of_day("22:00-05:00")).needs_clock
    True
    """

    paths: tuple[str, ...] = ()
    after: datetime | None = None
    before: datetime | None = None
    time_of_day: tuple[time, time] | None = None
    min_duration_s: float = 0.0
    max_duration_s: float = math.inf
    min_level_db: float = -math.inf
    max_level_db: float = math.inf
    max_score: float = 1.0

    @property
    def needs_clock(self) -> bool:
        """Whether recordings of which nobody knows when they began are left out."""
        return self.after is not None or self.before is not None or self.time_of_day is not None

    def keep_recording(self, recording: Recording) -> bool:
        """Whether any span of a recording could pass, as far as the recording alone tells."""
        if self.paths and not any(fnmatch.fnmatch(recording.path, _anywhere(pattern)) for pattern in self.paths):
            return False
        return not self.needs_clock or recording.start_time is not None

    def keep_span(self, span: Span) -> bool:
        """Whether a span passes, its recording having passed."""
        event = span.event
        score = event.max_score
        if not self.min_duration_s <= event.duration_s <= self.max_duration_s:
            return False
        if not self.min_level_db <= span.level_db <= self.max_level_db:
            return False
        if score is not None and score > self.max_score:
            return False
        if not self.needs_clock:
            return True
        began = clock_time(span)
        return began is not None and self._keep_moment(began)

    def _keep_moment(self, began: datetime) -> bool:
        if self.after is not None and _as_of(began, self.after) < self.after:
            return False
        if self.before is not None and _as_of(began, self.before) >= self.before:
            return False
        if self.time_of_day is None:
            return True
        first, last = self.time_of_day
        now = began.time()
        return first <= now < last if first <= last else now >= first or now < last


def clock_time(span: Span) -> datetime | None:
    """When a span begins by the recorder's clock; None where nobody knows when its recording began."""
    began = recording_start(span.recording)
    return None if began is None else began + timedelta(seconds=span.event.onset_s)


def recording_start(recording: Recording) -> datetime | None:
    """When a recording began; None where nobody knows."""
    return None if recording.start_time is None else datetime.fromisoformat(recording.start_time)


def parse_moment(text: str) -> datetime:
    """Read a date or a date with a time, ISO 8601.

    Raises
    ------
    ConfigError
        Neither.

    Examples
    --------
    >>> parse_moment("2026-05-01"), parse_moment("2026-05-01T22:30")
    (datetime.datetime(2026, 5, 1, 0, 0), datetime.datetime(2026, 5, 1, 22, 30))
    """
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"date {text!r} can't be read; write 2026-05-01 or 2026-05-01T22:30") from error


def parse_time_of_day(text: str) -> tuple[time, time]:
    """Read two times of day with a hyphen between them.

    Raises
    ------
    ConfigError
        Anything else.

    Examples
    --------
    >>> parse_time_of_day("22:00-05:30")
    (datetime.time(22, 0), datetime.time(5, 30))
    """
    match = _CLOCK.fullmatch(text.strip())
    try:
        if match is not None:
            hours = [int(group) for group in match.groups()]
            return time(hours[0] % 24, hours[1]), time(hours[2] % 24, hours[3])
    except ValueError:
        pass
    raise ConfigError(f"time of day {text!r} can't be read; write two times, for example 22:00-05:00")


def parse_range(text: str, name: str) -> tuple[float, float]:
    """Read ``LOW..HIGH``, of which either may be left out.

    Raises
    ------
    ConfigError
        Anything else.

    Examples
    --------
    >>> parse_range("0.5..5", "duration"), parse_range("-40..", "loudness")
    ((0.5, 5.0), (-40.0, inf))
    """
    low, dots, high = text.partition("..")
    try:
        bounds = float(low) if low else -math.inf, float(high) if high else math.inf
        if dots and bounds[0] <= bounds[1]:
            return bounds
    except ValueError:
        pass
    raise ConfigError(f"{name} {text!r} can't be read; write the lowest and the highest, for example 0.5..5 or ..5")


def _as_of(moment: datetime, other: datetime) -> datetime:
    """The moment, comparable with another: where only one has a zone, its clock time counts."""
    if other.tzinfo is None:
        return moment.replace(tzinfo=None)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=other.tzinfo)


def _anywhere(pattern: str) -> str:
    """A pattern without a folder of the root matches in any folder."""
    return pattern if pattern.startswith(("/", "*")) else f"*/{pattern}"
