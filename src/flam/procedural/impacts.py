"""Impacts: things hit, shut, broken and blown up."""

from __future__ import annotations

import numpy as np

from flam.core import seconds_to_samples
from flam.procedural.generator import sound
from flam.procedural.synthesis import add_at, band_noise, low_pass, rhythm, room, strike_envelope, struck_modes


def thump(
    rng: np.random.Generator, sample_rate: int, length_s: float, low_hz: float, high_hz: float, decay_s: float
) -> np.ndarray:
    """Burst of band noise with a sharp attack."""
    n_samples = seconds_to_samples(length_s, sample_rate)
    return band_noise(rng, n_samples, sample_rate, low_hz, high_hz) * strike_envelope(
        n_samples, sample_rate, 0.0005, decay_s
    )


def wood(rng: np.random.Generator, sample_rate: int, pitch_hz: float, decay_s: float, n_modes: int = 10) -> np.ndarray:
    """Struck panel: dense, quickly damped modes above ``pitch_hz``."""
    frequencies_hz = pitch_hz * np.concatenate([[1.0], rng.uniform(1.3, 9, n_modes - 1)])
    decays_s = decay_s * (pitch_hz / frequencies_hz) ** 0.6
    levels = rng.uniform(0.3, 1, n_modes) * (pitch_hz / frequencies_hz) ** 0.7
    return struck_modes(seconds_to_samples(10 * decay_s, sample_rate), sample_rate, frequencies_hz, decays_s, levels)


