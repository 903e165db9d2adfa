"""Tools, by hand and by motor, and small machines at home and in the office."""

from __future__ import annotations

import numpy as np

from flam.core import seconds_to_samples
from flam.procedural.generator import sound
from flam.procedural.impacts import thump, wood
from flam.procedural.synthesis import (
    add_at,
    band_noise,
    contour,
    convolve,
    drift,
    gate,
    harmonic_tone,
    hush,
    resonate,
    rhythm,
    room,
    strike_envelope,
    struck_modes,
)
from flam.procedural.vehicles import exhaust, firing


@sound("chainsaw", "a chainsaw running", "event", (2.0, 9.5))
def chainsaw(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Small two-stroke at high speed, loaded and unloaded by the cut."""
    n_samples = seconds_to_samples(duration_s, sample_rate)
    throttle = np.clip(0.7 + 0.6 * drift(rng, n_samples, sample_rate, 0.7), 0, 1)
    rate_hz = (90 + 60 * throttle) * rng.uniform(0.9, 1.1) * (1 + 0.02 * drift(rng, n_samples, sample_rate, 12))
    pulses = exhaust(rng, firing(rng, rate_hz, sample_rate, 1, 0.3), sample_rate, rng.uniform(180, 260))
    teeth = band_noise(rng, n_samples, sample_rate, 1200, 9000) * (0.3 + throttle)
    return np.tanh(pulses / pulses.std() + rng.uniform(0.5, 0.7) * teeth) * gate(n_samples, sample_rate, 0.1)


@sound("lawn mower", "a lawn mower running", "background", (3.0, 15.0))
def lawn_mower(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Small engine at a steady 59 to 66 ignitions a second, the air chopped by its blade."""
    n_samples = seconds_to_samples(duration_s, sample_rate)
    rate_hz = rng.uniform(59, 66) * (1 + rng.uniform(0.003, 0.012) * drift(rng, n_samples, sample_rate, 4))
    turn = 2 * np.pi * np.cumsum(rate_hz) / sample_rate
    ignitions = firing(rng, rate_hz, sample_rate, 2, rng.uniform(0.07, 0.2))
    pulses = exhaust(rng, ignitions, sample_rate, rng.uniform(95, 205))
    air = band_noise(rng, n_samples, sample_rate, rng.uniform(430, 520), rng.uniform(4200, 6000), -2)
    air *= 1 + rng.uniform(0.5, 0.8) * np.sin(turn)
    whirr = rng.uniform(0.01, 0.2) * harmonic_tone(4 * rate_hz, sample_rate, [1, 0.6, 0.4, 0.3, 0.2])
    return np.tanh(1.5 * pulses / pulses.std()) + rng.uniform(0.4, 0.7) * air + whirr


@sound("drill", "an electric drill", "event", (1.5, 6.0))
def drill(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Geared motor run up, loaded and let go, in bursts, with the chatter of the bit."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    top_hz = rng.uniform(160, 300)
    levels = list(rng.uniform(0.2, 1, 50) * np.arange(1, 51) ** -0.3)
    for onset_s in rhythm(rng, duration_s, rng.uniform(1.8, 3.0), 0.2, tail_s=0.6):
        n_samples = seconds_to_samples(min(rng.uniform(1.3, 2.6), max(duration_s - onset_s, 0.3)), sample_rate)
        load = rng.uniform(0.75, 0.92)
        speed = contour(n_samples, [(0, 0.3), (0.1, 1), (0.5, load), (0.88, 0.95), (1, 0.4)])
        speed *= 1 + 0.02 * drift(rng, n_samples, sample_rate, 15)
        motor = harmonic_tone(top_hz * speed, sample_rate, levels)
        motor = resonate(motor, sample_rate, [1100, 2600, 4800], [900, 1800, 3000], [0.8, 1, 0.8])
        chatter = band_noise(rng, n_samples, sample_rate, 800, 9000, -1)
        chatter *= 1 + 0.8 * np.sin(np.pi * top_hz * np.cumsum(speed) / sample_rate)
        burst = (0.7 * motor / motor.std() + 0.9 * chatter) * speed * gate(n_samples, sample_rate, 0.05)
        add_at(waveform, burst, seconds_to_samples(onset_s, sample_rate))
    return room(rng, waveform, sample_rate, 0.4, -12)


@sound("circular saw", "a circular saw cutting wood", "event", (2.0, 7.0))
def circular_saw(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Blade at full speed, slower and louder while it cuts."""
    n_samples = seconds_to_samples(duration_s, sample_rate)
    cut = contour(n_samples, [(0, 0), (0.25, 0), (0.35, 1), (0.75, 1), (0.85, 0), (1, 0)])
    speed = contour(n_samples, [(0, 0.2), (0.12, 1), (0.9, 1), (1, 0.5)])
    pitch_hz = rng.uniform(900, 1500) * speed * (1 - 0.12 * cut) * (1 + 0.01 * drift(rng, n_samples, sample_rate, 20))
    whine = harmonic_tone(pitch_hz, sample_rate, [1, 0.5, 0.5, 0.3, 0.25, 0.2])
    motor = harmonic_tone(pitch_hz / rng.integers(5, 9), sample_rate, list(rng.uniform(0.1, 0.5, 20)))
    chips = band_noise(rng, n_samples, sample_rate, 1000, 10000, -1) * (0.25 + 0.9 * cut)
    return (0.5 * whine + 0.3 * motor + chips) * speed * gate(n_samples, sample_rate, 0.05, 0.2)


@sound("hand saw", "someone sawing wood by hand", "event", (2.0, 7.0))
def hand_saw(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Strokes there and back; the teeth tear the wood."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    stroke_s, teeth_hz, board_hz = rng.uniform(0.28, 0.45), rng.uniform(90, 160), rng.uniform(1300, 1800)
    for number, onset_s in enumerate(rhythm(rng, duration_s, stroke_s, 0.06, tail_s=0.2)):
        n_samples = seconds_to_samples(0.8 * stroke_s, sample_rate)
        speed = contour(n_samples, [(0, 0.1), (0.4, 1), (0.9, 0.8), (1, 0.1)])
        tear = band_noise(rng, n_samples, sample_rate, 900, 9000) * speed
        tear *= 1 + 0.5 * np.sin(2 * np.pi * teeth_hz * np.cumsum(speed) / sample_rate)
        tear += 0.8 * resonate(tear, sample_rate, [board_hz, 3500], [400, 900], [1, 1])
        push = 1.0 if number % 2 == 0 else rng.uniform(0.3, 0.5)
        add_at(waveform, push * tear * gate(n_samples, sample_rate, 0.03), seconds_to_samples(onset_s, sample_rate))
    return hush(rng, room(rng, waveform, sample_rate, 0.4, -12), sample_rate, rng.uniform(-46, -40))


@sound("hammering", "someone hammering a nail", "event", (1.5, 6.0))
def hammering(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Steel on a nail in wood: a bright ring over the thud of the board."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    steel_hz = rng.uniform(1400, 3200) * np.array([1, 1.6, 2.3, 3.4, 4.2])
    board_hz, rings_s = rng.uniform(130, 260), rng.uniform(0.012, 0.04) * np.array([1, 0.8, 0.6, 0.4, 0.3])
    for onset_s in rhythm(rng, duration_s, rng.uniform(0.32, 0.6), 0.12, tail_s=0.2):
        blow = 0.8 * thump(rng, sample_rate, 0.15, 200, 5000, 0.006)
        add_at(blow, 0.5 * wood(rng, sample_rate, board_hz, 0.02, 12), 0)
        blow += struck_modes(len(blow), sample_rate, steel_hz * (1 + 0.02 * onset_s), rings_s, rng.uniform(0.1, 0.5, 5))
        add_at(waveform, blow * rng.uniform(0.6, 1), seconds_to_samples(onset_s, sample_rate))
    heard = room(rng, waveform, sample_rate, rng.uniform(0.3, 0.8), -10)
    return hush(rng, heard, sample_rate, rng.uniform(-48, -42))


@sound("jackhammer", "a jackhammer breaking concrete", "event", (2.0, 8.0))
def jackhammer(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Blows at 13 to 22 a second, of four kinds in random turns, each ringing the chisel, under compressed air."""
    n_samples = seconds_to_samples(duration_s, sample_rate)
    rate_hz = rng.uniform(13, 22) * (1 + 0.03 * drift(rng, n_samples, sample_rate, 2))
    impulses = firing(rng, rate_hz, sample_rate, 3, rng.uniform(0.2, 0.4))
    n_blow = seconds_to_samples(0.15, sample_rate)
    low_hz, high_hz, lowest_hz = rng.uniform(90, 300), rng.uniform(3000, 7500), rng.uniform(450, 1200)
    decay_s, ring_s, ring = rng.uniform(0.007, 0.013), rng.uniform(0.009, 0.03), rng.uniform(0.4, 1.2)
    waveform = np.zeros(n_samples)
    for _ in range(4):
        blow = band_noise(rng, n_blow, sample_rate, low_hz, high_hz)
        blow *= strike_envelope(n_blow, sample_rate, 0.0005, decay_s)
        modes_hz, rings_s = rng.uniform(lowest_hz, 6000, 10), ring_s * rng.uniform(0.3, 1, 10)
        blow += ring * struck_modes(n_blow, sample_rate, modes_hz, rings_s, rng.uniform(0.2, 0.7, 10))
        waveform += convolve(impulses * (rng.random(n_samples) < 0.5), blow)
    air = band_noise(rng, n_samples, sample_rate, rng.uniform(300, 1000), 9000, -1)
    air *= 1 + 0.5 * np.sin(2 * np.pi * np.cumsum(rate_hz) / sample_rate)
    street = np.tanh(2 * waveform / np.abs(waveform).max()) + rng.uniform(0.01, 0.06) * air
    return room(rng, street * gate(n_samples, sample_rate, 0.03), sample_rate, 0.6, rng.uniform(-15, -7))


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
