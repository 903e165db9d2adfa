"""Things that ring for long: bells and bowls, by modal synthesis."""

from __future__ import annotations

import numpy as np

from flam.core import seconds_to_samples
from flam.synth.procedural.envelopes import add_at, rhythm
from flam.synth.procedural.generator import sound
from flam.synth.procedural.noise import room
from flam.synth.procedural.tones import struck_modes

# hum, prime, tierce, quint, nominal and above (Rossing, Science of Percussion Instruments, 2000)
CHURCH_RATIOS = np.array([0.5, 1, 1.2, 1.5, 2, 2.5, 2.67, 3, 4, 5.33, 6.67, 8.1, 9.7, 11.3, 13.0])
CHURCH_LEVELS = np.array([0.5, 0.6, 0.7, 0.35, 1, 0.35, 0.4, 0.7, 0.7, 0.6, 0.5, 0.4, 0.35, 0.3, 0.2])


@sound("church bell", "church bells ringing", "event", (3.0, 10.0))
def church_bell(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """One to three bells of a tower, with beating pairs of modes."""
    n_samples = seconds_to_samples(duration_s, sample_rate)
    bells = []
    for prime_hz in rng.uniform(320, 560) * np.array([1, 1.122, 1.335][: rng.integers(1, 4)]):
        frequencies_hz = prime_hz * CHURCH_RATIOS * rng.uniform(0.995, 1.005, 15)
        decays_s = rng.uniform(2.0, 3.5) / CHURCH_RATIOS**0.6
        pairs = [
            struck_modes(n_samples, sample_rate, frequencies_hz + shift_hz, decays_s, CHURCH_LEVELS)
            for shift_hz in (0, rng.uniform(0.5, 1.5))
        ]
        bells.append(pairs[0] + 0.6 * pairs[1])
    waveform = np.zeros(n_samples)
    for number, onset_s in enumerate(rhythm(rng, duration_s, rng.uniform(0.9, 1.8), 0.05, tail_s=1.0)):
        bell = bells[number % len(bells)] * rng.uniform(0.8, 1)
        add_at(waveform, bell, seconds_to_samples(onset_s, sample_rate))
    return room(rng, waveform, sample_rate, 1.5, -9)


@sound("bicycle bell", "a bicycle bell ringing", "event", (0.8, 2.5))
def bicycle_bell(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Small steel gong struck fast by a geared hammer."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    ratios = np.array([1, 1.006, 2.3, 3.9, 5.7])
    pitch_hz = rng.uniform(1700, 2600)
    for pull_s in rhythm(rng, duration_s, rng.uniform(0.5, 0.9), 0.2, tail_s=0.5):
        for number in range(rng.integers(4, 9)):
            strike = struck_modes(
                sample_rate, sample_rate, pitch_hz * ratios, rng.uniform(0.2, 0.4) / ratios, rng.uniform(0.3, 1, 5)
            )
            add_at(waveform, strike, seconds_to_samples(pull_s + number * rng.uniform(0.03, 0.045), sample_rate))
    return waveform


@sound("singing bowl", "a singing bowl ringing", "event", (3.0, 8.0))
def singing_bowl(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Bronze bowl: few slowly beating modes that ring for long."""
    n_samples = seconds_to_samples(duration_s, sample_rate)
    ratios = np.array([1, 2.7, 5.0, 7.8])
    base_hz, beat_hz = rng.uniform(180, 420), rng.uniform(1, 4)
    decays_s, levels = rng.uniform(2.5, 4) / ratios**0.5, np.array([1, 0.7, 0.3, 0.12])
    return struck_modes(n_samples, sample_rate, base_hz * ratios, decays_s, levels) + struck_modes(
        n_samples, sample_rate, base_hz * ratios + beat_hz, decays_s, 0.7 * levels
    )
