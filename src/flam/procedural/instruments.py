"""Musical instruments: plucked, blown and struck."""

from __future__ import annotations

import numpy as np

from flam.core import seconds_to_samples
from flam.procedural.envelopes import add_at, gate, rhythm, seconds
from flam.procedural.generator import sound
from flam.procedural.impacts import thump
from flam.procedural.noise import band_noise, room
from flam.procedural.tones import harmonic_tone, struck_modes

PENTATONIC = 2.0 ** (np.array([0, 2, 4, 7, 9, 12, 14, 16, 19]) / 12)


def next_step(rng: np.random.Generator, step: int) -> int:
    """A tune wanders: the next note is at most two places away in the scale."""
    return int(np.clip(step + rng.integers(-2, 3), 0, len(PENTATONIC) - 1))


@sound("guitar", "an acoustic guitar being plucked", "event", (2.0, 8.0))
def guitar(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Broken chords on stiff strings, whose high harmonics are sharp and die first."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    numbers, pick = np.arange(1, 19), rng.uniform(0.12, 0.3)
    chord_hz = 82.41 * 2 ** (rng.integers(0, 12) / 12) * np.array([1, 1.5, 2, rng.choice([2.4, 2.5]), 3, 4])
    ring_s = rng.uniform(0.4, 0.8)
    strings = [
        struck_modes(
            seconds_to_samples(1.5, sample_rate),
            sample_rate,
            shift * pitch_hz * numbers * np.sqrt(1 + 0.00008 * numbers**2),
            ring_s / (1 + 0.25 * (numbers - 1)),
            np.sin(np.pi * pick * numbers) / numbers,
        )
        for shift in (1, rng.choice([0.75, 4 / 3]))
        for pitch_hz in chord_hz
    ]
    pluck = 0.05 * thump(rng, sample_rate, 0.03, 100, 3000, 0.004)
    for number, onset_s in enumerate(rhythm(rng, duration_s, rng.uniform(0.16, 0.35), 0.03, tail_s=0.3)):
        string = 6 * (number // 8 % 2) + rng.integers(6)
        for grain in (strings[string], pluck):
            add_at(waveform, grain * rng.uniform(0.6, 1), seconds_to_samples(onset_s, sample_rate))
    return room(rng, waveform, sample_rate, 0.5, -14)


@sound("flute", "a flute playing", "event", (2.0, 8.0))
def flute(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Few harmonics, breath noise and a vibrato that grows."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    base_hz, step, onset_s = rng.uniform(440, 700), int(rng.integers(len(PENTATONIC))), 0.0
    while onset_s == 0.0 or onset_s < duration_s - 0.2:
        step = next_step(rng, step)
        length_s = min(rng.choice([0.3, 0.6, 1.2]) * rng.uniform(0.9, 1.1), duration_s - onset_s)
        n_samples = seconds_to_samples(length_s, sample_rate)
        vibrato = np.sin(2 * np.pi * rng.uniform(4.5, 5.8) * seconds(n_samples, sample_rate))
        vibrato *= np.linspace(0.2, 1, n_samples)
        pitch_hz = base_hz * PENTATONIC[step] * (1 + 0.007 * vibrato)
        note = harmonic_tone(pitch_hz, sample_rate, [1, 0.45, 0.25, 0.08, 0.04]) * (1 + 0.15 * vibrato)
        note += 0.08 * band_noise(rng, n_samples, sample_rate, 600, 7000, -2)
        add_at(waveform, note * gate(n_samples, sample_rate, 0.05, 0.06), seconds_to_samples(onset_s, sample_rate))
        onset_s += length_s
    return room(rng, waveform, sample_rate, 1.0, -9)


@sound("xylophone", "a xylophone being played", "event", (1.5, 6.0))
def xylophone(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Wooden bars tuned 1 : 3 : 6, a quick tune."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    ratios, base_hz, decay_s = np.array([1, 3, 6.1]), rng.uniform(440, 900), rng.uniform(0.06, 0.16)
    step = int(rng.integers(len(PENTATONIC)))
    for onset_s in rhythm(rng, duration_s, rng.uniform(0.13, 0.26), 0.02, tail_s=0.2):
        step = next_step(rng, step)
        if onset_s > 0 and rng.random() < 0.15:
            continue
        modes_hz = base_hz * PENTATONIC[step] * ratios
        n_samples = seconds_to_samples(8 * decay_s, sample_rate)
        bar = struck_modes(n_samples, sample_rate, modes_hz, decay_s / ratios, [1, 0.5, 0.2])
        add_at(bar, 0.15 * thump(rng, sample_rate, 0.02, 500, 4000, 0.003), 0)
        add_at(waveform, bar * rng.uniform(0.6, 1), seconds_to_samples(onset_s, sample_rate))
    return room(rng, waveform, sample_rate, 0.7, -12)


@sound("snare drum", "a snare drum being played", "event", (1.0, 5.0))
def snare_drum(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Modes of the skin and the rattle of the snares, in a march of four with random strokes between."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    skin_hz, rattle_s = rng.uniform(170, 260) * np.array([1, 1.6, 2.1, 2.6]), rng.uniform(0.035, 0.08)
    for number, onset_s in enumerate(rhythm(rng, duration_s, rng.uniform(0.1, 0.17), 0.02, tail_s=0.1)):
        strong = number % 4 == 0
        if not strong and rng.random() < 0.35:
            continue
        hit = thump(rng, sample_rate, 8 * rattle_s, 900, 11000, rattle_s)
        hit += struck_modes(len(hit), sample_rate, skin_hz, [0.06, 0.04, 0.03, 0.02], [1.5, 0.8, 0.5, 0.3])
        level = 1.0 if strong else rng.uniform(0.3, 0.7)
        add_at(waveform, level * hit, seconds_to_samples(onset_s, sample_rate))
    return room(rng, waveform, sample_rate, 0.5, -12)
