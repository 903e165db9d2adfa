"""Horns and whistles of trains and ships."""

from __future__ import annotations

import numpy as np

from flam.core import seconds_to_samples
from flam.procedural.alarms import horn
from flam.procedural.envelopes import add_at, contour, drift, gate
from flam.procedural.generator import sound
from flam.procedural.noise import band_noise, resonate, room
from flam.procedural.tones import harmonic_tone


@sound("train horn", "a train blowing its horn", "event", (2.0, 6.0))
def train_horn(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Three to five air horns in a chord, in long and short blasts."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    chord_hz = rng.uniform(290, 335) * np.array([1, 1.19, 1.335, 1.6, 1.89])[: rng.integers(3, 6)]
    onset_s = 0.0
    while onset_s == 0.0 or onset_s < duration_s - 0.5:
        length_s = min(rng.uniform(0.8, 2.5), duration_s - onset_s)
        n_samples = seconds_to_samples(length_s, sample_rate)
        blast = np.zeros(n_samples)
        for pitch_hz in chord_hz:
            bend = contour(n_samples, [(0, 0.94), (0.08, 1), (0.9, 1), (1, 0.95)])
            bend *= 1 + 0.004 * drift(rng, n_samples, sample_rate, 30)
            blast += rng.uniform(0.6, 1) * horn(pitch_hz * bend, sample_rate, rng.uniform(0.7, 0.9))
        blast += 0.2 * blast.std() * band_noise(rng, n_samples, sample_rate, 300, 5000, -3)
        blast = resonate(blast, sample_rate, [700, 1500, 2600], [600, 900, 1300], [1, 0.8, 0.4])
        add_at(waveform, blast * gate(n_samples, sample_rate, 0.06, 0.12), seconds_to_samples(onset_s, sample_rate))
        onset_s += length_s + rng.uniform(0.2, 0.6)
    return room(rng, waveform, sample_rate, 2.5, -5)


@sound("train whistle", "a steam train whistling", "event", (1.5, 5.0))
def train_whistle(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Steam whistle: a breathy chord of organ pipes that slides up as it opens."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    chord_hz = rng.uniform(420, 620) * np.array([1, 1.2, 1.5, 1.8])[: rng.integers(2, 5)]
    onset_s = 0.0
    while onset_s == 0.0 or onset_s < duration_s - 0.3:
        length_s = min(rng.choice([0.4, 1.2, 2.0]) * rng.uniform(0.8, 1.2), duration_s - onset_s)
        n_samples = seconds_to_samples(length_s, sample_rate)
        bend = contour(n_samples, [(0, 0.88), (0.15, 1), (0.85, 1.0), (1, 0.9)])
        blow = 0.35 * band_noise(rng, n_samples, sample_rate, 800, 9000, -2)
        for pitch_hz in chord_hz:
            wobble = 1 + 0.006 * drift(rng, n_samples, sample_rate, 25)
            blow += harmonic_tone(pitch_hz * bend * wobble, sample_rate, [1, 0.15, 0.3, 0.05, 0.1])
            blow += 0.4 * band_noise(rng, n_samples, sample_rate, 0.9 * pitch_hz, 1.1 * pitch_hz)
        add_at(waveform, blow * gate(n_samples, sample_rate, 0.06, 0.1), seconds_to_samples(onset_s, sample_rate))
        onset_s += length_s + rng.uniform(0.15, 0.5)
    return room(rng, waveform, sample_rate, 2.0, -4)


@sound("ship horn", "a ship sounding its horn", "event", (3.0, 8.0))
def ship_horn(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Large diaphragm: a very low buzzing note that echoes across the water."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    pitch_hz, onset_s = rng.uniform(75, 160), 0.0
    while onset_s == 0.0 or onset_s < duration_s - 1.0:
        length_s = min(rng.uniform(1.8, 4.0), max(duration_s - onset_s - 0.4, 0.3))
        n_samples = seconds_to_samples(length_s, sample_rate)
        bend_hz = pitch_hz * contour(n_samples, [(0, 0.96), (0.06, 1), (0.95, 1), (1, 0.97)])
        blast = horn(bend_hz, sample_rate, rng.uniform(0.5, 0.8)) + 0.5 * horn(bend_hz * 1.004, sample_rate, 0.6)
        blast = resonate(blast, sample_rate, [rng.uniform(180, 320), 600, 1100], [250, 500, 900], [1, 0.7, 0.35])
        add_at(waveform, blast * gate(n_samples, sample_rate, 0.12, 0.25), seconds_to_samples(onset_s, sample_rate))
        onset_s += length_s + rng.uniform(0.6, 1.5)
    return room(rng, waveform, sample_rate, 3.0, -4)
