"""Blocks of one length, rate and number of channels, from pieces that differ in these."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from flam.audio.resample import resample_blocks


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
