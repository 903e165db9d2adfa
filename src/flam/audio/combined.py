"""Several readers as one: recordings one behind the other, or tracks at the same time."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import zip_longest
from typing import Protocol

import numpy as np

from flam.audio.resample import resample_blocks, resampled_length
from flam.core import AudioError

DURATION_TOLERANCE_S = 0.2


def reblock(pieces: Iterable[np.ndarray], block_samples: int) -> Iterator[np.ndarray]:
    """Yield (n, channels) arrays, all but the last of ``block_samples``.

    Examples
    --------
    >>> [len(block) for block in reblock([np.zeros((3, 1)), np.zeros((4, 1))], 5)]
    [5, 2]
    """
    held: list[np.ndarray] = []
    n_held = 0
    for samples in pieces:
        while n_held + len(samples) >= block_samples:
            n_taken = block_samples - n_held
            yield np.concatenate([*held, samples[:n_taken]]) if held else samples[:n_taken]
            held, n_held, samples = [], 0, samples[n_taken:]
        if len(samples):
            held.append(samples)
            n_held += len(samples)
    if held:
        yield np.concatenate(held)


def conform(
    blocks: Iterable[np.ndarray], from_rate: int, from_channels: int, to_rate: int, to_channels: int
) -> Iterator[np.ndarray]:
    """Convert a stream to another rate and number of channels.

    Channels beyond those wanted are averaged into them in turn, so that none is lost; where there are too few, they
    are repeated.

    Parameters
    ----------
    blocks : iterable of np.ndarray
        (n, from_channels) float32.
    from_rate, to_rate : int
        Hz.
    from_channels, to_channels : int
        Channels before and after.

    Returns
    -------
    iterator of np.ndarray
        (m, to_channels) float32.
    """
    if from_channels != to_channels:
        blocks = (_remapped(block, to_channels) for block in blocks)
    return iter(blocks) if from_rate == to_rate else resample_blocks(blocks, from_rate, to_rate)


def _remapped(block: np.ndarray, n_channels: int) -> np.ndarray:
    if block.shape[1] < n_channels:
        return block[:, np.arange(n_channels) % block.shape[1]]
    columns = [block[:, channel::n_channels].mean(axis=1, dtype=np.float32) for channel in range(n_channels)]
    return np.stack(columns, axis=1)


class Reader(Protocol):
    """What a format's reader offers; positions are samples at the recording's own rate."""

    sample_rate: int
    n_channels: int
    n_samples: int | None
    duration_s: float | None

    def blocks(self, start_sample: int, block_samples: int) -> Generator[np.ndarray]: ...


class Sequel:
    """Recordings one behind the other, at the rate and channels of the first.

    Parameters
    ----------
    readers : sequence of Reader
        At least one.
    name : str
        For messages.
    on_problem : callable
        Told, in one line, of a recording behind the first that can't be read.
    """

    def __init__(self, readers: Sequence[Reader], name: str, on_problem: Callable[[str], None]):
        self._readers = readers
        self._name = name
        self._on_problem = on_problem
        self.sample_rate = readers[0].sample_rate
        self.n_channels = readers[0].n_channels
        self._lengths = [
            None
            if reader.n_samples is None
            else resampled_length(reader.n_samples, reader.sample_rate, self.sample_rate)
            for reader in readers
        ]
        lengths = [length for length in self._lengths if length is not None]
        self.n_samples = sum(lengths) if len(lengths) == len(readers) else None
        self.duration_s = None if self.n_samples is None else self.n_samples / self.sample_rate

    def blocks(self, start_sample: int, block_samples: int) -> Generator[np.ndarray]:
        """Yield (n, channels) float32 arrays from ``start_sample`` to the end, all but the last of equal length."""
        yield from reblock(self._pieces(start_sample, block_samples), block_samples)

    def _pieces(self, start_sample: int, block_samples: int) -> Iterator[np.ndarray]:
        n_skipped = start_sample
        for number, (reader, length) in enumerate(zip(self._readers, self._lengths, strict=True), start=1):
            if length is not None and length <= n_skipped:
                n_skipped -= length
                continue
            form = reader.sample_rate, reader.n_channels, self.sample_rate, self.n_channels
            is_same = form[:2] == form[2:]
            try:
                with closing(reader.blocks(n_skipped if is_same else 0, block_samples)) as blocks:
                    n_read = 0
                    for piece in blocks if is_same else conform(blocks, *form):
                        n_read += len(piece)
                        yield piece if is_same else piece[max(0, n_skipped - (n_read - len(piece))) :]
                n_skipped = 0 if is_same or length is not None else max(0, n_skipped - n_read)
            except AudioError as error:
                if number == 1:
                    raise
                self._on_problem(f"{self._name}: its recording {number} can't be read and is left out ({error})")


class Tracks:
    """Tracks of the same time as further channels, at the rate of the first; shorter ones end in silence.

    Parameters
    ----------
    readers : sequence of Reader
        At least one.
    name : str
        For messages.
    on_problem : callable
        Told, in one line, where all of them end before the container does.
    """

    def __init__(self, readers: Sequence[Reader], name: str, on_problem: Callable[[str], None]):
        self._readers = readers
        self._name = name
        self._on_problem = on_problem
        self.sample_rate = readers[0].sample_rate
        self.n_channels = sum(reader.n_channels for reader in readers)
        self.n_samples: int | None = None
        durations = [reader.duration_s for reader in readers if reader.duration_s is not None]
        self.duration_s = max(durations, default=None)

    def blocks(self, start_sample: int, block_samples: int) -> Generator[np.ndarray]:
        """Yield (n, channels) float32 arrays from ``start_sample`` to the end, all but the last of equal length."""
        streams = [self._blocks(reader, start_sample, block_samples) for reader in self._readers]
        position = start_sample
        for blocks in zip_longest(*streams):
            length = max(len(block) for block in blocks if block is not None)
            columns = []
            for reader, block in zip(self._readers, blocks, strict=True):
                column = np.zeros((length, reader.n_channels), np.float32)
                if block is not None:
                    column[: len(block)] = block
                columns.append(column)
            position += length
            yield np.concatenate(columns, axis=1)
        end_s = position / self.sample_rate
        if self.duration_s is not None and end_s < self.duration_s - DURATION_TOLERANCE_S:
            self._on_problem(
                f"{self._name}: ends at {end_s:.3f} s of {self.duration_s:.3f} s that its header promises; "
                "copy or export the file again"
            )

    def _blocks(self, reader: Reader, start_sample: int, block_samples: int) -> Iterator[np.ndarray]:
        if reader.sample_rate == self.sample_rate:
            return iter(reader.blocks(start_sample, block_samples))
        channels = reader.n_channels
        whole = conform(reader.blocks(0, block_samples), reader.sample_rate, channels, self.sample_rate, channels)
        return reblock(_after(whole, start_sample), block_samples)


def _after(blocks: Iterator[np.ndarray], start_sample: int) -> Iterator[np.ndarray]:
    position = 0
    for block in blocks:
        yield block[max(0, start_sample - position) :]
        position += len(block)
