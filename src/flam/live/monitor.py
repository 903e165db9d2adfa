"""The loop that listens: a source in, notices out; it survives silence, nights and broken connections."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import numpy as np

from flam.audio.live import LiveInput
from flam.core import AudioError, ConfigError
from flam.detection.pieces import Piece
from flam.live.clips import ClipConfig, ClipWriter, RingBuffer
from flam.live.clock import WallClock
from flam.live.notices import LiveNotice, NoticeKind
from flam.live.schedule import Schedule

FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0
RING_S = 30.0


class LiveSession(Protocol):
    """What a monitor needs of ``flam.detection.Session``."""

    latency_s: float

    def push(self, block: np.ndarray) -> list[Piece]: ...

    def finish(self) -> list[Piece]: ...


class Stop(Protocol):
    """What a monitor needs of ``threading.Event``."""

    def is_set(self) -> bool: ...

    def wait(self, timeout: float) -> bool: ...


@dataclass(frozen=True)
class LiveConfig:
    """How to listen.

    Parameters
    ----------
    gate_db : float, optional
        Below this level, dB relative to full scale, the network rests; None never lets it rest.
    gate_hold_s : float
        It works on for so long after the last louder block, seconds.
    gate_lead_s : float
        When it begins again it also hears so much of what came before, seconds.
    no_signal_s : float
        So many seconds of digital silence are "no signal": a muted or broken source.
    schedule : Schedule, optional
        Hours of the day in which to listen; None is always.
    clips : ClipConfig, optional
        Where clips go; None writes none.
    """

    gate_db: float | None = None
    gate_hold_s: float = 5.0
    gate_lead_s: float = 2.0
    no_signal_s: float = 10.0
    schedule: Schedule | None = None
    clips: ClipConfig | None = None

    def __post_init__(self) -> None:
        if self.gate_db is not None and not -120 <= self.gate_db <= 0:
            raise ConfigError(f"gate {self.gate_db} dB must be within -120..0; -60 is a quiet room")
        if min(self.gate_hold_s, self.gate_lead_s) < 0 or self.no_signal_s <= 0:
            raise ConfigError("gate_hold_s and gate_lead_s must be at least 0 s, no_signal_s above 0")


class LiveMonitor:
    """Listen to one source until it ends or ``stop`` is set.

    Each connection is a recording of its own: seconds count from it. Nothing that is held grows with time.

    Parameters
    ----------
    source : LiveInput
        Where the sound comes from.
    begin : callable
        Makes a session for a sample rate: ``lambda rate: detector.session(prompts, sample_rate=rate)``.
    config : LiveConfig
        How to listen.
    stop : Stop
        Ends the loop within a block; also waits between attempts to connect.
    now : callable
        Seconds since 1970.

    Attributes
    ----------
    ring : RingBuffer
        The newest sound of the present connection, for further readers.
    sample_rate : int
        Hz of it; 0 before the first connection.

    Examples
    --------
    >>> import io
    >>> from flam.audio.live import PcmInput
    >>> class Deaf:
    ...     latency_s = 0.0
    ...     def push(self, block): return []
    ...     def finish(self): return []
    >>> monitor = LiveMonitor(PcmInput(io.BytesIO(b"ab" * 8000), 8000), lambda rate: Deaf())
    >>> [notice.kind for notice in monitor.run()]
    ['connected', 'ended']
    """

    def __init__(
        self,
        source: LiveInput,
        begin: Callable[[int], LiveSession],
        config: LiveConfig | None = None,
        stop: Stop | None = None,
        now: Callable[[], float] = time.time,
    ):
        self.source = source
        self.config = LiveConfig() if config is None else config
        self.ring, self.sample_rate = RingBuffer(1), 0
        self._begin, self._now = begin, now
        self._stop = threading.Event() if stop is None else stop
        self._clips = None if self.config.clips is None else ClipWriter(self.config.clips)
        self._clock = WallClock(now)
        self._session: LiveSession | None = None
        self._session_start = 0  # sample at which the session began
        self._ids: dict[tuple[str, float], str] = {}  # of events that have begun, by prompt and onset
        self._last_loud = self._last_signal = 0
        self._has_signal = self._is_on = True
        self._full_day = ""  # the last day that was reported as full of clips

    def run(self) -> Iterator[LiveNotice]:
        """Listen, and tell what happens as it happens.

        Yields
        ------
        LiveNotice

        Raises
        ------
        AudioError
            If the source can't be opened the first time; later it is tried again and again.
        OutputError
            If a clip can't be written.
        """
        wait_s, was_connected = FIRST_WAIT_S, False
        while not self._stop.is_set():
            reason = "ended"
            try:
                opened = self.source.open()
                was_connected = True
                self._connect(opened.sample_rate)
                yield self._notice("connected")
                for block in opened.blocks:
                    wait_s = FIRST_WAIT_S
                    yield from self._take(block)
                    if self._stop.is_set():
                        break
            except AudioError as error:
                if not was_connected:
                    raise
                reason = str(error)
            yield from self._end_session()
            yield from self._write_clips(is_over=True)
            if self._stop.is_set() or (reason == "ended" and not self.source.is_endless):
                break
            yield self._notice("lost", detail=reason)
            self._stop.wait(wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)
        yield self._notice("ended")

    def _connect(self, sample_rate: int) -> None:
        kept_s = RING_S + (0.0 if self.config.clips is None else self.config.clips.longest_s)
        self.sample_rate, self.ring = sample_rate, RingBuffer(round(kept_s * sample_rate))
        self._clock = WallClock(self._now)
        self._last_loud = self._last_signal = 0
        self._has_signal = True

    def _take(self, block: np.ndarray) -> Iterator[LiveNotice]:
        start = self.ring.end
        self.ring.write(block)
        self._clock.arrived(self._seconds(self.ring.end))
        yield from self._watch(block)
        if self._should_work(block):
            if self._session is None:
                self._session = self._begin(self.sample_rate)
                lead = 0 if self.config.gate_db is None else round(self.config.gate_lead_s * self.sample_rate)
                self._session_start, block = self.ring.read(start - lead, self.ring.end)
            yield from self._told(self._session.push(block))
        else:
            yield from self._end_session()
        yield from self._write_clips()

    def _watch(self, block: np.ndarray) -> Iterator[LiveNotice]:
        """Look for digital silence, and at the schedule."""
        if block.any():
            self._last_signal = self.ring.end
            if not self._has_signal:
                self._has_signal = True
                yield self._notice("signal")
        elif self._has_signal and self.ring.end - self._last_signal >= self.config.no_signal_s * self.sample_rate:
            self._has_signal = False
            yield self._notice("no signal", detail=f"{self.config.no_signal_s:g} s of zeros; is the source muted?")
        if self.config.schedule is not None:
            is_on = self.config.schedule.is_on(datetime.fromtimestamp(self._now()).astimezone())
            if is_on != self._is_on:
                self._is_on = is_on
                yield self._notice("resumed" if is_on else "paused")

    def _should_work(self, block: np.ndarray) -> bool:
        if not (self._has_signal and self._is_on):
            return False
        if self.config.gate_db is None:
            return True
        if len(block) and 10 * np.log10(max(float(np.mean(np.square(block))), 1e-12)) >= self.config.gate_db:
            self._last_loud = self.ring.end
            return True
        is_held = self.ring.end - self._last_loud <= self.config.gate_hold_s * self.sample_rate
        return self._session is not None and is_held

    def _end_session(self) -> Iterator[LiveNotice]:
        if self._session is not None:
            session, self._session = self._session, None
            yield from self._told(session.finish())
            self._ids.clear()

    def _told(self, pieces: Iterable[Piece]) -> Iterator[LiveNotice]:
        start_s = self._seconds(self._session_start)
        for piece in pieces:
            for onset in piece.onsets:
                name = self._ids[onset.prompt, onset.onset_s] = uuid.uuid4().hex[:12]
                onset_s = start_s + onset.onset_s
                yield self._at("onset", onset_s, id=name, prompt=onset.prompt, onset_s=onset_s)
            for event in piece.events:
                name = self._ids.pop((event.prompt, event.onset_s), "") or uuid.uuid4().hex[:12]
                notice = self._at(
                    "offset",
                    start_s + event.offset_s,
                    id=name,
                    prompt=event.prompt,
                    onset_s=start_s + event.onset_s,
                    offset_s=start_s + event.offset_s,
                    mean_score=event.mean_score,
                    max_score=event.max_score,
                    probability=event.probability,
                )
                if self._clips is not None:
                    self._clips.take(notice)
                yield notice

    def _write_clips(self, is_over: bool = False) -> Iterator[LiveNotice]:
        if self._clips is not None:
            for notice, path in self._clips.write(self.ring, self.sample_rate, is_over):
                day = notice.time[:10]
                if path is not None:
                    yield self._notice("clip", id=notice.id, prompt=notice.prompt, detail=str(path))
                elif day != self._full_day:
                    self._full_day = day
                    yield self._notice("clips full", detail=f"no more clips of {day}, see --clips-a-day")

    def _at(self, kind: NoticeKind, position_s: float, **values: Any) -> LiveNotice:
        """A notice of a moment of the sound."""
        moment = self._clock.at(position_s)
        latency_s = self._now() - moment.timestamp()
        return LiveNotice(
            kind, self.source.name, moment.isoformat(timespec="milliseconds"), latency_s=latency_s, **values
        )

    def _notice(self, kind: NoticeKind, **values: Any) -> LiveNotice:
        """A notice of now."""
        moment = datetime.fromtimestamp(self._now()).astimezone()
        return LiveNotice(kind, self.source.name, moment.isoformat(timespec="milliseconds"), **values)

    def _seconds(self, position: int) -> float:
        return position / self.sample_rate
