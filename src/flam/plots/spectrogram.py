"""Log-mel spectrograms for pictures, of recordings of any length, reduced while they are read."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from flam.audio.logmel import LogMelConfig, slaney_mel_filters
from flam.core import AudioError

N_MELS = 96
FMIN_HZ = 40.0
WINDOW_S = 0.04
POWER_FLOOR = 1e-12
# below it, the lowest bands of a picture would be narrower than what the Fourier transform tells apart
LOWEST_TOP_HZ = 2_000.0
FRAMES_AT_A_TIME = 256

RecordingOrWaveform: TypeAlias = "str | Path | tuple[np.ndarray, int]"


@dataclass(frozen=True)
class Spectrogram:
    """Log-mel power, one column for each equal share of the recording.

    Parameters
    ----------
    level_db : np.ndarray
        (F, C) float32 array, dB above a fixed but arbitrary power; lowest frequency first
    column_s : float
        seconds that a column covers
    edges_hz : np.ndarray
        (F + 1,) array, borders of the rows
    duration_s : float
        length of the recording in seconds
    """

    level_db: np.ndarray
    column_s: float
    edges_hz: np.ndarray
    duration_s: float


def reduced_spectrogram(
    audio: RecordingOrWaveform, expected_s: float | None = None, n_columns: int = 1200
) -> Spectrogram:
    """Compute a spectrogram of at most ``2 * n_columns`` columns; each shows the highest power in its share of time.

    Parameters
    ----------
    audio : str, Path or tuple
        Path of a recording, or (waveform, sample_rate) with a (N,) or (channels, N) array.
    expected_s : float, optional
        Length of the recording in seconds where it is known; a long one is then read with longer steps.
    n_columns : int
        Columns that the picture can show.

    Raises
    ------
    AudioError
        The recording can't be read, or an array of another shape.

    Examples
    --------
    >>> spectrogram = reduced_spectrogram((np.zeros(48000, np.float32), 48000))
    >>> spectrogram.level_db.shape[0], spectrogram.duration_s
    (96, 1.0)
    """
    if isinstance(audio, tuple):
        waveform, sample_rate = audio
        reducer = SpectrogramReducer(sample_rate, expected_s, n_columns)
        reducer.push(_mono(np.asarray(waveform)))
        return reducer.finish()
    from flam.audio import open_recording

    # whoever detected the sounds has already reported what can't be read
    with open_recording(audio, on_problem=lambda _: None) as recording:
        reducer = SpectrogramReducer(recording.sample_rate, expected_s, n_columns)
        for block in recording.own_rate_mono_blocks():
            reducer.push(block)
    return reducer.finish()


class SpectrogramReducer:
    """``reduced_spectrogram`` of blocks that come one by one: ``push`` each of them, then ``finish``.

    Memory does not grow with the recording: whenever there are too many columns, neighbours are joined.

    Parameters
    ----------
    sample_rate : int
        Hz of the blocks.
    expected_s, n_columns
        As for ``reduced_spectrogram``.
    highest_hz : float, optional
        Upper end of the picture, for blocks that were converted to a higher rate than their recording had; None is
        half the sample rate.
    """

    def __init__(
        self,
        sample_rate: int,
        expected_s: float | None = None,
        n_columns: int = 1200,
        highest_hz: float | None = None,
    ):
        self._sample_rate = sample_rate
        self._n_fft = 2 ** round(math.log2(sample_rate * WINDOW_S))
        self._hop = self._n_fft // 8
        while (
            expected_s is not None and self._hop < self._n_fft and expected_s * sample_rate / self._hop > 4 * n_columns
        ):
            self._hop *= 2
        self._window = np.hanning(self._n_fft + 1)[:-1].astype(np.float32)
        self._columns = np.zeros((2 * n_columns, self._n_fft // 2 + 1), np.float32)
        self._column_frames = 1
        self._n_samples = self._n_frames = 0
        self._held = np.zeros(self._n_fft // 2, np.float32)  # frames are centred on multiples of the hop
        fmax_hz = sample_rate / 2 if highest_hz is None else min(max(highest_hz, LOWEST_TOP_HZ), sample_rate / 2)
        mel = LogMelConfig(sample_rate, self._n_fft, self._hop, N_MELS, min(FMIN_HZ, fmax_hz / 4), fmax_hz)
        self._filters = slaney_mel_filters(mel).astype(np.float32)
        self._filters /= np.maximum(self._filters.sum(axis=0, keepdims=True), np.finfo(np.float32).tiny)

    def push(self, block: np.ndarray) -> None:
        """Take the next (n,) float32 samples."""
        self._n_samples += len(block)
        self._held = np.concatenate([self._held, block])
        n_frames = max(0, (len(self._held) - self._n_fft) // self._hop + 1)
        self._add(self._held, n_frames)
        self._held = self._held[n_frames * self._hop :]

    def finish(self) -> Spectrogram:
        """The recording has ended: give the spectrogram."""
        n_frames = max(0, -(-(len(self._held) - self._n_fft // 2) // self._hop))
        self._add(np.pad(self._held, (0, self._n_fft + self._hop)), n_frames)
        columns = self._columns[: -(-self._n_frames // self._column_frames)]
        level_db = 10 * np.log10(np.maximum((columns @ self._filters).T, POWER_FLOOR))
        column_s = self._column_frames * self._hop / self._sample_rate
        edges_hz = _edges_hz(self._filters, self._sample_rate)
        return Spectrogram(level_db.astype(np.float32), column_s, edges_hz, self._n_samples / self._sample_rate)

    def _add(self, held: np.ndarray, n_frames: int) -> None:
        if not n_frames:
            return
        frames = np.lib.stride_tricks.sliding_window_view(held, self._n_fft)[:: self._hop][:n_frames]
        for start in range(0, n_frames, FRAMES_AT_A_TIME):
            spectrum = np.fft.rfft(frames[start : start + FRAMES_AT_A_TIME] * self._window)
            self._add_power(np.square(np.abs(spectrum)).astype(np.float32, copy=False))

    def _add_power(self, power: np.ndarray) -> None:
        columns = self._columns
        while self._n_frames + len(power) > len(columns) * self._column_frames:
            n_joined = len(columns) // 2
            columns[:n_joined] = np.maximum(columns[::2], columns[1::2])
            columns[n_joined:] = 0
            self._column_frames *= 2
        column = np.arange(self._n_frames, self._n_frames + len(power)) // self._column_frames
        first = np.flatnonzero(np.diff(column, prepend=-1))
        highest = np.maximum.reduceat(power, first, axis=0)
        columns[column[first]] = np.maximum(columns[column[first]], highest)
        self._n_frames += len(power)


def _mono(waveform: np.ndarray) -> np.ndarray:
    if waveform.ndim not in (1, 2):
        raise AudioError(f"waveform of shape {waveform.shape} is neither (N,) nor (channels, N); give one recording")
    return (waveform if waveform.ndim == 1 else waveform.mean(axis=0)).astype(np.float32)


def _edges_hz(filters: np.ndarray, sample_rate: int) -> np.ndarray:
    centre_hz = filters.argmax(axis=0) * (sample_rate / 2) / (len(filters) - 1)
    between = (centre_hz[1:] + centre_hz[:-1]) / 2
    return np.concatenate([[2 * centre_hz[0] - between[0]], between, [2 * centre_hz[-1] - between[-1]]])
