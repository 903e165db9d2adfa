"""What a monitor tells: events that begin and end, and what happens to the source."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any, Literal

NoticeKind = Literal[
    "onset",
    "offset",
    "clip",
    "clips full",
    "connected",
    "lost",
    "ended",
    "no signal",
    "signal",
    "paused",
    "resumed",
]


@dataclass(frozen=True)
class LiveNotice:
    """One line of what happens.

    Parameters
    ----------
    kind : str
        "onset" and "offset" of an event; "clip" that was written, "clips full" when a day has enough of them;
        "connected", "lost" and "ended" of the source; "no signal" after seconds of digital silence and "signal" after
        it; "paused" and "resumed" by the schedule.
    source : str
        Name of the source.
    time : str
        Time of day of what happened, ISO 8601 with the zone: of an onset or offset, that of the sound.
    id : str, optional
        The same for onset, offset and clip of one event, and for no other event.
    prompt : str, optional
        What was found.
    onset_s, offset_s : float, optional
        Seconds since the source was connected.
    mean_score, max_score, probability : float, optional
        As of an ``Event``; known with the offset.
    latency_s : float, optional
        Seconds from the sound to this notice.
    detail : str, optional
        Path of a clip, or the reason of a loss.
    """

    kind: NoticeKind
    source: str
    time: str
    id: str | None = None
    prompt: str | None = None
    onset_s: float | None = None
    offset_s: float | None = None
    mean_score: float | None = None
    max_score: float | None = None
    probability: float | None = None
    latency_s: float | None = None
    detail: str | None = None

    def mapping(self) -> dict[str, Any]:
        """The fields that have a value, numbers rounded, as JSON holds them."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: round(value, 4) if isinstance(value, float) else value
            for name, value in values.items()
            if value is not None
        }

    def json_line(self) -> str:
        """One line of JSON, with its end.

        Examples
        --------
        >>> LiveNotice("signal", "garden", "2026-05-01T06:00:00+02:00").json_line()
        '{"kind": "signal", "source": "garden", "time": "2026-05-01T06:00:00+02:00"}\\n'
        """
        return json.dumps(self.mapping(), ensure_ascii=False) + "\n"
