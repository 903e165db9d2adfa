"""Recordings analysed once, in the background: features of frames, and what a timeline is drawn from."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from flam.audio import open_recording
from flam.audio.downmix import mono_stream
from flam.core import AudioError, FlamError
from flam.detection import Detector
from flam.server.errors import TooBusy, TooLarge
from flam.server.store import COLUMNS_PER_S, N_ROWS, PEAKS_PER_S, StoredRecording

WINDOW_S = 0.04
LOWEST_HZ = 40.0
# a byte holds levels from here to 0 dB relative to full scale
FLOOR_DB = -120.0
FRAMES_AT_A_TIME = 512
logger = logging.getLogger(__name__)


def row_edges_hz(sample_rate: int) -> np.ndarray:
    """Borders of the spectrogram's rows, equally spaced in mel, lowest first.

    Returns
    -------
    numpy.ndarray
        (N_ROWS + 1,), Hz.

    Examples
    --------
    >>> row_edges_hz(48_000)[[0, -1]].round().tolist()
    [40.0, 24000.0]
    """
    low, high = (2595 * math.log10(1 + hz / 700) for hz in (min(LOWEST_HZ, sample_rate / 8), sample_rate / 2))
    return 700 * (10 ** (np.linspace(low, high, N_ROWS + 1) / 2595) - 1)


class Timeline:
    """Takes the blocks of a recording and appends peaks and spectrogram columns to what is stored.

    Parameters
    ----------
    recording : StoredRecording
        Its sample rate is known.
    """

    def __init__(self, recording: StoredRecording):
        rate = recording.sample_rate
        self._recording = recording
        self._peak_samples = max(1, round(rate / PEAKS_PER_S))
        self._hop = max(1, round(rate / COLUMNS_PER_S))
        self._n_fft = max(2 ** round(math.log2(rate * WINDOW_S)), 2)
        recording.peak_s = self._peak_samples / rate
        recording.column_s = self._hop / rate
        self._window = np.hanning(self._n_fft + 1)[:-1].astype(np.float32)
        self._weights = _row_weights(rate, self._n_fft) / np.square(self._window.sum() / 2)
        self._peak_rest = np.zeros(0, np.float32)
        self._held = np.zeros(self._n_fft // 2, np.float32)

    def push(self, samples: np.ndarray) -> None:
        """Take the next (n,) samples of the mono signal."""
        self._append_peaks(samples)
        held = np.concatenate([self._held, samples])
        n_frames = max(0, (len(held) - self._n_fft) // self._hop + 1)
        self._append_columns(held, n_frames)
        self._held = held[n_frames * self._hop :]

    def finish(self) -> None:
        """The recording has ended: append what is left."""
        if len(self._peak_rest):
            self._recording.peaks.append(_peaks(self._peak_rest[None, :]))
        n_frames = max(0, -(-(len(self._held) - self._n_fft // 2) // self._hop))
        self._append_columns(np.pad(self._held, (0, self._n_fft + self._hop)), n_frames)

    def _append_peaks(self, samples: np.ndarray) -> None:
        samples = np.concatenate([self._peak_rest, samples])
        n_whole = len(samples) // self._peak_samples
        cut = n_whole * self._peak_samples
        if n_whole:
            self._recording.peaks.append(_peaks(samples[:cut].reshape(n_whole, self._peak_samples)))
        self._peak_rest = samples[cut:]

    def _append_columns(self, held: np.ndarray, n_frames: int) -> None:
        if n_frames <= 0:
            return
        frames = np.lib.stride_tricks.sliding_window_view(held, self._n_fft)[:: self._hop][:n_frames]
        columns = []
        for start in range(0, n_frames, FRAMES_AT_A_TIME):
            spectrum = np.fft.rfft(frames[start : start + FRAMES_AT_A_TIME] * self._window)
            power = (np.square(spectrum.real) + np.square(spectrum.imag)) @ self._weights
            level_db = 10 * np.log10(np.maximum(power, 10 ** (FLOOR_DB / 10)))
            columns.append(np.clip((1 - level_db / FLOOR_DB) * 255 + 0.5, 0, 255).astype(np.uint8))
        self._recording.spectrogram.append(np.concatenate(columns))


def _peaks(groups: np.ndarray) -> np.ndarray:
    """(P, n) samples to (P, 2) lowest and highest, full scale 127."""
    both = np.stack([groups.min(axis=1), groups.max(axis=1)], axis=1)
    return np.clip(np.round(both * 127), -127, 127).astype(np.int8)


def _row_weights(sample_rate: int, n_fft: int) -> np.ndarray:
    """(bins, N_ROWS) share of each bin in each row; a row narrower than a bin interpolates between two."""
    edges = row_edges_hz(sample_rate)
    centres = (edges[1:] + edges[:-1]) / 2
    bins_hz = np.arange(n_fft // 2 + 1) * sample_rate / n_fft
    half_width = np.maximum((edges[1:] - edges[:-1]) / 2, sample_rate / n_fft)
    weights = np.maximum(0, 1 - np.abs(bins_hz[:, None] - centres) / half_width)
    return (weights / np.maximum(weights.sum(axis=0), 1e-9)).astype(np.float32)


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
