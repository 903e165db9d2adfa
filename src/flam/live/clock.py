"""When a sample was heard: the time of day of a position in a stream, though blocks arrive late and clocks drift."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

WINDOW_S = 60.0


class WallClock:
    """Times of day of positions in a stream.

    Blocks are never early, only late: of the last minute or two the least late one counts, so that jitter does no
    harm and the drift of a sound card's clock is followed.

    Parameters
    ----------
    now : callable
        Seconds since 1970.

    Examples
    --------
    >>> clock = WallClock(now=lambda: 1000.0)
    >>> clock.arrived(position_s=2.0)
    >>> clock.at(1.5).timestamp()
    999.5
    """

    def __init__(self, now: Callable[[], float] = time.time):
        self.now = now
        self._start: float | None = None  # time of position 0
        self._next_start: float | None = None
        self._until_s = WINDOW_S

    def arrived(self, position_s: float) -> None:
        """Note that the samples up to a position have just come in."""
        start = self.now() - position_s
        if self._start is None or start < self._start:
            self._start = start
        if self._next_start is None or start < self._next_start:
            self._next_start = start
        if position_s >= self._until_s:
            self._start, self._next_start, self._until_s = self._next_start, None, position_s + WINDOW_S

    def at(self, position_s: float) -> datetime:
        """Time of day of a position, with the zone of this machine."""
        start = self.now() - position_s if self._start is None else self._start
        return datetime.fromtimestamp(start + position_s).astimezone()
