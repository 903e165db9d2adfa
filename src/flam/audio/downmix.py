"""From channels to one signal that holds the sound of all: the mean, unless channels cancel in it or drown."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, cast

import numpy as np

from flam.core import AudioError, ConfigError

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


def parse_channel(text: str) -> Channel:
    """Understand a channel as it is written in options and settings.

    Raises
    ------
    ConfigError
        Neither ``auto`` nor ``mix`` nor a number from 1 on.

    Examples
    --------
    >>> parse_channel("mix"), parse_channel("2")
    ('mix', 2)
    """
    if text in ("auto", "mix"):
        return cast(Channel, text)
    if not (text.isdecimal() and int(text) > 0):
        raise ConfigError(f"--channel {text} is not auto, mix or the number of a channel; choose one of them")
    return int(text)


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


class LiveMixer:
    """Mix the channels of sound that is still going on, without waiting for more of it.

    The rule is that of ``mono_stream``; it is decided for every block, from the half second up to its end.

    Parameters
    ----------
    sample_rate : int
        Hz of the blocks.
    channel : {"auto", "mix"} or int
        As for ``mono_stream``.
    on_note : callable
        Told, in one line, as soon as ``auto`` is no longer the plain mean.

    Examples
    --------
    >>> tone = np.sin(np.arange(4800) / 10).astype(np.float32)
    >>> np.array_equal(LiveMixer(48000).mix(np.stack([tone, -tone], axis=1)), tone)
    True
    """

    def __init__(self, sample_rate: int, channel: Channel = "auto", on_note: Callable[[str], None] = lambda note: None):
        self._sample_rate, self._channel, self._on_note = sample_rate, channel, on_note
        self._mixer = _Mixer(1, sample_rate)
        self._recent: deque[tuple[int, np.ndarray]] = deque()

    def mix(self, block: np.ndarray) -> np.ndarray:
        """Mix the next samples.

        Parameters
        ----------
        block : np.ndarray
            (n, channels) float32, any n.

        Returns
        -------
        np.ndarray
            (n,) float32.

        Raises
        ------
        AudioError
            A channel that the block does not have.
        """
        if self._channel == "mix" or len(block) == 0:
            return downmix(block)
        if self._channel != "auto":
            return _picked(block, self._channel)
        if block.shape[1] == 1:
            return block[:, 0].copy()
        if block.shape[1] != self._mixer.n_channels:
            self._mixer = _Mixer(block.shape[1], self._sample_rate)
            self._recent.clear()
        known = self._mixer.events()
        mixed = self._mixer.mix(block, self._recent_covariance(block))
        if self._mixer.events() != known:
            self._on_note(self._mixer.note())
        return mixed

    def _recent_covariance(self, block: np.ndarray) -> np.ndarray | None:
        """(channels, channels) of the last half second; None where that is too little to decide on."""
        self._recent.append((len(block), _covariance(block)))
        n_recent = sum(n for n, _ in self._recent)
        while n_recent - self._recent[0][0] >= SEGMENT_S * self._sample_rate:
            n_recent -= self._recent.popleft()[0]
        if n_recent < LEAST_SAMPLES:
            return None
        total: np.ndarray = sum((n * covariance for n, covariance in self._recent), start=np.zeros(()))
        return total / n_recent


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
                yield _mix_segment(mixer, np.concatenate(held))
                held, n_held = [], 0
    if mixer is not None and held:
        yield _mix_segment(mixer, np.concatenate(held))
    if mixer is not None and (note := mixer.note()):
        on_note(note)


def _mix_segment(mixer: _Mixer, segment: np.ndarray) -> np.ndarray:
    return mixer.mix(segment, None if len(segment) < LEAST_SAMPLES else _covariance(segment))


def _covariance(segment: np.ndarray) -> np.ndarray:
    """(channels, channels) of a (n, channels) segment, without its constant part."""
    centred = segment - segment.mean(axis=0, dtype=np.float64).astype(np.float32)
    covariance: np.ndarray = (centred.T @ centred).astype(np.float64) / len(segment)
    return covariance


class _Mixer:
    """Weights of the channels, decided anew for each segment from its power, and faded into each other."""

    def __init__(self, n_channels: int, sample_rate: int):
        self.n_channels = n_channels
        self._signs = np.ones(n_channels)
        self._is_raised = False
        self._weights = np.full(n_channels, 1 / n_channels)
        self._sample_rate = sample_rate
        self._n_read = 0
        self._turned_at_s: float | None = None
        self._raised_at_s: float | None = None
        self._most_raised_db = 0.0

    def mix(self, segment: np.ndarray, covariance: np.ndarray | None) -> np.ndarray:
        """(n,) mix of a (n, channels) segment, by the covariance of its channels; None decides nothing."""
        before, is_first = self._weights, self._n_read == 0
        if covariance is not None:
            self._decide(covariance)
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

    def _decide(self, covariance: np.ndarray) -> None:
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

    def events(self) -> tuple[float | None, float | None]:
        """When channels were first turned round, and when first raised, seconds."""
        return self._turned_at_s, self._raised_at_s

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
