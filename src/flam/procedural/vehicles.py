"""Vehicles on the road, on rails and in the air."""

from __future__ import annotations

import numpy as np

from flam.core import seconds_to_samples
from flam.procedural.generator import sound
from flam.procedural.impacts import thump
from flam.procedural.synthesis import (
    add_at,
    band_noise,
    contour,
    convolve,
    drift,
    harmonic_tone,
    rhythm,
    room,
    seconds,
    strike_envelope,
    struck_modes,
)


def firing(
    rng: np.random.Generator, rate_hz: np.ndarray, sample_rate: int, n_cylinders: int, unevenness: float
) -> np.ndarray:
    """Impulse at each ignition of an engine, (N,); each cylinder has its own strength."""
    phase = np.cumsum(rate_hz) / sample_rate
    ignitions = np.flatnonzero(np.diff(np.floor(phase), prepend=phase[0]))
    strengths = 1 + unevenness * rng.uniform(-1, 1, n_cylinders)
    impulses = np.zeros(len(rate_hz))
    impulses[ignitions] = strengths[np.arange(len(ignitions)) % n_cylinders] * rng.normal(
        1, unevenness / 2, len(ignitions)
    )
    return impulses


def exhaust(rng: np.random.Generator, impulses: np.ndarray, sample_rate: int, pitch_hz: float) -> np.ndarray:
    """Ignitions heard through a pipe: a ringing, noisy thump for each."""
    n_kernel = seconds_to_samples(0.08, sample_rate)
    kernel = struck_modes(
        n_kernel,
        sample_rate,
        pitch_hz * np.array([1, 2.1, 3.3, 5.2, 8]),
        [0.02, 0.015, 0.01, 0.006, 0.004],
        [1, 0.8, 0.6, 0.4, 0.3],
    )
    kernel += 0.5 * thump(rng, sample_rate, 0.08, 100, 2500, 0.008)
    return convolve(impulses, kernel)


