"""Noise of any colour, filters in the frequency domain, scattered grains and rooms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flam.core import seconds_to_samples
from flam.procedural.envelopes import add_at


def transform_length(n_samples: int) -> int:
    """Length >= ``n_samples`` that the Fourier transform handles fast."""
    return -(-n_samples // 4096) * 4096


def band_noise(
    rng: np.random.Generator,
    n_samples: int,
    sample_rate: int,
    low_hz: float,
    high_hz: float,
    tilt_db: float = 0.0,
    order: int = 2,
) -> np.ndarray:
    """Gaussian noise between two frequencies, (N,) with unit RMS.

    Parameters
    ----------
    tilt_db : float, default 0.0
        slope inside the band in dB per octave: -3 pink, -6 brown
    order : int, default 2
        steepness of the Butterworth edges
    """
    n_transform = transform_length(n_samples)
    frequency = np.fft.rfftfreq(n_transform, 1 / sample_rate)
    frequency[0] = frequency[1]
    magnitude = frequency ** (tilt_db / 20 / np.log10(2))
    magnitude /= np.sqrt((1 + (low_hz / frequency) ** (2 * order)) * (1 + (frequency / high_hz) ** (2 * order)))
    phases = rng.standard_normal((2, len(frequency)))
    noise = np.fft.irfft(magnitude * (phases[0] + 1j * phases[1]), n_transform)[:n_samples]
    return noise / np.sqrt(np.mean(noise**2))


def convolve(waveform: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Causal convolution, cut to the length of the waveform."""
    n_transform = transform_length(len(waveform) + len(kernel))
    spectrum = np.fft.rfft(waveform, n_transform) * np.fft.rfft(kernel, n_transform)
    return np.fft.irfft(spectrum, n_transform)[: len(waveform)]


def resonate(
    waveform: np.ndarray,
    sample_rate: int,
    centers_hz: Sequence[float],
    bandwidths_hz: Sequence[float],
    gains: Sequence[float],
) -> np.ndarray:
    """Parallel two-pole resonators, causal: ``H(f) = sum_k g_k j f b_k / (f_k^2 - f^2 + j f b_k)``."""
    n_transform = transform_length(len(waveform) + sample_rate // 2)
    frequency = np.fft.rfftfreq(n_transform, 1 / sample_rate)
    response = np.zeros(len(frequency), dtype=complex)
    for center_hz, bandwidth_hz, gain in zip(centers_hz, bandwidths_hz, gains, strict=True):
        damping = 1j * frequency * bandwidth_hz
        response += gain * damping / (center_hz**2 - frequency**2 + damping)
    return np.fft.irfft(np.fft.rfft(waveform, n_transform) * response, n_transform)[: len(waveform)]


def low_pass(waveform: np.ndarray, sample_rate: int, cutoff_hz: float) -> np.ndarray:
    """Causal second-order low pass: ``H(f) = 1 / (1 - (f/c)^2 + j sqrt(2) f/c)``."""
    n_transform = transform_length(len(waveform) + sample_rate // 10)
    ratio = np.fft.rfftfreq(n_transform, 1 / sample_rate) / cutoff_hz
    response = 1 / (1 - ratio**2 + 1j * np.sqrt(2) * ratio)
    return np.fft.irfft(np.fft.rfft(waveform, n_transform) * response, n_transform)[: len(waveform)]


def scattered(
    rng: np.random.Generator,
    grain: np.ndarray,
    n_samples: int,
    sample_rate: int,
    rate_hz: float | np.ndarray,
    spread_db: float = 6.0,
) -> np.ndarray:
    """Copies of a grain at Poisson times with log-normal sizes of either sign, (N,).

    Parameters
    ----------
    grain : np.ndarray
        (M,) array
    rate_hz : float | np.ndarray
        copies per second, or a curve of N values
    spread_db : float, default 6.0
        standard deviation of their levels
    """
    onsets = np.flatnonzero(rng.random(n_samples) < np.asarray(rate_hz) / sample_rate)
    sizes = rng.choice([-1.0, 1.0], len(onsets)) * 10 ** (spread_db * rng.standard_normal(len(onsets)) / 20)
    waveform = np.zeros(n_samples)
    for onset, size in zip(onsets.tolist(), sizes, strict=True):
        add_at(waveform, size * grain, onset)
    return waveform


def room(
    rng: np.random.Generator, waveform: np.ndarray, sample_rate: int, decay_s: float, reverberant_db: float
) -> np.ndarray:
    """Add the sound of a room: exponentially decaying noise, darker than the direct sound.

    Parameters
    ----------
    waveform : np.ndarray
        (N,) array
    decay_s : float
        time for 60 dB of decay
    reverberant_db : float
        level of the reverberation against the direct sound

    Returns
    -------
    np.ndarray
        (N + tail,) array
    """
    n_tail = seconds_to_samples(decay_s, sample_rate)
    t = np.arange(n_tail) / sample_rate
    impulse_response = band_noise(rng, n_tail, sample_rate, 150, 4000, order=1) * 10 ** (-3 * t / decay_s)
    impulse_response[: seconds_to_samples(0.008, sample_rate)] = 0
    impulse_response *= 10 ** (reverberant_db / 20) / np.sqrt(np.sum(impulse_response**2))
    dry = np.pad(waveform, (0, n_tail))
    return dry + convolve(dry, impulse_response)


def hush(rng: np.random.Generator, waveform: np.ndarray, sample_rate: int, level_db: float) -> np.ndarray:
    """Lay the faint noise of a quiet place under sparse sounds, as every recording has it.

    Between two events of a recording there is never digital silence; models trained on recordings hear bare synthetic
    strokes as a drum machine.

    Parameters
    ----------
    waveform : np.ndarray
        (N,) array
    level_db : float
        RMS of the noise against the waveform's peak
    """
    noise = band_noise(rng, len(waveform), sample_rate, 40, 6000, -4, order=1)
    return waveform + 10 ** (level_db / 20) * np.abs(waveform).max() * noise
