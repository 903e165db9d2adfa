"""Motors and rotors: trains of pulses, whining harmonics and rushing air."""

from __future__ import annotations

import numpy as np

from flam.core import seconds_to_samples
from flam.synth.procedural.envelopes import add_at, contour, drift, gate, rhythm
from flam.synth.procedural.generator import sound
from flam.synth.procedural.impacts import thump
from flam.synth.procedural.noise import band_noise, convolve, resonate
from flam.synth.procedural.tones import harmonic_tone, struck_modes


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


@sound("chainsaw", "a chainsaw running", "event", (2.0, 10.0))
def chainsaw(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Small two-stroke at high speed, loaded and unloaded by the cut."""
    n_samples = seconds_to_samples(duration_s, sample_rate)
    throttle = np.clip(0.7 + 0.6 * drift(rng, n_samples, sample_rate, 0.7), 0, 1)
    rate_hz = (90 + 60 * throttle) * rng.uniform(0.9, 1.1) * (1 + 0.02 * drift(rng, n_samples, sample_rate, 12))
    waveform = exhaust(rng, firing(rng, rate_hz, sample_rate, 1, 0.3), sample_rate, rng.uniform(180, 260))
    teeth = band_noise(rng, n_samples, sample_rate, 1200, 7000) * (0.3 + throttle)
    return np.tanh(1.5 * waveform + 0.25 * teeth) * gate(n_samples, sample_rate, 0.1)


@sound("lawn mower", "a lawn mower running", "background", (3.0, 15.0))
def lawn_mower(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Single cylinder at a steady 45 to 55 ignitions a second, with blade noise."""
    n_samples = seconds_to_samples(duration_s, sample_rate)
    rate_hz = rng.uniform(45, 55) * (1 + 0.02 * drift(rng, n_samples, sample_rate, 3))
    waveform = exhaust(rng, firing(rng, rate_hz, sample_rate, 1, 0.25), sample_rate, rng.uniform(110, 170))
    return np.tanh(waveform) + 0.3 * band_noise(rng, n_samples, sample_rate, 400, 5000, -2)


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


@sound("electric drill", "an electric drill", "event", (1.5, 6.0))
def electric_drill(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Geared motor run up, loaded and let go, in bursts."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    top_hz = rng.uniform(250, 420)
    for onset_s in rhythm(rng, duration_s, rng.uniform(1.8, 3.0), 0.2, tail_s=0.6):
        n_samples = seconds_to_samples(min(rng.uniform(1.2, 2.4), duration_s - onset_s), sample_rate)
        speed_hz = top_hz * contour(
            n_samples, [(0, 0.3), (0.12, 1), (0.5, rng.uniform(0.75, 0.95)), (0.88, 0.95), (1, 0.35)]
        )
        speed_hz = speed_hz * (1 + 0.015 * drift(rng, n_samples, sample_rate, 15))
        motor = harmonic_tone(speed_hz, sample_rate, list(rng.uniform(0.2, 1, 40) * np.arange(1, 41) ** -0.5))
        motor = resonate(motor, sample_rate, [900, 2200, 4200], [700, 1500, 2500], [0.8, 1, 0.7])
        chatter = band_noise(rng, n_samples, sample_rate, 800, 8000) * (
            1 + np.sin(2 * np.pi * np.cumsum(speed_hz / 4) / sample_rate)
        )
        add_at(
            waveform,
            (motor + 0.3 * chatter) * gate(n_samples, sample_rate, 0.05),
            seconds_to_samples(onset_s, sample_rate),
        )
    return waveform