@sound("helicopter", "a helicopter flying", "background", (4.0, 20.0))
def helicopter(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Blade slap at 11 to 18 per second over engine roar and turbine whine."""
    n_samples = seconds_to_samples(duration_s, sample_rate)
    rotor_hz = rng.uniform(11, 18) * np.ones(n_samples)
    impulses = firing(rng, rotor_hz, sample_rate, 2, 0.15)
    slap = thump(rng, sample_rate, 0.1, 40, 500, 0.018) + 0.35 * thump(rng, sample_rate, 0.1, 300, 2000, 0.012)
    chop = 0.5 + 0.5 * np.cos(2 * np.pi * np.cumsum(rotor_hz) / sample_rate)
    roar = band_noise(rng, n_samples, sample_rate, 150, 2500, -3) * (0.3 + chop**2)
    whine = harmonic_tone(np.full(n_samples, rng.uniform(400, 900)), sample_rate, [0.03, 0.02, 0.01])
    fly = contour(n_samples, [(0, rng.uniform(0.4, 1)), (rng.uniform(0.3, 0.7), 1), (1, rng.uniform(0.4, 1))])
    return (convolve(impulses, slap) + 0.35 * roar + whine) * fly


@sound("airplane", "a propeller plane flying overhead", "background", (5.0, 20.0))
def airplane(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Propeller plane passing: falling pitch, growing and fading."""
    n_samples = seconds_to_samples(duration_s, sample_rate)
    doppler = contour(n_samples, [(0, 1.06), (0.35, 1.04), (0.65, 0.96), (1, 0.94)])
    level = contour(n_samples, [(0, 0.4), (0.5, 1), (1, 0.35)])
    rate_hz = rng.uniform(28, 44) * doppler * (1 + 0.01 * drift(rng, n_samples, sample_rate, 3))
    waveform = exhaust(rng, firing(rng, rate_hz, sample_rate, 4, 0.15), sample_rate, rng.uniform(70, 110))
    rush = band_noise(rng, n_samples, sample_rate, 150, 3000, -3)
    return (waveform + rng.uniform(0.3, 0.5) * rush) * level


@sound("jet aircraft", "a jet flying over", "background", (5.0, 20.0))
def jet_aircraft(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Roar of the exhaust, heard again from the ground, and the whine of the fan, passing overhead."""
    n_samples = seconds_to_samples(duration_s, sample_rate)
    level = contour(n_samples, [(0, 0.3), (rng.uniform(0.35, 0.6), 1), (1, 0.35)])
    roar = band_noise(rng, n_samples, sample_rate, 80, 1500, -3) * (1 + 0.2 * drift(rng, n_samples, sample_rate, 5))
    ground = np.roll(roar, seconds_to_samples(rng.uniform(0.002, 0.006), sample_rate))
    rush = band_noise(rng, n_samples, sample_rate, 800, 8000, -3) * level
    doppler = contour(n_samples, [(0, 1.25), (0.4, 1.15), (0.6, 0.9), (1, 0.8)])
    whine = harmonic_tone(rng.uniform(1500, 2600) * doppler, sample_rate, [1, 0.3]) * level
    return (roar + 0.6 * ground + 0.5 * rush + rng.uniform(0.03, 0.12) * whine) * level


@sound("engine", "an engine running", "event", (3.0, 9.5))
def engine(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Three to six cylinders at idle, in some takes revved."""
    n_samples = seconds_to_samples(duration_s, sample_rate)
    throttle = np.zeros(n_samples)
    if rng.random() < 0.4:
        throttle = np.clip(0.4 + drift(rng, n_samples, sample_rate, 0.6), 0, 1)
    rate_hz = rng.uniform(22, 34) * (1 + 1.6 * throttle) * (1 + 0.03 * drift(rng, n_samples, sample_rate, 4))
    ignitions = firing(rng, rate_hz, sample_rate, int(rng.choice([3, 4, 6])), 0.3)
    pulses = exhaust(rng, ignitions, sample_rate, rng.uniform(65, 110))
    air = band_noise(rng, n_samples, sample_rate, 150, 5000, -3)
    return (pulses / pulses.std() + rng.uniform(0.3, 0.5) * air) * (0.6 + 0.4 * throttle)


@sound("car", "a car driving past", "event", (4.0, 9.0))
def car(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Tyres and engine swell and fade as the car goes by: distance and Doppler of a straight road."""
    n_samples = seconds_to_samples(duration_s, sample_rate)
    speed_m_s, side_m = rng.uniform(11, 25), rng.uniform(4, 9)
    t = seconds(n_samples, sample_rate) - rng.uniform(0.4, 0.6) * duration_s
    distance_m = np.sqrt(side_m**2 + (speed_m_s * t) ** 2)
    near = distance_m.min() / distance_m
    rate_hz = rng.uniform(55, 77) / (1 + speed_m_s**2 * t / distance_m / 343)
    motor = exhaust(rng, firing(rng, rate_hz, sample_rate, 4, 0.3), sample_rate, rng.uniform(80, 130))
    tyres = band_noise(rng, n_samples, sample_rate, rng.uniform(45, 120), rng.uniform(1300, 2000), -3.5)
    hiss = band_noise(rng, n_samples, sample_rate, 800, 5000, -3)
    return (tyres + rng.uniform(0.8, 1.3) * motor / motor.std()) * near + 0.25 * hiss * near**1.5 + 0.05 * tyres


@sound("steam engine", "a steam train chuffing", "background", (4.0, 15.0))
def steam_engine(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Four puffs to a turn of the wheels, the first the loudest, over rumble and leaking steam."""
    n_samples = seconds_to_samples(duration_s, sample_rate)
    puffs_hz, low_hz, high_hz = rng.uniform(4.8, 8), rng.uniform(180, 420), rng.uniform(1900, 4200)
    attack_s, fall, weak = rng.uniform(0.008, 0.024), rng.uniform(0.16, 0.5), rng.uniform(0.57, 0.85)
    waveform = rng.uniform(0.03, 0.12) * band_noise(rng, n_samples, sample_rate, 50, 500, -3)
    waveform += rng.uniform(0.12, 0.36) * band_noise(rng, n_samples, sample_rate, 1000, 7000, -1)
    for number, onset_s in enumerate(rhythm(rng, duration_s, 1 / puffs_hz, 0.02)):
        n_puff = seconds_to_samples(0.9 / puffs_hz, sample_rate)
        puff = band_noise(rng, n_puff, sample_rate, low_hz, high_hz, -2)
        puff *= strike_envelope(n_puff, sample_rate, attack_s, fall / puffs_hz)
        level = rng.uniform(1.6, 2) * (1.0 if number % 4 == 0 else weak)
        add_at(waveform, level * puff, seconds_to_samples(onset_s, sample_rate))
    return room(rng, waveform, sample_rate, rng.uniform(0.5, 1.2), rng.uniform(-12, -4))
