"""Sounds that people make: crying, clapping, walking, whistling, a heartbeat."""

from __future__ import annotations

import numpy as np

from flam.core import seconds_to_samples
from flam.procedural.generator import sound
from flam.procedural.impacts import thump
from flam.procedural.synthesis import (
    add_at,
    band_noise,
    contour,
    drift,
    gate,
    harmonic_tone,
    hush,
    rhythm,
    room,
    scattered,
    seconds,
    strike_envelope,
    struck_modes,
    voice,
)


@sound("baby cry", "a baby crying", "event", (2.0, 8.0))
def baby_cry(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Long cries with arching pitch and a gasp between them."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    base_hz = rng.uniform(380, 480)
    for onset_s in rhythm(rng, duration_s, rng.uniform(1.0, 1.4), 0.15, tail_s=0.5):
        n_samples = seconds_to_samples(min(rng.uniform(0.7, 0.95), duration_s - onset_s), sample_rate)
        vibrato = 1 + 0.02 * np.sin(2 * np.pi * rng.uniform(5, 8) * seconds(n_samples, sample_rate))
        pitch_hz = base_hz * vibrato * contour(n_samples, [(0, 0.85), (0.2, 1.2), (0.7, 1.1), (1, 0.75)])
        first_hz = contour(n_samples, [(0, 800), (0.3, 1200), (1, 900)])
        cry = voice(rng, pitch_hz, sample_rate, [first_hz, 1900, 3600, 5000], [250, 350, 500, 600], -3, 0.015, 0.05)
        cry *= contour(n_samples, [(0, 0), (0.1, 1), (0.7, 0.8), (1, 0)])
        add_at(waveform, cry, seconds_to_samples(onset_s, sample_rate))
        gasp = 0.05 * np.abs(cry).max() * band_noise(rng, sample_rate // 6, sample_rate, 1000, 5000)
        add_at(
            waveform, gasp * gate(len(gasp), sample_rate, 0.06), seconds_to_samples(onset_s, sample_rate) + n_samples
        )
    return room(rng, waveform, sample_rate, 0.4, -12)


@sound("applause", "an audience applauding", "event", (3.0, 10.0))
def applause(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Hundreds of claps a second near and far, in a hall."""
    n_samples = seconds_to_samples(duration_s, sample_rate)
    swell = np.minimum(1, np.minimum(np.linspace(0.3, 5, n_samples), np.linspace(4, 0.2, n_samples)))
    waveform, rate_hz = np.zeros(n_samples), rng.uniform(250, 500)
    for _ in range(40):
        center_hz = rng.uniform(800, 2500)
        hands = thump(rng, sample_rate, 0.05, 0.5 * center_hz, 1.8 * center_hz, rng.uniform(0.0015, 0.003))
        claps = scattered(rng, hands, n_samples, sample_rate, rate_hz / 40 * swell, 4)
        waveform += rng.uniform(0.3, 1) * claps
    far = np.sqrt(np.mean(waveform**2)) * band_noise(rng, n_samples, sample_rate, 700, 5000, -3) * swell
    return room(rng, waveform + 0.4 * far, sample_rate, 0.8, rng.uniform(-6, -3))[:n_samples]


@sound("heartbeat", "a heart beating", "event", (3.0, 8.0))
def heartbeat(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """First and second heart sound: two soft thumps below 150 Hz."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    pitch_hz = rng.uniform(40, 65)
    for onset_s in rhythm(rng, duration_s, rng.uniform(0.65, 1.0), 0.03, tail_s=0.4):
        for delay_s, level, shift in ((0.0, 1.0, 1.0), (rng.uniform(0.28, 0.33), 0.7, 1.3)):
            beat = struck_modes(
                sample_rate // 3,
                sample_rate,
                pitch_hz * shift * np.array([1, 1.7, 2.6]),
                [0.035, 0.025, 0.015],
                [1, 0.6, 0.3],
            )
            add_at(waveform, level * beat, seconds_to_samples(onset_s + delay_s, sample_rate))
    return waveform


@sound("clapping", "people clapping their hands in time", "event", (1.5, 6.0))
def clapping(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Two to five people clap together, each with hands of their own and a little early or late."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    centers_hz = rng.uniform(700, 1150) * 1.6 ** rng.uniform(-1, 1, rng.integers(2, 6))
    width, decay_s, spread_s = rng.uniform(1.7, 3), rng.uniform(0.0025, 0.005), rng.uniform(0.03, 0.09)
    for onset_s in rhythm(rng, duration_s, rng.uniform(0.25, 0.5), 0.06, tail_s=0.1):
        for center_hz in centers_hz:
            hands = thump(rng, sample_rate, 0.12, 0.55 * center_hz, width * center_hz, decay_s * rng.uniform(0.7, 1.3))
            hands += 0.22 * thump(rng, sample_rate, 0.12, 500, 9000, 0.002)
            start = seconds_to_samples(onset_s + rng.uniform(0, spread_s), sample_rate)
            add_at(waveform, hands * rng.uniform(0.3, 1), start)
    heard = room(rng, waveform, sample_rate, rng.uniform(0.6, 1.4), rng.uniform(-11, -4))
    return hush(rng, heard, sample_rate, rng.uniform(-51, -44))


@sound("footsteps", "someone walking", "event", (2.0, 8.0))
def footsteps(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Heel, toe and a scuff, with the noise of the street around."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    low_hz, high_hz, decay_s = rng.uniform(100, 230), rng.uniform(1000, 2100), rng.uniform(0.012, 0.025)
    hard, hard_s, attack_s = rng.uniform(0.04, 0.35), rng.uniform(0.0045, 0.011), rng.uniform(0.0007, 0.0018)
    scuff, toe_s, toe = rng.uniform(0.015, 0.15), rng.uniform(0.06, 0.095), rng.uniform(0.4, 0.7)
    for onset_s in rhythm(rng, duration_s, rng.uniform(0.43, 0.6), 0.06, tail_s=0.2):
        n_samples = seconds_to_samples(0.35, sample_rate)
        step = scuff * band_noise(rng, n_samples, sample_rate, 700, 8000, -2)
        step *= contour(n_samples, [(0, 0), (0.15, 1), (0.5, 0), (1, 0)])
        for delay_s, level in ((0.0, 1.0), (toe_s, toe)):
            part = band_noise(rng, n_samples, sample_rate, low_hz, high_hz)
            part *= strike_envelope(n_samples, sample_rate, attack_s, decay_s)
            click = hard * band_noise(rng, n_samples, sample_rate, 1500, 9000, -2)
            part += click * strike_envelope(n_samples, sample_rate, attack_s, hard_s)
            add_at(step, level * part, seconds_to_samples(delay_s, sample_rate))
        add_at(waveform, step * rng.uniform(0.6, 1), seconds_to_samples(onset_s, sample_rate))
    heard = room(rng, waveform, sample_rate, rng.uniform(0.25, 0.65), rng.uniform(-19, -15))
    return hush(rng, heard, sample_rate, rng.uniform(-34, -27))


@sound("whistling", "someone whistling a tune", "event", (2.0, 7.0))
def whistling(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Nearly pure notes that slide into each other, with some breath."""
    n_samples = seconds_to_samples(duration_s, sample_rate)
    places_s, semitones = [0.0], [int(rng.integers(0, 10))]
    while places_s[-1] < duration_s:
        hold_s = rng.choice([0.16, 0.3, 0.55]) * rng.uniform(0.9, 1.1)
        places_s += [places_s[-1] + 0.8 * hold_s, places_s[-1] + hold_s]
        semitones += [semitones[-1], int(np.clip(semitones[-1] + rng.choice([-4, -2, -1, 1, 2, 3]), 0, 12))]
    parts = np.array(places_s) / places_s[-1]
    tune = contour(n_samples, list(zip(parts, 2.0 ** (np.array(semitones) / 12), strict=True)))
    vibrato = 1 + 0.006 * np.sin(2 * np.pi * rng.uniform(5, 7) * seconds(n_samples, sample_rate))
    tone = harmonic_tone(rng.uniform(850, 1300) * tune * vibrato, sample_rate, [1, 0.02, 0.01])
    breath = 0.03 * band_noise(rng, n_samples, sample_rate, 800, 5000)
    phrase = np.clip(0.8 + 0.8 * drift(rng, n_samples, sample_rate, 2), 0.05, 1)
    return room(rng, (tone + breath) * phrase * gate(n_samples, sample_rate, 0.05), sample_rate, 0.7, -12)
