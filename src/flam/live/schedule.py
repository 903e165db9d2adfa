"""Hours of the day in which to listen."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time

from flam.core import ConfigError

SPAN = re.compile(r"(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})")


@dataclass(frozen=True)
class Schedule:
    """Spans of the day, local time; one that ends before it begins goes past midnight.

    Parameters
    ----------
    spans : tuple of (time, time)
        Half-open.

    Examples
    --------
    >>> night = Schedule.parse("22:00-06:30, 12:00-13:00")
    >>> [night.is_on(datetime(2026, 1, 1, hour)) for hour in (0, 7, 12, 23)]
    [True, False, True, True]
    """

    spans: tuple[tuple[time, time], ...]

    @staticmethod
    def parse(text: str) -> Schedule:
        """Read ``HH:MM-HH:MM``, several with commas between them.

        Raises
        ------
        ConfigError
            If the text is something else.
        """
        spans = []
        for part in text.split(","):
            match = SPAN.fullmatch(part.strip())
            try:
                hours = [int(number) for number in match.groups()] if match else []
                spans.append((time(hours[0], hours[1]), time(hours[2] % 24, hours[3])))
            except (IndexError, ValueError):
                raise ConfigError(f"schedule {text!r} is not of the form 06:00-22:00,23:00-23:30; correct it") from None
        return Schedule(tuple(spans))

    def is_on(self, moment: datetime) -> bool:
        """Whether a moment lies in one of the spans."""
        now = moment.time()
        return any(start <= now < end if start < end else now >= start or now < end for start, end in self.spans)