@sound("door knock", "someone knocking on a door", "event", (0.8, 3.0))
def door_knock(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Knuckles on a wooden door, in a room."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    brightness = rng.uniform(0.02, 0.1)
    door = 0.4 * wood(rng, sample_rate, rng.uniform(110, 220), rng.uniform(0.012, 0.022), 14)
    period_s = rng.uniform(0.2, 0.3)
    for number, onset_s in enumerate(rhythm(rng, duration_s, period_s, 0.08, tail_s=0.2)):
        if number % 6 == 5:
            continue
        knock = 0.7 * thump(rng, sample_rate, 0.1, 80, 400, 0.014)
        add_at(knock, door, 0)
        add_at(knock, brightness * thump(rng, sample_rate, 0.02, 500, 3500, 0.003), 0)
        add_at(waveform, knock * rng.uniform(0.7, 1), seconds_to_samples(onset_s, sample_rate))
    return room(rng, waveform, sample_rate, rng.uniform(0.3, 0.6), -14)


@sound("door slam", "a door slamming shut", "event", (0.8, 2.0))
def door_slam(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Low thud of the panel, click of the latch, rattle of the frame."""
    n_samples = seconds_to_samples(duration_s, sample_rate)
    waveform = np.zeros(n_samples)
    add_at(waveform, 1.2 * thump(rng, sample_rate, 0.5, 50, 600, 0.06), 0)
    add_at(waveform, 0.5 * wood(rng, sample_rate, rng.uniform(60, 110), 0.09, 20), 0)
    add_at(waveform, 0.35 * thump(rng, sample_rate, 0.1, 800, 5000, 0.012), 0)
    for _ in range(rng.integers(2, 5)):
        rattle = thump(rng, sample_rate, 0.05, 600, 4000, 0.008)
        add_at(waveform, rattle * rng.uniform(0.05, 0.2), seconds_to_samples(rng.uniform(0.03, 0.2), sample_rate))
    return room(rng, waveform, sample_rate, rng.uniform(0.5, 1.0), -5)


@sound("glass breaking", "glass breaking", "event", (0.8, 2.0))
def glass_breaking(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """The burst, then shards ringing as they fall and bounce."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    add_at(waveform, 0.9 * thump(rng, sample_rate, 0.4, 1500, 14000, rng.uniform(0.02, 0.05)), 0)
    add_at(waveform, 0.4 * thump(rng, sample_rate, 0.1, 150, 900, 0.012), 0)
    fall_s = min(rng.uniform(0.15, 0.35), duration_s / 3)
    for _ in range(rng.integers(80, 160)):
        frequencies_hz = rng.uniform(2000, 6000) * np.array([1, rng.uniform(1.4, 2), rng.uniform(2.1, 3)])
        shard = struck_modes(
            sample_rate // 3, sample_rate, frequencies_hz, rng.uniform(0.006, 0.04, 3), [1, 0.7, 0.4]
        ) * rng.exponential(0.15)
        add_at(waveform, shard, seconds_to_samples(rng.exponential(fall_s), sample_rate))
    return room(rng, waveform, sample_rate, 0.4, -12)


@sound("fireworks", "fireworks exploding", "event", (2.0, 8.0))
def fireworks(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Bangs near and far with rolling echoes."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    for onset_s in rhythm(rng, duration_s, rng.uniform(0.4, 0.6), 0.7, tail_s=0.4):
        bang = thump(rng, sample_rate, 1.2, 40, rng.uniform(1000, 2000), rng.uniform(0.2, 0.4))
        add_at(waveform, bang * rng.uniform(0.2, 1), seconds_to_samples(onset_s, sample_rate))
    return room(rng, waveform, sample_rate, 1.5, -12)


@sound("explosion", "an explosion", "event", (2.0, 5.0))
def explosion(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Overdriven blast, low boom, falling debris."""
    n_samples = seconds_to_samples(duration_s, sample_rate)
    waveform = np.zeros(n_samples)
    blast = thump(rng, sample_rate, duration_s, 30, rng.uniform(1200, 3500), rng.uniform(0.15, 0.4))
    boom = thump(rng, sample_rate, duration_s, 25, 150, rng.uniform(0.4, 0.8))
    add_at(waveform, np.tanh(2 * blast + 1.5 * boom), 0)
    for _ in range(rng.integers(20, 50)):
        debris = thump(rng, sample_rate, 0.05, rng.uniform(300, 1500), 6000, 0.008)
        add_at(waveform, debris * rng.exponential(0.08), int(n_samples * rng.beta(2, 4)))
    return low_pass(room(rng, waveform, sample_rate, 1.5, -5), sample_rate, 6000)


def shot(rng: np.random.Generator, sample_rate: int, high_hz: float, boom_s: float) -> np.ndarray:
    """Muzzle blast: an overdriven crack with a low boom behind it."""
    crack = thump(rng, sample_rate, 0.6, 200, high_hz, 0.008)
    return np.tanh(3 * crack + 2.1 * thump(rng, sample_rate, 0.6, 60, 900, boom_s))


@sound("gunshot", "a gun being fired", "event", (0.8, 4.0))
def gunshot(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """One or several shots in the open, with a rolling echo."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    high_hz, boom_s = rng.uniform(4000, 9000), rng.uniform(0.03, 0.09)
    for onset_s in rhythm(rng, duration_s, rng.uniform(0.5, 1.5), 0.4, tail_s=0.6):
        blast = shot(rng, sample_rate, high_hz, boom_s) * rng.uniform(0.8, 1)
        add_at(waveform, blast, seconds_to_samples(onset_s, sample_rate))
    return room(rng, waveform, sample_rate, rng.uniform(1.0, 2.5), rng.uniform(-12, -6))


@sound("machine gun", "a machine gun firing", "event", (1.0, 5.0))
def machine_gun(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Bursts of 8 to 14 shots a second."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    rate_hz, high_hz, boom_s = rng.uniform(8, 14), rng.uniform(3500, 8000), rng.uniform(0.02, 0.04)
    for burst_s in rhythm(rng, duration_s, rng.uniform(1.0, 1.8), 0.3, tail_s=0.3):
        for number in range(rng.integers(4, 14)):
            blast = shot(rng, sample_rate, high_hz, boom_s) * rng.uniform(0.8, 1)
            add_at(waveform, blast, seconds_to_samples(burst_s + number / rate_hz, sample_rate))
    return room(rng, waveform, sample_rate, rng.uniform(0.8, 1.8), rng.uniform(-14, -8))
