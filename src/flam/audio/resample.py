"""Sample-rate conversion of a stream: any block size gives the samples that the whole recording would give."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import soxr

from flam.core import AudioError

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
