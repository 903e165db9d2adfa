"""From channels to one signal that holds the sound of all: the mean, unless channels cancel in it or drown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Literal

import numpy as np

from flam.core import AudioError

# "auto", "mix", or the number of a channel from 1 on
Channel = Literal["auto", "mix"] | int

SEGMENT_S = 0.5
FADE_S = 0.01
# A channel is turned round where that gives four times the power: for two, at a correlation below -0.6.
TURNED_GAIN = 4.0
# The mix is raised where it falls this far below the loudest channel; one of two channels alone costs 6.02 dB.
DROWNED_DB = 6.5
LEAST_POWER = 1e-12
# From this few samples nothing follows: noise may correlate by chance.
LEAST_SAMPLES = 256


def downmix(block: np.ndarray) -> np.ndarray:
    """Mean of the channels.

    Parameters
    ----------
    block : np.ndarray
        (n, channels) float32.

    Returns
    -------
    np.ndarray
        (n,) float32.

    Examples
    --------
    >>> downmix(np.array([[0.5, 0.0], [1.0, -1.0]], np.float32)).tolist()
    [0.25, 0.0]
    """
    mono = block[:, 0].copy()
    for channel in range(1, block.shape[1]):
        mono += block[:, channel]
    return mono / np.float32(block.shape[1]) if block.shape[1] > 1 else mono


def mono_stream(
    blocks: Iterable[np.ndarray],
    sample_rate: int,
    channel: Channel = "auto",
    on_note: Callable[[str], None] = lambda note: None,
) -> Iterator[np.ndarray]:
    """Mix the channels of a stream to one.

    ``auto`` gives the mean of the channels as long as it holds their sound. It is decided for every half second:
    channels that cancel in the mean are turned round (subtracted instead of added) first, and where the mix is still
    far weaker than the loudest channel, as with one microphone of four, it is raised to that channel's power. The
    result does not depend on the lengths of the blocks.

    Parameters
    ----------
    blocks : iterable of np.ndarray
        (n, channels) float32, consecutive pieces of one recording.
    sample_rate : int
        Hz of the blocks.
    channel : {"auto", "mix"} or int
        ``mix`` is the plain mean, a number from 1 on one channel alone.
    on_note : callable
        Told at the end, in one line, where ``auto`` was not the plain mean.

    Returns
    -------
    iterator of np.ndarray
        (n,) float32.

    Raises
    ------
    AudioError
        A channel that the stream does not have.

    Examples
    --------
    >>> tone = np.sin(np.arange(48000) / 10).astype(np.float32)
    >>> cancelling = np.stack([tone, -tone], axis=1)
    >>> mixed = np.concatenate(list(mono_stream([cancelling], 48000)))
    >>> np.array_equal(mixed, tone), float(np.abs(np.concatenate(list(mono_stream([cancelling], 48000, "mix")))).max())
    (True, 0.0)
    """
    if channel == "mix":
        return map(downmix, blocks)
    if channel == "auto":
        return _automatic(blocks, sample_rate, on_note)
    return (_picked(block, channel) for block in blocks)


def _picked(block: np.ndarray, channel: int) -> np.ndarray:
    if not 1 <= channel <= block.shape[1]:
        raise AudioError(
            f"channel {channel} is not there, the recording has {block.shape[1]}; choose 1..{block.shape[1]}"
        )
    return np.ascontiguousarray(block[:, channel - 1])


def _automatic(blocks: Iterable[np.ndarray], sample_rate: int, on_note: Callable[[str], None]) -> Iterator[np.ndarray]:
    n_segment = max(1, round(SEGMENT_S * sample_rate))
    mixer: _Mixer | None = None
    held: list[np.ndarray] = []
    n_held = 0
    for block in blocks:
        if block.shape[1] == 1:
            yield block[:, 0].copy()
            continue
        mixer = _Mixer(block.shape[1], sample_rate) if mixer is None else mixer
        position = 0
        while position < len(block):
            taken = block[position : position + n_segment - n_held]
            held.append(taken)
            n_held += len(taken)
            position += len(taken)
            if n_held == n_segment:
                yield mixer.mix(np.concatenate(held))
                held, n_held = [], 0
    if mixer is not None and held:
        yield mixer.mix(np.concatenate(held))
    if mixer is not None and (note := mixer.note()):
        on_note(note)


class _Mixer:
    """Weights of the channels, decided anew for each segment from its power, and faded into each other."""

    def __init__(self, n_channels: int, sample_rate: int):
        self._signs = np.ones(n_channels)
        self._is_raised = False
        self._weights = np.full(n_channels, 1 / n_channels)
        self._sample_rate = sample_rate
        self._n_read = 0
        self._turned_at_s: float | None = None
        self._raised_at_s: float | None = None
        self._most_raised_db = 0.0

    def mix(self, segment: np.ndarray) -> np.ndarray:
        """(n,) mix of a (n, channels) segment."""
        before, is_first = self._weights, self._n_read == 0
        self._decide(segment)
        self._n_read += len(segment)
        is_plain = self._weights is before or np.array_equal(self._weights, before)
        if is_plain and np.array_equal(before, np.full_like(before, 1 / len(before))):
            return downmix(segment)  # as exact as the mean always was
        mixed = _weighted(segment, self._weights)
        if not is_plain and not is_first:
            n_fade = min(len(segment), round(FADE_S * self._sample_rate))
            share = (np.arange(n_fade, dtype=np.float32) + 1) / (n_fade + 1)
            mixed[:n_fade] = share * mixed[:n_fade] + (1 - share) * _weighted(segment[:n_fade], before)
        return mixed

    def _decide(self, segment: np.ndarray) -> None:
        if len(segment) < LEAST_SAMPLES:
            return
        centred = segment - segment.mean(axis=0, dtype=np.float64).astype(np.float32)
        covariance = (centred.T @ centred).astype(np.float64) / len(segment)
        loudest = float(np.diag(covariance).max())
        if not loudest > LEAST_POWER:
            return
        n_channels = len(covariance)
        reference = int(np.diag(covariance).argmax())
        signs = np.where(covariance[reference] < 0, -1.0, 1.0)
        power = self._signs @ covariance @ self._signs
        turned = signs @ covariance @ signs
        if turned > TURNED_GAIN * power:
            self._signs = signs if signs[0] > 0 else -signs
            power = turned
        if (self._signs < 0).any() and self._turned_at_s is None:
            self._turned_at_s = self._n_read / self._sample_rate
        shortfall_db = 10 * np.log10(loudest / max(power / n_channels**2, LEAST_POWER * 1e-12))
        self._is_raised = self._is_raised or shortfall_db > DROWNED_DB
        gain = 1.0
        if self._is_raised:
            gain = float(np.clip(np.sqrt(loudest * n_channels**2 / max(power, LEAST_POWER)), 1.0, n_channels))
            if self._raised_at_s is None:
                self._raised_at_s = self._n_read / self._sample_rate
            self._most_raised_db = max(self._most_raised_db, 20 * float(np.log10(gain)))
        self._weights = self._signs * gain / n_channels

    def note(self) -> str:
        """What was done in one line, empty where it was the plain mean throughout."""
        told = []
        if self._turned_at_s is not None:
            told.append(f"channels cancel in the mean from {self._turned_at_s:.1f} s on, so some are subtracted")
        if self._raised_at_s is not None:
            told.append(
                f"the mean of {len(self._weights)} channels is far weaker than the loudest from "
                f"{self._raised_at_s:.1f} s on, so it is raised by up to {self._most_raised_db:.0f} dB"
            )
        return f"{'; '.join(told)}; choose mix for the plain mean, or a channel" if told else ""


def _weighted(segment: np.ndarray, weights: np.ndarray) -> np.ndarray:
    mixed: np.ndarray = segment @ weights.astype(np.float32)
    return mixed
