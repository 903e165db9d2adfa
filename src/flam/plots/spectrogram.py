"""A picture's worth of spectrogram: log-mel power of a recording of any length, reduced while it is read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from flam.audio.mel import LogMelConfig, slaney_mel_filters
from flam.core import AudioError

N_MELS = 96
FMIN_HZ = 40.0
WINDOW_S = 0.04
POWER_FLOOR = 1e-12
FRAMES_AT_A_TIME = 256

AudioSource: TypeAlias = "str | Path | tuple[np.ndarray, int]"


@dataclass(frozen=True)
class Spectrogram:
    """Log-mel power, one column for each equal share of the recording.

    Parameters
    ----------
    level_db : (F, C) float32 array, dB above a fixed but arbitrary power; lowest frequency first
    column_s : seconds that a column covers
    edges_hz : (F + 1,) array, borders of the rows
    duration_s : length of the recording in seconds
    """

    level_db: np.ndarray
    column_s: float
    edges_hz: np.ndarray
    duration_s: float


def reduced_spectrogram(audio: AudioSource, expected_s: float | None = None, n_columns: int = 1200) -> Spectrogram:
    """Compute a spectrogram of at most ``2 * n_columns`` columns; each shows the highest power in its share of time.

    Memory does not grow with the recording: whenever there are too many columns, neighbours are joined.

    Parameters
    ----------
    audio : path of a recording, or (waveform, sample_rate) with a (N,) or (channels, N) array
    expected_s : length of the recording in seconds where it is known; a long one is then read with longer steps
    n_columns : columns that the picture can show

    Raises
    ------
    AudioError : the recording can't be read, or an array of another shape

    >>> spectrogram = reduced_spectrogram((np.zeros(48000, np.float32), 48000))
    >>> spectrogram.level_db.shape[0], spectrogram.duration_s
    (96, 1.0)
    """
    if isinstance(audio, tuple):
        waveform, sample_rate = audio
        return _reduce(iter([_mono(np.asarray(waveform))]), sample_rate, expected_s, n_columns)
    from flam.audio import open_recording

    # whoever detected the sounds has already reported what can't be read
    with open_recording(audio, on_problem=lambda _: None) as recording:
        return _reduce(recording.own_rate_mono_blocks(), recording.sample_rate, expected_s, n_columns)


def _mono(waveform: np.ndarray) -> np.ndarray:
    if waveform.ndim not in (1, 2):
        raise AudioError(f"waveform of shape {waveform.shape} is neither (N,) nor (channels, N); give one recording")
    return (waveform if waveform.ndim == 1 else waveform.mean(axis=0)).astype(np.float32)


def _reduce(blocks: Iterable[np.ndarray], sample_rate: int, expected_s: float | None, n_columns: int) -> Spectrogram:
    n_fft = 2 ** round(math.log2(sample_rate * WINDOW_S))
    hop = n_fft // 8
    while expected_s is not None and hop < n_fft and expected_s * sample_rate / hop > 4 * n_columns:
        hop *= 2
    mel = LogMelConfig(sample_rate, n_fft, hop, N_MELS, min(FMIN_HZ, sample_rate / 8), sample_rate / 2)
    filters = slaney_mel_filters(mel).astype(np.float32)
    window = np.hanning(n_fft + 1)[:-1].astype(np.float32)
    filters /= filters.sum(axis=0, keepdims=True)

    columns = np.zeros((2 * n_columns, n_fft // 2 + 1), np.float32)
    column_frames = 1
    n_samples = n_frames = 0

    def counted() -> Iterator[np.ndarray]:
        nonlocal n_samples
        for block in blocks:
            n_samples += len(block)
            yield block

    for frames in _frames(counted(), n_fft, hop):
        power = np.square(np.abs(np.fft.rfft(frames * window))).astype(np.float32, copy=False)
        while n_frames + len(power) > len(columns) * column_frames:
            columns[:n_columns] = np.maximum(columns[::2], columns[1::2])
            columns[n_columns:] = 0
            column_frames *= 2
        column = np.arange(n_frames, n_frames + len(power)) // column_frames
        first = np.flatnonzero(np.diff(column, prepend=-1))
        highest = np.maximum.reduceat(power, first, axis=0)
        columns[column[first]] = np.maximum(columns[column[first]], highest)
        n_frames += len(power)
    columns = columns[: -(-n_frames // column_frames)]
    level_db = 10 * np.log10(np.maximum((columns @ filters).T, POWER_FLOOR))
    column_s = column_frames * hop / sample_rate
    edges_hz = _edges_hz(filters, sample_rate)
    return Spectrogram(level_db.astype(np.float32), column_s, edges_hz, n_samples / sample_rate)


def _frames(blocks: Iterable[np.ndarray], n_fft: int, hop: int) -> Iterator[np.ndarray]:
    """Yield (n, n_fft) frames centred on multiples of the hop, in small groups."""
    held = np.zeros(n_fft // 2, np.float32)
    for block in blocks:
        held = np.concatenate([held, block])
        n_frames = max(0, (len(held) - n_fft) // hop + 1)
        yield from _groups(held, n_frames, n_fft, hop)
        held = held[n_frames * hop :]
    n_frames = max(0, -(-(len(held) - n_fft // 2) // hop))
    yield from _groups(np.pad(held, (0, n_fft + hop)), n_frames, n_fft, hop)


def _groups(held: np.ndarray, n_frames: int, n_fft: int, hop: int) -> Iterator[np.ndarray]:
    if n_frames:
        frames = np.lib.stride_tricks.sliding_window_view(held, n_fft)[::hop][:n_frames]
        for start in range(0, n_frames, FRAMES_AT_A_TIME):
            yield frames[start : start + FRAMES_AT_A_TIME]


def _edges_hz(filters: np.ndarray, sample_rate: int) -> np.ndarray:
    centre_hz = filters.argmax(axis=0) * (sample_rate / 2) / (len(filters) - 1)
    between = (centre_hz[1:] + centre_hz[:-1]) / 2
    return np.concatenate([[2 * centre_hz[0] - between[0]], between, [2 * centre_hz[-1] - between[-1]]])
