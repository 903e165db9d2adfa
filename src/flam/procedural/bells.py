"""Things that ring: bells, bowls, bars and tubes, by modal synthesis."""

from __future__ import annotations

import numpy as np

from flam.core import seconds_to_samples
from flam.procedural.envelopes import add_at, rhythm
from flam.procedural.generator import sound
from flam.procedural.noise import hush, room
from flam.procedural.tones import struck_modes

# hum, prime, tierce, quint, nominal and above (Rossing, Science of Percussion Instruments, 2000)
CHURCH_RATIOS = np.array([0.5, 1, 1.2, 1.5, 2, 2.5, 2.67, 3, 4, 5.33, 6.67, 8.1, 9.7, 11.3, 13.0])
CHURCH_LEVELS = np.array([0.5, 0.6, 0.7, 0.35, 1, 0.35, 0.4, 0.7, 0.7, 0.6, 0.5, 0.4, 0.35, 0.3, 0.2])

# bending modes of a bar or tube with free ends
BAR_RATIOS = np.array([1, 2.756, 5.404, 8.933])
BAR_LEVELS = np.array([1, 0.5, 0.2, 0.08])


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
