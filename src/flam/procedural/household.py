"""Small machines at home and in the office."""

from __future__ import annotations

import numpy as np

from flam.core import seconds_to_samples
from flam.procedural.envelopes import add_at, drift, rhythm
from flam.procedural.generator import sound
from flam.procedural.impacts import thump, wood
from flam.procedural.noise import band_noise, hush, resonate, room
from flam.procedural.tones import harmonic_tone, struck_modes


@sound("clock tick", "a clock ticking", "event", (3.0, 9.5))
def clock_tick(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Tick and tock of slightly different colour, each with its bounce, in a wooden case."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    period_s, case_hz = rng.choice([0.25, 0.5, 0.5, 1.0]) * rng.uniform(0.97, 1.03), rng.uniform(300, 900)
    ticks = []
    for shift in (1.0, rng.uniform(0.75, 0.95)):
        tick = 0.9 * thump(rng, sample_rate, 0.06, 1500, 7000, 0.0015)
        modes_hz, decays_s = shift * rng.uniform(1800, 5000, 6), rng.uniform(0.001, 0.004, 6)
        tick += 0.5 * struck_modes(len(tick), sample_rate, modes_hz, decays_s, rng.uniform(0.3, 1, 6))
        add_at(tick, 0.5 * wood(rng, sample_rate, shift * case_hz, 0.005, 6), 0)
        add_at(tick, 0.4 * tick, seconds_to_samples(rng.uniform(0.008, 0.02), sample_rate))
        ticks.append(tick)
    for number, onset_s in enumerate(rhythm(rng, duration_s, period_s, 0.005)):
        add_at(waveform, ticks[number % 2] * rng.uniform(0.85, 1), seconds_to_samples(onset_s, sample_rate))
    return hush(rng, room(rng, waveform, sample_rate, 0.3, -14), sample_rate, rng.uniform(-48, -38))


@sound("keyboard typing", "someone typing on a computer keyboard", "event", (2.0, 8.0))
def keyboard_typing(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Each key touched, hitting its stop and let go, in bursts of words."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    keys = [(rng.uniform(1500, 4500), rng.uniform(0.002, 0.005)) for _ in range(12)]
    onset_s = 0.0
    while onset_s < duration_s - 0.1:
        center_hz, decay_s = keys[rng.integers(len(keys))]
        touches = ((0.0, 0.5), (rng.uniform(0.015, 0.03), 1.0), (rng.uniform(0.07, 0.12), rng.uniform(0.3, 0.6)))
        for delay_s, level in touches:
            tap = thump(rng, sample_rate, 0.04, 0.5 * center_hz, 2.5 * center_hz, decay_s)
            tap += 0.35 * thump(rng, sample_rate, 0.04, 150, 700, 0.005)
            add_at(waveform, level * rng.uniform(0.4, 1) * tap, seconds_to_samples(onset_s + delay_s, sample_rate))
        onset_s += rng.uniform(0.2, 0.5) if rng.random() < 0.15 else rng.uniform(0.08, 0.2)
    return hush(rng, room(rng, waveform, sample_rate, 0.2, -12), sample_rate, rng.uniform(-38, -30))


@sound("vacuum cleaner", "a vacuum cleaner running", "background", (4.0, 15.0))
def vacuum_cleaner(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Whine of the motor and the rush of air through the nozzle, about as loud as each other."""
    n_samples = seconds_to_samples(duration_s, sample_rate)
    load = rng.uniform(0.003, 0.015) * drift(rng, n_samples, sample_rate, 2)
    load += 0.003 * drift(rng, n_samples, sample_rate, 25)
    levels = list(rng.uniform(0.2, 1, 24) * np.arange(1, 25) ** -rng.uniform(0.2, 0.9))
    motor = harmonic_tone(rng.uniform(460, 600) * (1 + load), sample_rate, levels)
    low_hz, high_hz = rng.uniform(150, 380), rng.uniform(5300, 10000)
    air = band_noise(rng, n_samples, sample_rate, low_hz, high_hz, rng.uniform(-1.9, -0.5))
    nozzle_hz, width_hz = [rng.uniform(450, 1130), rng.uniform(1760, 3600)], rng.uniform(220, 720)
    nozzle = resonate(air, sample_rate, nozzle_hz, [width_hz, 2 * width_hz], [1, 0.7])
    air = air / air.std() + rng.uniform(0.8, 2.1) * nozzle / nozzle.std()
    air *= 1 + rng.uniform(0.08, 0.23) * drift(rng, n_samples, sample_rate, 8)
    return rng.uniform(0.65, 1.05) * motor / motor.std() + 0.75 * air
