"""Sample-rate conversion of a stream: any block size gives the samples that the whole recording would give."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import soxr

from flam.core import AudioError

QUALITY = "HQ"


def resampled_length(n_samples: int, from_rate: int, to_rate: int) -> int:
    """Samples that ``n_samples`` become at another rate: ``n_samples * to_rate / from_rate``, halves up.

    >>> resampled_length(44100, 44100, 48000), resampled_length(3, 48000, 32000), resampled_length(1, 48000, 16000)
    (48000, 2, 0)
    """
    return (2 * n_samples * to_rate + from_rate) // (2 * from_rate)  # in integers: hours of samples stay exact


def resample_blocks(blocks: Iterable[np.ndarray], from_rate: int, to_rate: int) -> Iterator[np.ndarray]:
    """Convert a mono stream to another sample rate, without delay and without losing its tail.

    Parameters
    ----------
    blocks : (n,) float32 arrays, consecutive pieces of one recording, of any lengths
    from_rate, to_rate : Hz; blocks pass untouched where they are equal

    Returns
    -------
    iterator of (m,) float32 arrays; their lengths add up to ``resampled_length`` of the whole

    Raises
    ------
    AudioError : a rate that is not positive

    >>> import numpy as np
    >>> pieces = [np.zeros(100, np.float32), np.zeros(341, np.float32)]
    >>> sum(map(len, resample_blocks(pieces, 44100, 48000)))
    480
    """
    if from_rate <= 0 or to_rate <= 0:
        raise AudioError(f"sample rates {from_rate} and {to_rate} Hz must be positive; check the recording's header")
    return iter(blocks) if from_rate == to_rate else _converted(blocks, from_rate, to_rate)


def resample(waveform: np.ndarray, from_rate: int, to_rate: int) -> np.ndarray:
    """Convert a mono waveform that is whole in memory.

    Parameters
    ----------
    waveform : (N,) float32 array
    from_rate, to_rate : Hz

    Returns
    -------
    (M,) float32 array, ``M = resampled_length(N, from_rate, to_rate)``

    >>> import numpy as np
    >>> resample(np.zeros(44100, np.float32), 44100, 48000).shape
    (48000,)
    """
    return np.concatenate([np.zeros(0, np.float32), *resample_blocks([waveform], from_rate, to_rate)])


def _converted(blocks: Iterable[np.ndarray], from_rate: int, to_rate: int) -> Iterator[np.ndarray]:
    stream = soxr.ResampleStream(from_rate, to_rate, num_channels=1, dtype="float32", quality=QUALITY)
    n_read = n_given = 0
    for block in blocks:
        n_read += len(block)
        converted = stream.resample_chunk(np.ascontiguousarray(block, np.float32))
        n_given += len(converted)
        if len(converted):
            yield converted
    tail = stream.resample_chunk(np.zeros(0, np.float32), last=True)
    # soxr rounds the total length its own way, one sample off ours at most
    n_missing = resampled_length(n_read, from_rate, to_rate) - n_given
    tail = np.pad(tail[:n_missing], (0, max(0, n_missing - len(tail))))
    if len(tail):
        yield tail
