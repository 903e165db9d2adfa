"""A recording as one long WAV file that is never written: any part of it is decoded when it is asked for."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from flam.audio import open_recording
from flam.audio.downmix import mono_stream

HEADER_BYTES = 44
BYTES_PER_SAMPLE = 2


def wav_header(sample_rate: int, n_samples: int) -> bytes:
    """The first bytes of a mono 16-bit WAV file.

    Examples
    --------
    >>> header = wav_header(48_000, 10)
    >>> len(header), header[:4]
    (44, b'RIFF')
    """
    n_bytes = min(n_samples * BYTES_PER_SAMPLE, 0xFFFFFFFF - HEADER_BYTES)
    rate_bytes = sample_rate * BYTES_PER_SAMPLE
    fields = (b"RIFF", 36 + n_bytes, b"WAVE", b"fmt ", 16, 1, 1, sample_rate, rate_bytes, 2, 16, b"data", n_bytes)
    return struct.pack("<4sI4s4sIHHIIHH4sI", *fields)


def wav_bytes(path: Path, sample_rate: int, n_samples: int, first: int, last: int) -> Iterator[bytes]:
    """Bytes ``first`` to ``last``, both included, of the recording as a WAV file.

    A recording that turns out shorter is filled with silence, because the length was promised.

    Parameters
    ----------
    path : Path
        The recording, in any format.
    sample_rate, n_samples : int
        Of the recording; the WAV file has the same.
    first, last : int
        Positions in the WAV file.
    """
    n_left = last - first + 1
    if first < HEADER_BYTES:
        part = wav_header(sample_rate, n_samples)[first : last + 1]
        n_left -= len(part)
        yield part
    if n_left <= 0:
        return
    position = max(first, HEADER_BYTES) - HEADER_BYTES
    start_sample, skip = divmod(position, BYTES_PER_SAMPLE)
    with open_recording(path, on_problem=lambda problem: None) as recording:
        for block in mono_stream(recording.blocks(start_sample), recording.sample_rate):
            data = pcm16(block)[skip : skip + n_left]
            skip = 0
            n_left -= len(data)
            yield data
            if n_left <= 0:
                return
    while n_left > 0:
        part = bytes(min(n_left, 65_536))
        n_left -= len(part)
        yield part


def wav_clip(path: Path, start_s: float, end_s: float) -> bytes:
    """A part of a recording as a whole WAV file."""
    parts: list[np.ndarray] = []
    with open_recording(path, on_problem=lambda problem: None) as recording:
        rate = recording.sample_rate
        n_left = max(0, round((end_s - start_s) * rate))
        for block in mono_stream(recording.blocks(round(start_s * rate)), rate):
            parts.append(block[:n_left])
            n_left -= len(parts[-1])
            if n_left <= 0:
                break
    data = b"".join(pcm16(part) for part in parts)
    return wav_header(rate, len(data) // BYTES_PER_SAMPLE) + data


def pcm16(samples: np.ndarray) -> bytes:
    """Samples of full scale 1.0 as little-endian 16-bit integers."""
    return np.clip(np.round(samples * 32768.0), -32768, 32767).astype("<i2").tobytes()
