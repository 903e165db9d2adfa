"""Tones and noises of electricity and air."""

from __future__ import annotations

import numpy as np

from flam.core import seconds_to_samples
from flam.procedural.generator import sound
from flam.procedural.synthesis import add_at, band_noise, drift, gate, harmonic_tone, rhythm


@sound("white noise", "white noise", "background", (3.0, 20.0))
def white_noise(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Equal power at all frequencies, cut off above as recorders do."""
    n_samples = seconds_to_samples(duration_s, sample_rate)
    return band_noise(rng, n_samples, sample_rate, rng.uniform(10, 60), rng.uniform(9000, 22000), order=4)


@sound("static", "radio static", "background", (2.0, 15.0))
def static(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Overdriven hiss of a detuned radio, with a trace of mains hum."""
    n_samples = seconds_to_samples(duration_s, sample_rate)
    hiss = band_noise(rng, n_samples, sample_rate, rng.uniform(150, 400), rng.uniform(5000, 10000), order=3)
    hum_hz = 2 * rng.choice([50.0, 60.0])
    hum = harmonic_tone(np.full(n_samples, hum_hz), sample_rate, [1, 0.6, 0.4, 0.3])
    return np.tanh(1.5 * hiss * (1 + 0.2 * drift(rng, n_samples, sample_rate, 9))) + 0.02 * hum


@sound("sine wave", "a pure tone", "event", (1.0, 6.0))
def sine_wave(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """One frequency and nothing else."""
    n_samples = seconds_to_samples(duration_s, sample_rate)
    frequency_hz = np.exp(rng.uniform(np.log(220), np.log(3000)))
    tone = harmonic_tone(np.full(n_samples, frequency_hz), sample_rate, [1])
    return tone * gate(n_samples, sample_rate, rng.uniform(0.005, 0.3))


@sound("whoosh", "something whooshing past", "event", (0.6, 2.5))
def whoosh(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Air torn by something fast: the higher its bands, the shorter they last."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    for onset_s in rhythm(rng, duration_s, rng.uniform(0.6, 1.2), 0.2, tail_s=0.4):
        n_samples = seconds_to_samples(rng.uniform(0.35, 0.8), sample_rate)
        place = np.linspace(-1, 1, n_samples)
        for low_hz, high_hz, width in ((300, 600, 0.6), (900, 1500, 0.4), (2000, 3500, 0.25)):
            center_hz = rng.uniform(low_hz, high_hz)
            air = band_noise(rng, n_samples, sample_rate, 0.6 * center_hz, 1.6 * center_hz)
            air *= np.exp(-((place / width) ** 2)) * gate(n_samples, sample_rate, 0.05)
            add_at(waveform, air, seconds_to_samples(onset_s, sample_rate))
    return waveform
