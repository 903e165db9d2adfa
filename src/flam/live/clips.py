"""Clips of what was found, with some sound before and after, in a folder that does not grow beyond a size."""

from __future__ import annotations

import re
import threading
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from flam.audio.write import write_audio
from flam.core import ConfigError
from flam.live.notices import LiveNotice

LONGEST_S = 60.0
SUFFIX = ".flac"


class RingBuffer:
    """The newest samples by their position in the stream; memory stays as it is.

    Parameters
    ----------
    capacity : int
        Samples that are kept.

    Examples
    --------
    >>> ring = RingBuffer(4)
    >>> for block in ([1, 2, 3], [4, 5]):
    ...     ring.write(np.array(block, np.float32))
    >>> ring.read(0, 10)
    (1, array([2., 3., 4., 5.], dtype=float32))
    """

    def __init__(self, capacity: int):
        self._samples = np.zeros(capacity, np.float32)
        self._end = 0
        self._lock = threading.Lock()

    @property
    def end(self) -> int:
        """Samples that were written so far."""
        return self._end

    def write(self, block: np.ndarray) -> None:
        """Add (n,) samples."""
        with self._lock:
            capacity = len(self._samples)
            kept = block[-capacity:]
            places = (self._end + len(block) - len(kept) + np.arange(len(kept))) % capacity
            self._samples[places] = kept
            self._end += len(block)

    def read(self, start: int, end: int) -> tuple[int, np.ndarray]:
        """Samples between two positions, as far as they are there.

        Parameters
        ----------
        start, end : int
            Positions in the stream, half-open.

        Returns
        -------
        tuple of int and numpy.ndarray
            Position of the first sample, and (n,) float32 samples.
        """
        with self._lock:
            capacity = len(self._samples)
            first = min(max(start, self._end - capacity, 0), self._end)
            last = max(first, min(end, self._end))
            return first, self._samples[np.arange(first, last) % capacity]


@dataclass(frozen=True)
class ClipConfig:
    """Where clips go and what they hold.

    Parameters
    ----------
    folder : Path
        Made if it is not there. Every file of it that ends in ``.flac`` counts towards the cap and may be removed.
    pre_s, post_s : float
        Sound before the onset and after the offset, seconds.
    cap_mb : float
        Size that the folder keeps to: the oldest clips are removed first.
    day_mb : float, optional
        Once the clips of a day have this size, its further events get none, so that one noisy day does not push out
        all the others.
    """

    folder: Path
    pre_s: float = 2.0
    post_s: float = 2.0
    cap_mb: float = 1000.0
    day_mb: float | None = None

    def __post_init__(self) -> None:
        if not (0 <= self.pre_s <= 30 and 0 <= self.post_s <= 30 and self.cap_mb > 0):
            raise ConfigError(
                f"pre-roll {self.pre_s} s and post-roll {self.post_s} s must be within 0..30, the cap {self.cap_mb} MB "
                "above 0"
            )
        if self.day_mb is not None and not 0 < self.day_mb <= self.cap_mb:
            raise ConfigError(
                f"{self.day_mb} MB of clips a day must be above 0 and at most the folder's {self.cap_mb} MB; raise "
                "--clips-cap"
            )

    @property
    def longest_s(self) -> float:
        """What a ring buffer must hold beside the latency, seconds; of longer events the end is written."""
        return self.pre_s + LONGEST_S + self.post_s


class ClipWriter:
    """Write a clip for each event once its post-roll is there.

    Parameters
    ----------
    config : ClipConfig
        Where and what.
    """

    def __init__(self, config: ClipConfig):
        self.config = config
        self._waiting: deque[LiveNotice] = deque()
        config.folder.mkdir(parents=True, exist_ok=True)

    def take(self, offset: LiveNotice) -> None:
        """Remember an event that has ended."""
        self._waiting.append(offset)

    def write(self, ring: RingBuffer, sample_rate: int, is_over: bool = False) -> list[tuple[LiveNotice, Path | None]]:
        """Write the clips whose sound is there; at the end of a source, all.

        Parameters
        ----------
        ring : RingBuffer
            The sound; position 0 is second 0 of the notices.
        sample_rate : int
            Hz of it.
        is_over : bool
            No more sound will come.

        Returns
        -------
        list of (LiveNotice, Path or None)
            Events and their clips; None where their day has clips enough.

        Raises
        ------
        OutputError
            If a clip can't be written.
        """
        written: list[tuple[LiveNotice, Path | None]] = []
        while self._waiting:
            notice = self._waiting[0]
            assert notice.onset_s is not None
            assert notice.offset_s is not None
            end = round((notice.offset_s + self.config.post_s) * sample_rate)
            if ring.end < end and not is_over:
                break
            self._waiting.popleft()
            if self._day_is_full(notice):
                written.append((notice, None))
                continue
            start_s = max(notice.onset_s - self.config.pre_s, notice.offset_s - LONGEST_S)
            _, samples = ring.read(round(start_s * sample_rate), end)
            if len(samples):
                path = self.config.folder / clip_name(notice)
                write_audio(path, np.clip(samples, -1.0, 1.0), sample_rate, "PCM_16")
                self._keep_to_cap(path)
                written.append((notice, path))
        return written

    def _day_is_full(self, notice: LiveNotice) -> bool:
        if self.config.day_mb is None:
            return False
        of_day = self.config.folder.glob(f"{datetime.fromisoformat(notice.time):%Y%m%d}-*{SUFFIX}")
        return sum(path.stat().st_size for path in of_day) >= self.config.day_mb * 1e6

    def _keep_to_cap(self, newest: Path) -> None:
        clips = [(path.stat(), path) for path in self.config.folder.glob(f"*{SUFFIX}")]
        total = sum(status.st_size for status, _ in clips)
        for status, path in sorted(clips, key=lambda clip: (clip[0].st_mtime_ns, clip[1].name)):
            if total <= self.config.cap_mb * 1e6 or path == newest:
                break
            path.unlink(missing_ok=True)
            total -= status.st_size


def clip_name(notice: LiveNotice) -> str:
    """A file name that sorts by time and says what is in it.

    Examples
    --------
    >>> clip_name(LiveNotice("offset", "mic", "2026-05-01T06:00:07.5+02:00", id="a1", prompt="dog/../barking"))
    '20260501-060007_dog-barking_a1.flac'
    """
    moment = datetime.fromisoformat(notice.time).strftime("%Y%m%d-%H%M%S")
    words = re.sub(r"[^\w]+", "-", notice.prompt or "", flags=re.UNICODE).strip("-")[:60]
    return f"{moment}_{words}_{notice.id}{SUFFIX}"
