"""Clips of the model's length: a random part of what is longer, silence after what is shorter."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np

from flam.audio import open_recording, resample
from flam.audio.downmix import mono_stream
from flam.core import AudioError


class Crop(NamedTuple):
    """``waveform (N,)`` float32, and ``start_s``, where it begins in the recording."""

    waveform: np.ndarray
    start_s: float


def crop(waveform: np.ndarray, n_samples: int, sample_rate: int, rng: np.random.Generator) -> Crop:
    """Take a random part of a waveform that is in memory.

    Parameters
    ----------
    waveform : np.ndarray
        (M,) float32 array
    n_samples, sample_rate : int
        N, length of the crop, and the rate of both

    Returns
    -------
    Crop
        Crop of exactly N samples, zeros after the end of the waveform

    Examples
    --------
    >>> crop(np.ones(2, np.float32), 4, 48000, np.random.default_rng(0)).waveform.tolist()
    [1.0, 1.0, 0.0, 0.0]
    """
    start = _random_start(len(waveform), n_samples, rng)
    return Crop(_fitted(waveform[start:], n_samples), start / sample_rate)


def read_crop(path: str | Path, n_samples: int, sample_rate: int, rng: np.random.Generator) -> Crop:
    """Take a random part of a recording, of which no more than that is decoded where its format allows.

    Raises
    ------
    AudioError
        the file can't be opened, or ends before its header says

    Examples
    --------
    >>> import soundfile, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     soundfile.write(f"{folder}/a.wav", np.zeros(96000), 48000)
    ...     read_crop(f"{folder}/a.wav", 24000, 48000, np.random.default_rng(0)).waveform.shape
    (24000,)
    """
    with open_recording(path, on_problem=_refuse) as recording:
        if recording.n_samples is None:
            blocks = list(recording.mono_blocks(sample_rate))
            return crop(np.concatenate([np.zeros(0, np.float32), *blocks]), n_samples, sample_rate, rng)
        n_wanted = -(-n_samples * recording.sample_rate // sample_rate)
        start = _random_start(recording.n_samples, n_wanted, rng)
        pieces, n_read = [np.zeros((0, recording.n_channels), np.float32)], 0
        for block in recording.blocks(start, min(n_wanted, 65_536)):
            pieces.append(block)
            n_read += len(block)
            if n_read >= n_wanted:
                break
        mono = mono_stream([np.concatenate(pieces)[:n_wanted]], recording.sample_rate)
        part = resample(np.concatenate([np.zeros(0, np.float32), *mono]), recording.sample_rate, sample_rate)
        return Crop(_fitted(part, n_samples), start / recording.sample_rate)


def _random_start(length: int, n_samples: int, rng: np.random.Generator) -> int:
    return int(rng.integers(max(length - n_samples, 0) + 1))


def _fitted(waveform: np.ndarray, n_samples: int) -> np.ndarray:
    """Exactly N float32 samples in an array of its own."""
    fitted = np.zeros(n_samples, np.float32)
    fitted[: len(waveform)] = waveform[:n_samples]
    return fitted


def _refuse(problem: str) -> NoReturn:
    raise AudioError(problem)
