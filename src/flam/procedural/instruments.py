"""Bells and musical instruments: struck, plucked and blown."""

from __future__ import annotations

import numpy as np

from flam.core import seconds_to_samples
from flam.procedural.generator import sound
from flam.procedural.impacts import thump
from flam.procedural.synthesis import add_at, band_noise, gate, harmonic_tone, hush, rhythm, room, seconds, struck_modes

# hum, prime, tierce, quint, nominal and above (Rossing, Science of Percussion Instruments, 2000)
CHURCH_RATIOS = np.array([0.5, 1, 1.2, 1.5, 2, 2.5, 2.67, 3, 4, 5.33, 6.67, 8.1, 9.7, 11.3, 13.0])
CHURCH_LEVELS = np.array([0.5, 0.6, 0.7, 0.35, 1, 0.35, 0.4, 0.7, 0.7, 0.6, 0.5, 0.4, 0.35, 0.3, 0.2])

# bending modes of a bar or tube with free ends
BAR_RATIOS = np.array([1, 2.756, 5.404, 8.933])
BAR_LEVELS = np.array([1, 0.5, 0.2, 0.08])
PENTATONIC = 2.0 ** (np.array([0, 2, 4, 7, 9, 12, 14, 16, 19]) / 12)


@sound("church bells", "church bells ringing", "event", (3.0, 10.0))
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


@sound("doorbell", "a doorbell", "event", (1.2, 4.0))
def doorbell(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Ding-dong: two struck bars, each a beating pair with two overtones, about a third apart."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    high_hz, interval = rng.uniform(850, 1080), rng.choice([5 / 4, 4 / 3, 6 / 5])
    ratios, levels = (
        np.array([1, rng.uniform(1.003, 1.01), 3, 5.4]),
        [1, 0.5, rng.uniform(0.1, 0.6), rng.uniform(0.04, 0.35)],
    )
    gap_s, decays_s = rng.uniform(0.4, 0.8), rng.uniform(0.8, 1.3) / ratios ** rng.uniform(0.38, 0.5)
    for press_s in rhythm(rng, duration_s, rng.uniform(1.8, 2.8), 0.1, tail_s=gap_s + 0.4):
        for number, pitch_hz in enumerate((high_hz, high_hz / interval)):
            n_samples = seconds_to_samples(5 * decays_s[0], sample_rate)
            note = struck_modes(n_samples, sample_rate, pitch_hz * ratios, decays_s, levels)
            add_at(waveform, note, seconds_to_samples(press_s + number * gap_s, sample_rate))
    return hush(rng, room(rng, waveform, sample_rate, rng.uniform(0.4, 0.9), -12), sample_rate, rng.uniform(-52, -45))


@sound("wind chime", "wind chimes tinkling", "event", (3.0, 9.5))
def wind_chime(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Five to eight tubes touched at random by the wind."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    tubes_hz = rng.uniform(1100, 2600) * 2 ** (np.array([0, 2, 4, 7, 9, 12, 14, 16])[: rng.integers(5, 9)] / 12)
    decay_s, rate_hz, onset_s = rng.uniform(0.25, 0.8), rng.uniform(4, 11), 0.0
    while onset_s < duration_s:
        tube_hz, levels = rng.choice(tubes_hz) * rng.uniform(0.998, 1.002), BAR_LEVELS * rng.uniform(0.3, 1, 4)
        n_samples = seconds_to_samples(5 * decay_s, sample_rate)
        tone = struck_modes(n_samples, sample_rate, tube_hz * BAR_RATIOS, decay_s / BAR_RATIOS**0.8, levels)
        add_at(waveform, tone * rng.uniform(0.1, 1) ** 1.5, seconds_to_samples(onset_s, sample_rate))
        onset_s += rng.exponential(1 / rate_hz)
    return hush(rng, room(rng, waveform, sample_rate, 0.8, -14), sample_rate, rng.uniform(-48, -41))


@sound("cowbell", "a cowbell ringing", "event", (1.0, 5.0))
def cowbell(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Folded sheet metal with a loose clapper, on an animal that walks."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    modes_hz = rng.uniform(420, 800) * np.array([1, 1.48, 2.1, 2.9, 3.6, 4.7])
    decays_s = rng.uniform(0.08, 0.25) * np.array([1, 0.9, 0.7, 0.5, 0.4, 0.3])
    for onset_s in rhythm(rng, duration_s, rng.uniform(0.25, 0.5), 0.5, tail_s=0.2):
        n_samples = seconds_to_samples(8 * decays_s[0], sample_rate)
        clank = struck_modes(n_samples, sample_rate, modes_hz, decays_s, rng.uniform(0.3, 1, 6))
        add_at(waveform, clank * rng.uniform(0.3, 1), seconds_to_samples(onset_s, sample_rate))
    return room(rng, waveform, sample_rate, 0.6, -13)


@sound("sleigh bells", "sleigh bells jingling", "event", (2.0, 7.0))
def sleigh_bells(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Fourteen small round bells shaken in rhythm."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    bells = [
        struck_modes(
            seconds_to_samples(0.5, sample_rate),
            sample_rate,
            rng.uniform(2200, 5000) * np.array([1, 1.31, 1.9, 2.4]),
            rng.uniform(0.03, 0.12, 4),
            rng.uniform(0.3, 1, 4),
        )
        for _ in range(14)
    ]
    for shake_s in rhythm(rng, duration_s, rng.uniform(0.22, 0.42), 0.03):
        for _ in range(rng.integers(10, 22)):
            onset = seconds_to_samples(shake_s + rng.exponential(0.04), sample_rate)
            add_at(waveform, rng.uniform(0.1, 0.7) * bells[rng.integers(14)], onset)
    return room(rng, waveform, sample_rate, 0.6, -14)


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
