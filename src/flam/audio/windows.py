"""Overlapping windows of a stream of samples: positions are integers, the tail is kept, memory stays bounded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from flam.core import ConfigError


@dataclass(frozen=True, eq=False)
class Window:
    """One model input and its place in the recording.

    Parameters
    ----------
    start_sample : int
        position of the first sample in the recording
    waveform : np.ndarray
        (window_samples,) float32 array
    n_valid : int
        samples of the waveform that are the recording's own; what follows them is filling
    """

    start_sample: int
    waveform: np.ndarray
    n_valid: int


def windows(blocks: Iterable[np.ndarray], window_samples: int, hop_samples: int) -> Iterator[Window]:
    """Cut a mono stream into windows that start at multiples of the hop and together cover every sample.

    The last window of a longer recording is filled with zeros. A recording shorter than one window is repeated until
    it fills it, never stretched. No samples give no windows.

    Parameters
    ----------
    blocks : Iterable[np.ndarray]
        (n,) float32 arrays, consecutive pieces of one recording; their lengths do not change the windows
    window_samples : int
        length of a window
    hop_samples : int
        distance between the starts of two windows, ``1 <= hop_samples <= window_samples``

    Returns
    -------
    Iterator[Window]
        iterator of Window, each with a waveform of its own

    Raises
    ------
    ConfigError
        a hop that is not positive or leaves gaps between windows

    Examples
    --------
    >>> import numpy as np
    >>> recording = np.arange(1, 8, dtype=np.float32)
    >>> [(w.start_sample, w.n_valid) for w in windows([recording], window_samples=4, hop_samples=2)]
    [(0, 4), (2, 4), (4, 3)]
    >>> next(windows([recording[:3]], window_samples=8, hop_samples=4)).waveform.tolist()
    [1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 1.0, 2.0]
    """
    if not 1 <= hop_samples <= window_samples:
        raise ConfigError(
            f"hop of {hop_samples} samples with windows of {window_samples} must be at least 1 and leave no gap; "
            f"choose 1..{window_samples}"
        )
    return _cut(blocks, window_samples, hop_samples)


def _cut(blocks: Iterable[np.ndarray], window_samples: int, hop_samples: int) -> Iterator[Window]:
    held = np.empty(window_samples, np.float32)
    n_held = start_sample = 0
    n_covered = 0  # leading samples of `held` that an earlier window already gave
    for block in blocks:
        position = 0
        while position < len(block):
            n_taken = min(window_samples - n_held, len(block) - position)
            held[n_held : n_held + n_taken] = block[position : position + n_taken]
            n_held += n_taken
            position += n_taken
            if n_held == window_samples:
                yield Window(start_sample, held.copy(), window_samples)
                n_held = n_covered = window_samples - hop_samples
                held[:n_held] = held[hop_samples:].copy()
                start_sample += hop_samples
    if n_held > n_covered:
        own = held[:n_held]
        filled = np.resize(own, window_samples) if start_sample == 0 else np.pad(own, (0, window_samples - n_held))
        yield Window(start_sample, filled, n_held)
