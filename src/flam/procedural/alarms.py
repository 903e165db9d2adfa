"""Signals made to be noticed: sirens, beeps, telephones, and the horns and whistles of cars, trains and ships."""

from __future__ import annotations

import numpy as np

from flam.core import seconds_to_samples
from flam.procedural.generator import sound
from flam.procedural.synthesis import (
    add_at,
    band_noise,
    contour,
    drift,
    gate,
    harmonic_tone,
    hush,
    resonate,
    rhythm,
    room,
    seconds,
    struck_modes,
)


def beep(frequency_hz: float, length_s: float, sample_rate: int, amplitudes: list[float]) -> np.ndarray:
    """Electronic beep: a steady tone with short ramps."""
    n_samples = seconds_to_samples(length_s, sample_rate)
    tone = harmonic_tone(np.full(n_samples, float(frequency_hz)), sample_rate, amplitudes)
    return tone * gate(n_samples, sample_rate, 0.003)


def horn(pitch_hz: np.ndarray, sample_rate: int, brightness: float) -> np.ndarray:
    """Reed or membrane with many harmonics behind a flaring horn."""
    return harmonic_tone(pitch_hz, sample_rate, [k**-brightness for k in range(1, 25)])


@sound("siren", "a siren wailing", "event", (4.0, 10.0))
def siren(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Emergency vehicle: slow wail, fast yelp or two tones."""
    t = seconds(seconds_to_samples(duration_s, sample_rate), sample_rate)
    style = rng.choice(["wail", "yelp", "two-tone"])
    if style == "two-tone":
        low_hz, period_s = rng.uniform(420, 480), rng.uniform(0.9, 1.3)
        pitch_hz = low_hz * np.where((t / period_s) % 1 < 0.5, 1.0, rng.uniform(1.3, 1.36))
    else:
        period_s = rng.uniform(2.5, 5.0) if style == "wail" else rng.uniform(0.28, 0.4)
        swing = 0.5 - 0.5 * np.cos(2 * np.pi * t / period_s + rng.uniform(0, 1.5))
        pitch_hz = rng.uniform(520, 680) * rng.uniform(2.0, 2.5) ** swing
    tone = horn(pitch_hz, sample_rate, brightness=rng.uniform(0.9, 1.3))
    tone = resonate(tone, sample_rate, [rng.uniform(900, 1300), 2400], [700, 1500], [1, 0.5])
    return room(rng, tone * gate(len(t), sample_rate, 0.1), sample_rate, 1.2, -9)


@sound("alarm clock", "an alarm clock beeping", "event", (2.0, 6.0))
def alarm_clock(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Digital clock: groups of short square beeps."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    frequency_hz, n_beeps = rng.uniform(1900, 2300), rng.integers(3, 5)
    length_s, period_s = rng.uniform(0.05, 0.075), rng.uniform(0.95, 1.1)
    one = beep(frequency_hz, length_s, sample_rate, [1, 0.05, 0.45, 0.03, 0.25])
    for group_s in rhythm(rng, duration_s, period_s, tail_s=0.5):
        for number in range(n_beeps):
            add_at(waveform, one, seconds_to_samples(group_s + number * length_s * 2, sample_rate))
    return waveform


@sound("telephone", "a telephone ringing", "event", (2.0, 7.0))
def telephone(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Two gongs struck in turn by a clapper, in bursts."""
    n_samples = seconds_to_samples(duration_s, sample_rate)
    ratios = np.array([1, 2.6, 4.5, 6.8, 9.1])
    gongs = [
        struck_modes(
            sample_rate // 2,
            sample_rate,
            pitch_hz * ratios,
            rng.uniform(0.05, 0.25) / ratios**0.4,
            [1, 0.8, 0.5, 0.4, 0.3],
        )
        for pitch_hz in rng.uniform(900, 1400) * np.array([1, rng.uniform(1.15, 1.3)])
    ]
    strikes_hz, on_s, off_s = rng.uniform(20, 26), rng.uniform(1.0, 2.0), rng.uniform(0.4, 1.2)
    waveform = np.zeros(n_samples)
    for burst_s in rhythm(rng, duration_s, on_s + off_s, tail_s=0.8):
        for number, strike_s in enumerate(np.arange(0, min(on_s, duration_s - burst_s - 0.2), 1 / strikes_hz)):
            grain = gongs[number % 2] * rng.uniform(0.8, 1)
            add_at(waveform, grain, seconds_to_samples(burst_s + strike_s, sample_rate))
    return waveform


@sound("smoke alarm", "a smoke alarm beeping", "event", (3.0, 8.0))
def smoke_alarm(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Piezo sounder near 3.1 kHz in the three-beep pattern."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    length_s = rng.uniform(0.35, 0.55)
    one = beep(rng.uniform(2950, 3300), length_s, sample_rate, [1, 0.1, 0.3])
    for group_s in rhythm(rng, duration_s, length_s * 6 + 0.8, tail_s=0.5):
        for number in range(3):
            add_at(waveform, one, seconds_to_samples(group_s + number * length_s * 1.9, sample_rate))
    return waveform


@sound("car horn", "a car horn honking", "event", (0.8, 4.0))
def car_horn(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Two electric horns about a third apart, honked once or more."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    low_hz, interval = rng.uniform(330, 430), rng.uniform(1.18, 1.27)
    onset_s = 0.0
    while onset_s < duration_s - 0.25:
        length_s = min(rng.uniform(0.3, 1.5), duration_s - onset_s)
        n_samples = seconds_to_samples(length_s, sample_rate)
        bend = contour(n_samples, [(0, 0.97), (0.08, 1), (1, 1)])
        tone = horn(low_hz * bend, sample_rate, 0.6) + horn(low_hz * interval * bend, sample_rate, 0.6)
        tone = resonate(tone, sample_rate, [600, rng.uniform(1900, 2600), 3500], [600, 1200, 1500], [1, 1, 0.5])
        add_at(waveform, tone * gate(n_samples, sample_rate, 0.02, 0.04), seconds_to_samples(onset_s, sample_rate))
        onset_s += length_s + rng.uniform(0.1, 0.5)
    return room(rng, waveform, sample_rate, 0.8, -12)


@sound("reversing beeps", "a truck beeping as it reverses", "event", (3.0, 8.0))
def reversing_beeps(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Reversing alarm: half a second of tone, half a second without, in the noise of a yard."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    period_s = rng.uniform(0.8, 1.1)
    overtones = [1, rng.uniform(0.02, 0.15), rng.uniform(0.05, 0.2), 0.05, rng.uniform(0.02, 0.1)]
    one = beep(rng.uniform(1100, 2000), period_s / 2, sample_rate, overtones)
    for onset_s in rhythm(rng, duration_s, period_s, tail_s=period_s / 2):
        add_at(waveform, one, seconds_to_samples(onset_s, sample_rate))
    return hush(rng, room(rng, waveform, sample_rate, 0.8, -9), sample_rate, rng.uniform(-42, -33))


@sound("phone dialing", "telephone buttons being dialed", "event", (1.5, 4.0))
def dialing(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Dual-tone dialing: one row and one column frequency per key (ITU-T Q.23)."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    length_s = rng.uniform(0.09, 0.18)
    for onset_s in rhythm(rng, duration_s, length_s * rng.uniform(1.6, 2.2), 0.15, tail_s=length_s):
        row_hz, column_hz = rng.choice([697, 770, 852, 941]), rng.choice([1209, 1336, 1477])
        key = beep(row_hz, length_s, sample_rate, [1]) + beep(column_hz, length_s, sample_rate, [1])
        add_at(waveform, key, seconds_to_samples(onset_s, sample_rate))
    return waveform


@sound("busy signal", "a telephone busy signal", "event", (2.0, 6.0))
def busy_signal(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Engaged line: 480 + 620 Hz or 425 Hz, on and off in equal parts."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    period_s = rng.uniform(0.7, 1.0)
    pair_hz = [(480, 620), (425, 425), (400, 450)][rng.integers(3)]
    one = sum(beep(f * rng.uniform(0.99, 1.01), period_s / 2, sample_rate, [1, 0.1, 0.1]) for f in pair_hz)
    for onset_s in rhythm(rng, duration_s, period_s, tail_s=period_s / 2):
        add_at(waveform, np.asarray(one), seconds_to_samples(onset_s, sample_rate))
    return waveform


@sound("dial tone", "a telephone dial tone", "event", (1.5, 6.0))
def dial_tone(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Free line: 350 + 440 Hz, steady, with the noise of the line."""
    n_samples = seconds_to_samples(duration_s, sample_rate)
    tuning, low_level = rng.uniform(0.99, 1.01), rng.uniform(0.7, 1.3)
    tone = low_level * beep(350 * tuning, duration_s, sample_rate, [1]) + beep(
        440 * tuning, duration_s, sample_rate, [1]
    )
    return tone + rng.uniform(0.01, 0.04) * band_noise(rng, n_samples, sample_rate, 300, 3400)


@sound("civil defense siren", "a civil defense siren", "event", (5.0, 9.5))
def civil_defense_siren(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Motor siren: climbs for seconds, holds and sinks, over a whole town; some sound two notes a third apart."""
    n_samples = seconds_to_samples(duration_s, sample_rate)
    rise, fall = rng.uniform(0.2, 0.4), rng.uniform(0.7, 0.85)
    pitch_hz = rng.uniform(400, 520) * contour(n_samples, [(0, 0.45), (rise, 1), (fall, 1), (1, 0.6)])
    tone = horn(pitch_hz, sample_rate, 1.0) + rng.uniform(0, 0.8) * horn(pitch_hz * 6 / 5, sample_rate, 1.0)
    tone = resonate(tone, sample_rate, [500, rng.uniform(900, 1400)], [500, 900], [1, 0.6])
    return room(rng, tone * gate(n_samples, sample_rate, 0.3, 0.5), sample_rate, 2.5, -3)[:n_samples]


@sound("car alarm", "a car alarm", "event", (3.0, 9.5))
def car_alarm(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Yelps, sweeps and two tones in turn, a second or two each."""
    n_samples = seconds_to_samples(duration_s, sample_rate)
    t, base_hz = seconds(n_samples, sample_rate), rng.uniform(700, 1000)
    pitch_hz = np.zeros(n_samples)
    for piece in np.array_split(np.arange(n_samples), int(duration_s / rng.uniform(1.2, 2.0)) + 1):
        place = (t[piece] * rng.uniform(2, 9)) % 1
        shape = [place, 1 - place, (place < 0.5).astype(float), np.abs(2 * place - 1)][rng.integers(4)]
        pitch_hz[piece] = base_hz * rng.uniform(1.6, 2.3) ** shape
    tone = resonate(
        horn(pitch_hz, sample_rate, 0.6), sample_rate, [1600, rng.uniform(2600, 3400)], [900, 1200], [1, 0.9]
    )
    return room(rng, tone * gate(n_samples, sample_rate, 0.01), sample_rate, 0.9, -9)


@sound("referee whistle", "a referee blowing a whistle", "event", (0.6, 2.5))
def referee_whistle(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Pea whistle: two close tones between 2.3 and 3.9 kHz, warbled by the pea."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    whistle_hz, pea_hz, onset_s = rng.uniform(2300, 3900), rng.uniform(25, 50), 0.0
    while onset_s < duration_s - 0.15:
        length_s = min(rng.choice([0.2, 0.4, 1.0]) * rng.uniform(0.8, 1.3), duration_s - onset_s)
        n_samples = seconds_to_samples(length_s, sample_rate)
        pea = np.sin(2 * np.pi * pea_hz * seconds(n_samples, sample_rate) + rng.uniform(0, 6))
        pitch_hz = whistle_hz * contour(n_samples, [(0, 0.9), (0.1, 1), (0.9, 1), (1, 0.92)]) * (1 + 0.02 * pea)
        tone = harmonic_tone(pitch_hz, sample_rate, [1, 0.05, 0.02]) * (1 + 0.5 * pea)
        tone += harmonic_tone(pitch_hz * 1.06, sample_rate, [0.5])
        air = 0.3 * band_noise(rng, n_samples, sample_rate, 0.8 * whistle_hz, 1.3 * whistle_hz)
        blow = (tone + air) * gate(n_samples, sample_rate, 0.02, 0.03)
        add_at(waveform, blow, seconds_to_samples(onset_s, sample_rate))
        onset_s += length_s + rng.uniform(0.08, 0.3)
    return room(rng, waveform, sample_rate, rng.uniform(0.6, 1.5), -9)


@sound("train horn", "a train blowing its horn", "event", (2.0, 6.0))
def train_horn(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Three to five air horns in a chord, in long and short blasts."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    chord_hz = rng.uniform(290, 335) * np.array([1, 1.19, 1.335, 1.6, 1.89])[: rng.integers(3, 6)]
    onset_s = 0.0
    while onset_s == 0.0 or onset_s < duration_s - 0.5:
        length_s = min(rng.uniform(0.8, 2.5), duration_s - onset_s)
        n_samples = seconds_to_samples(length_s, sample_rate)
        blast = np.zeros(n_samples)
        for pitch_hz in chord_hz:
            bend = contour(n_samples, [(0, 0.94), (0.08, 1), (0.9, 1), (1, 0.95)])
            bend *= 1 + 0.004 * drift(rng, n_samples, sample_rate, 30)
            blast += rng.uniform(0.6, 1) * horn(pitch_hz * bend, sample_rate, rng.uniform(0.7, 0.9))
        blast += 0.2 * blast.std() * band_noise(rng, n_samples, sample_rate, 300, 5000, -3)
        blast = resonate(blast, sample_rate, [700, 1500, 2600], [600, 900, 1300], [1, 0.8, 0.4])
        add_at(waveform, blast * gate(n_samples, sample_rate, 0.06, 0.12), seconds_to_samples(onset_s, sample_rate))
        onset_s += length_s + rng.uniform(0.2, 0.6)
    return room(rng, waveform, sample_rate, 2.5, -5)


@sound("train whistle", "a steam train whistling", "event", (1.5, 5.0))
def train_whistle(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Steam whistle: a breathy chord of organ pipes that slides up as it opens."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    chord_hz = rng.uniform(420, 620) * np.array([1, 1.2, 1.5, 1.8])[: rng.integers(2, 5)]
    onset_s = 0.0
    while onset_s == 0.0 or onset_s < duration_s - 0.3:
        length_s = min(rng.choice([0.4, 1.2, 2.0]) * rng.uniform(0.8, 1.2), duration_s - onset_s)
        n_samples = seconds_to_samples(length_s, sample_rate)
        bend = contour(n_samples, [(0, 0.88), (0.15, 1), (0.85, 1.0), (1, 0.9)])
        blow = 0.35 * band_noise(rng, n_samples, sample_rate, 800, 9000, -2)
        for pitch_hz in chord_hz:
            wobble = 1 + 0.006 * drift(rng, n_samples, sample_rate, 25)
            blow += harmonic_tone(pitch_hz * bend * wobble, sample_rate, [1, 0.15, 0.3, 0.05, 0.1])
            blow += 0.4 * band_noise(rng, n_samples, sample_rate, 0.9 * pitch_hz, 1.1 * pitch_hz)
        add_at(waveform, blow * gate(n_samples, sample_rate, 0.06, 0.1), seconds_to_samples(onset_s, sample_rate))
        onset_s += length_s + rng.uniform(0.15, 0.5)
    return room(rng, waveform, sample_rate, 2.0, -4)


@sound("ship horn", "a ship sounding its horn", "event", (3.0, 8.0))
def ship_horn(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Large diaphragm: a very low buzzing note that echoes across the water."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    pitch_hz, onset_s = rng.uniform(75, 160), 0.0
    while onset_s == 0.0 or onset_s < duration_s - 1.0:
        length_s = min(rng.uniform(1.8, 4.0), max(duration_s - onset_s - 0.4, 0.3))
        n_samples = seconds_to_samples(length_s, sample_rate)
        bend_hz = pitch_hz * contour(n_samples, [(0, 0.96), (0.06, 1), (0.95, 1), (1, 0.97)])
        blast = horn(bend_hz, sample_rate, rng.uniform(0.5, 0.8)) + 0.5 * horn(bend_hz * 1.004, sample_rate, 0.6)
        blast = resonate(blast, sample_rate, [rng.uniform(180, 320), 600, 1100], [250, 500, 900], [1, 0.7, 0.35])
        add_at(waveform, blast * gate(n_samples, sample_rate, 0.12, 0.25), seconds_to_samples(onset_s, sample_rate))
        onset_s += length_s + rng.uniform(0.6, 1.5)
    return room(rng, waveform, sample_rate, 3.0, -4)
