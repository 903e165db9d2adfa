"""Recordings analysed once, in the background: features of frames, and what a timeline is drawn from."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from flam.audio import open_recording
from flam.audio.downmix import mono_stream
from flam.core import AudioError, FlamError
from flam.detection import Detector
from flam.server.errors import TooBusy, TooLarge
from flam.server.store import StoredRecording
from flam.server.timeline import Timeline

logger = logging.getLogger(__name__)


class Cancelled(FlamError):
    """Nobody waits for this analysis any more."""


class Analyser:
    """Analyses recordings in the background, a few at a time.

    Parameters
    ----------
    detector : Detector
        The model.
    max_duration_s : float
        Longest recording, seconds.
    n_workers : int
        Recordings analysed at the same time.
    max_waiting : int
        Recordings that may wait.
    on_finished : callable
        Told of each recording that was analysed, failed or was cancelled.
    """

    def __init__(
        self,
        detector: Detector,
        max_duration_s: float,
        n_workers: int,
        max_waiting: int,
        on_finished: Callable[[StoredRecording], None] = lambda recording: None,
    ):
        self.detector = detector
        self._max_duration_s, self._max_waiting = max_duration_s, max_waiting
        self._pool = ThreadPoolExecutor(n_workers, thread_name_prefix="flam-analysis")
        self.on_finished = on_finished
        self._waiting = 0
        self._lock = threading.Lock()

    @property
    def n_waiting(self) -> int:
        """Recordings whose analysis has not begun."""
        return self._waiting

    def require_room(self) -> None:
        """Refuse a recording while too many wait.

        Raises
        ------
        TooBusy
            As many wait as may.
        """
        if self._waiting >= self._max_waiting:
            raise TooBusy(f"{self._waiting} recordings wait for analysis; try again in a minute")

    def submit(self, recording: StoredRecording) -> None:
        """Analyse a recording as soon as a worker is free."""
        self.require_room()
        with self._lock:
            self._waiting += 1
        self._pool.submit(self._run, recording)

    def close(self) -> None:
        """Begin nothing more; cancelled recordings end at their next block."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _run(self, recording: StoredRecording) -> None:
        with self._lock:
            self._waiting -= 1
        try:
            recording.state = "running"
            self._analyse(recording)
            recording.state = "ready"
        except FlamError as error:
            recording.state = "cancelled" if recording.cancel.is_set() else "failed"
            recording.error = str(error).replace(str(recording.path), recording.name)
        except Exception as error:
            recording.state = "cancelled" if recording.cancel.is_set() else "failed"
            recording.error = "the analysis broke off; the server's log tells more"
            if recording.state == "failed":
                logger.exception("analysis of %r broke off: %s", recording.name, error)
        self.on_finished(recording)

    def _analyse(self, recording: StoredRecording) -> None:
        recording.grid = self.detector.grid
        with open_recording(recording.path, on_problem=recording.problems.append) as audio:
            recording.sample_rate = audio.sample_rate
            self._require_short(audio.duration_s or 0.0)
            recording.n_samples = audio.n_samples or round((audio.duration_s or 0.0) * audio.sample_rate)
            blocks = self._tapped(recording, mono_stream(audio.blocks(), audio.sample_rate))
            for piece in self.detector.stream((blocks, audio.sample_rate)):
                recording.power.append(piece.power[:, None])
                recording.features.append(piece.features)
                recording.n_covered_samples += piece.n_samples
        if len(recording.features) == 0:
            raise AudioError(f"{recording.name}: holds no samples; a recording needs at least one")

    def _tapped(self, recording: StoredRecording, blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """Pass the blocks on, drawing the timeline from them and watching for the end of patience."""
        timeline = Timeline(recording)
        n_samples = 0
        for block in blocks:
            if recording.cancel.is_set():
                raise Cancelled("the analysis was cancelled")
            n_samples += len(block)
            self._require_short(n_samples / recording.sample_rate)
            timeline.push(block)
            yield block
        timeline.finish()
        recording.n_samples = n_samples

    def _require_short(self, duration_s: float) -> None:
        if duration_s > self._max_duration_s:
            raise TooLarge(
                f"recording of more than {self._max_duration_s / 60:.0f} minutes, the most this server takes; cut it"
            )
