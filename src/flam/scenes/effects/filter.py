"""Equaliser and band limit: microphones, loudspeakers and low sample rates colour what they pass on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flam.scenes.distributions import Distribution, LogUniform, Normal, check_bounds, check_share

LOWEST_HZ, HIGHEST_HZ = 50.0, 20_000.0


@dataclass(frozen=True)
class FilterConfig:
    """How filters are drawn.

    Parameters
    ----------
    share : float, default 0.0
        part of the sounds with an equaliser
    gain_db : Distribution, optional
        of each of the equaliser's points
    n_points : int, default 4
        points of the equaliser, evenly spaced on a logarithmic axis from 50 Hz to 20 kHz
    band_limit_share : float, default 0.4
        part of the equalised sounds that are also band-limited
    band_limit_hz : Distribution, optional
        what lies above is removed
    """

    share: float = 0.0
    gain_db: Distribution = Normal((0.0, 5.0))
    n_points: int = 4
    band_limit_share: float = 0.4
    band_limit_hz: Distribution = LogUniform((3500.0, 16_000.0))

    def __post_init__(self) -> None:
        check_share("share", self.share)
        check_share("band_limit_share", self.band_limit_share)
        check_bounds("band_limit_hz", self.band_limit_hz, 100.0)
        if self.n_points < 2:
            raise ValueError(f"n_points is {self.n_points}; an equaliser needs at least 2")


@dataclass(frozen=True)
class Filter:
    """A drawn filter.

    Parameters
    ----------
    gain_db : tuple[float, ...]
        at evenly spaced points of a logarithmic axis from 50 Hz to 20 kHz
    band_limit_hz : float | None, optional
        what lies above is removed, 48 dB per octave; None for no limit
    """

    gain_db: tuple[float, ...]
    band_limit_hz: float | None = None


def draw_filter(rng: np.random.Generator, config: FilterConfig) -> Filter | None:
    """A filter for one sound, or None for a sound that stays as it is."""
    if rng.random() >= config.share:
        return None
    gain_db = tuple(round(config.gain_db.draw(rng), 3) for _ in range(config.n_points))
    limited = rng.random() < config.band_limit_share
    return Filter(gain_db, round(config.band_limit_hz.draw(rng), 1) if limited else None)


def apply_filter(waveform: np.ndarray, sample_rate: int, filter: Filter) -> np.ndarray:
    """Filter without delay.

    Parameters
    ----------
    waveform : np.ndarray
        (N,) float32 array
    sample_rate : int
        Hz
    filter : Filter
        what to apply

    Returns
    -------
    np.ndarray
        (N,) float32 array

    Examples
    --------
    >>> tone = np.sin(2 * np.pi * 9000 * np.arange(4800) / 48000).astype(np.float32)
    >>> float(np.abs(apply_filter(tone, 48000, Filter((0.0, 0.0), band_limit_hz=3000.0))[1000:-1000]).max()) < 0.001
    True
    """
    size = filter_size(len(waveform))
    frequency_hz = np.fft.rfftfreq(size, 1 / sample_rate)
    points = np.linspace(np.log(LOWEST_HZ), np.log(HIGHEST_HZ), len(filter.gain_db))
    gain = 10 ** (np.interp(np.log(np.maximum(frequency_hz, 1.0)), points, filter.gain_db) / 20)
    if filter.band_limit_hz is not None:
        gain /= np.sqrt(1 + (frequency_hz / filter.band_limit_hz) ** 16)
    return np.fft.irfft(np.fft.rfft(waveform, size) * gain.astype(np.float32), size)[: len(waveform)]


def filter_size(n_samples: int) -> int:
    """Length of the transform in which so many samples are filtered."""
    return 1 << max(2 * n_samples - 1, 1).bit_length() if n_samples < 4096 else transform_size(n_samples + 4096)


def transform_size(n_samples: int) -> int:
    """The smallest length of 2, 3 or 5 times a power of two that holds so many samples.

    Examples
    --------
    >>> transform_size(700), transform_size(1000)
    (768, 1024)
    """
    power = 1 << (n_samples - 1).bit_length()
    return min(size for size in (power * 5 // 8, power * 3 // 4, power) if size >= n_samples)
