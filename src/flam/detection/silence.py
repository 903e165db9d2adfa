"""How loud each frame is, so that silence never becomes an event."""

from __future__ import annotations

import numpy as np


def frame_power(waveform: np.ndarray, frame_samples: int) -> np.ndarray:
    """Mean square of each frame after its mean is taken off, because a constant offset is no sound.

    Parameters
    ----------
    waveform : np.ndarray
        (N,) float array
    frame_samples : int
        samples of a frame; the last frame may hold fewer

    Returns
    -------
    np.ndarray
        (ceil(N / frame_samples),) float32 array; 0 for digital silence

    Examples
    --------
    >>> frame_power(np.array([1.0, -1.0, 0.5, 0.5, 3.0]), 2).tolist()
    [1.0, 0.0, 0.0]
    """
    starts = np.arange(0, len(waveform), frame_samples)
    if not len(starts):
        return np.zeros(0, np.float32)
    counts = np.minimum(frame_samples, len(waveform) - starts)
    mean = np.add.reduceat(waveform, starts, dtype=np.float64) / counts
    centred = waveform - np.repeat(mean, counts)
    return (np.add.reduceat(np.square(centred), starts, dtype=np.float64) / counts).astype(np.float32)


def power_of_db(level_db: float) -> float:
    """Mean square at a level in dB relative to full scale.

    Examples
    --------
    >>> power_of_db(-20)
    0.01
    """
    return 10.0 ** (level_db / 10)
