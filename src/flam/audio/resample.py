"""Streams of samples: sample-rate conversion and overlapping windows, whatever the size of the blocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import soxr

from flam.core import AudioError, ConfigError

QUALITY = "HQ"


def resampled_length(n_samples: int, from_rate: int, to_rate: int) -> int:
    """Samples that ``n_samples`` become at another rate: ``n_samples * to_rate / from_rate``, halves up.

    Examples
    --------
    >>> resampled_length(44100, 44100, 48000), resampled_length(3, 48000, 32000), resampled_length(1, 48000, 16000)
    (48000, 2, 0)
    """
    return (2 * n_samples * to_rate + from_rate) // (2 * from_rate)  # in integers: hours of samples stay exact


def resample_blocks(blocks: Iterable[np.ndarray], from_rate: int, to_rate: int) -> Iterator[np.ndarray]:
    """Convert a stream to another sample rate, without delay and without losing its tail.

    Parameters
    ----------
    blocks : Iterable[np.ndarray]
        (n,) or (n, channels) float32 arrays, consecutive pieces of one recording, of any lengths
    from_rate, to_rate : int
        Hz; blocks pass untouched where they are equal

    Returns
    -------
    Iterator[np.ndarray]
        iterator of (m,) or (m, channels) float32 arrays; their lengths add up to ``resampled_length`` of the whole

    Raises
    ------
    AudioError
        a rate that is not positive

    Examples
    --------
    >>> import numpy as np
    >>> pieces = [np.zeros(100, np.float32), np.zeros(341, np.float32)]
    >>> sum(map(len, resample_blocks(pieces, 44100, 48000)))
    480
    """
    _require_rates(from_rate, to_rate)
    return iter(blocks) if from_rate == to_rate else _converted(blocks, from_rate, to_rate)


def resample(waveform: np.ndarray, from_rate: int, to_rate: int) -> np.ndarray:
    """Convert a mono waveform that is whole in memory.

    Parameters
    ----------
    waveform : np.ndarray
        (N,) float32 array
    from_rate, to_rate : int
        Hz

    Returns
    -------
    np.ndarray
        (M,) float32 array, ``M = resampled_length(N, from_rate, to_rate)``

    Examples
    --------
    >>> import numpy as np
    >>> resample(np.zeros(44100, np.float32), 44100, 48000).shape
    (48000,)
    """
    return np.concatenate([np.zeros(0, np.float32), *resample_blocks([waveform], from_rate, to_rate)])


def _converted(blocks: Iterable[np.ndarray], from_rate: int, to_rate: int) -> Iterator[np.ndarray]:
    resampler: Resampler | None = None
    for block in blocks:
        if resampler is None:
            resampler = Resampler(from_rate, to_rate, block.shape[1] if block.ndim == 2 else None)
        converted = resampler.push(block)
        if len(converted):
            yield converted
    tail = np.zeros(0, np.float32) if resampler is None else resampler.finish()
    if len(tail):
        yield tail


class Resampler:
    """``resample_blocks`` for blocks that arrive one by one: ``push`` each of them, then ``finish``.

    Parameters
    ----------
    from_rate, to_rate : int
        Hz; blocks pass untouched where they are equal.
    n_channels : int, optional
        For blocks of shape (n, channels); None for those of shape (n,).

    Raises
    ------
    AudioError
        A rate that is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> resampler = Resampler(24_000, 48_000)
    >>> len(resampler.push(np.zeros(1000, np.float32))) + len(resampler.finish())
    2000
    """

    def __init__(self, from_rate: int, to_rate: int, n_channels: int | None = None):
        _require_rates(from_rate, to_rate)
        self._rates = from_rate, to_rate
        self._nothing = np.zeros(0 if n_channels is None else (0, n_channels), np.float32)
        self._stream = None
        if from_rate != to_rate:
            self._stream = soxr.ResampleStream(
                from_rate, to_rate, 1 if n_channels is None else n_channels, dtype="float32", quality=QUALITY
            )
        self._n_read = self._n_given = 0

    def push(self, block: np.ndarray) -> np.ndarray:
        """Take the next samples; give the float32 samples that are final."""
        if self._stream is None:
            return np.asarray(block, np.float32)
        self._n_read += len(block)
        converted = self._stream.resample_chunk(np.ascontiguousarray(block, np.float32))
        self._n_given += len(converted)
        return converted

    def finish(self) -> np.ndarray:
        """The stream has ended: give the samples that are left."""
        if self._stream is None:
            return self._nothing
        tail = self._stream.resample_chunk(self._nothing, last=True)
        # soxr rounds the total length its own way, one sample off ours at most
        n_missing = resampled_length(self._n_read, *self._rates) - self._n_given
        missing = np.zeros((max(0, n_missing - len(tail)), *self._nothing.shape[1:]), np.float32)
        return np.concatenate([tail[:n_missing], missing])


def _require_rates(from_rate: int, to_rate: int) -> None:
    if from_rate <= 0 or to_rate <= 0:
        raise AudioError(f"sample rates {from_rate} and {to_rate} Hz must be positive; check the recording's header")


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
