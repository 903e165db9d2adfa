"""Animals on the ground and in the air: barks, meows, bleats, croaks and stridulation; song, hoots and caws."""

from __future__ import annotations

import numpy as np

from flam.core import seconds_to_samples
from flam.procedural.generator import sound
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
    seconds,
    strike_envelope,
    voice,
)


@sound("dog bark", "a dog barking", "event", (0.8, 4.0))
def dog_bark(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Short rough barks: pitch jumps up and falls, the mouth opens and closes."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    base_hz, mouth, gap_s = rng.uniform(470, 620), rng.uniform(1.2, 1.45), rng.uniform(0.4, 0.6)
    for onset_s in rhythm(rng, duration_s, gap_s, 0.2, tail_s=0.25):
        n_samples = seconds_to_samples(rng.uniform(0.18, 0.22), sample_rate)
        pitch_hz = base_hz * contour(n_samples, [(0, 0.7), (0.2, 1.3), (0.5, 1.1), (1, 0.55)])
        first_hz = mouth * contour(n_samples, [(0, 500), (0.3, 1000), (1, 500)])
        second_hz = mouth * contour(n_samples, [(0, 1200), (0.3, 1700), (1, 1200)])
        formants_hz: list[np.ndarray | float] = [first_hz, second_hz, 3000 * mouth]
        bark = voice(rng, pitch_hz, sample_rate, formants_hz, [200, 300, 600], -7, 0.08, 0.2)
        bark /= np.abs(bark).max()
        rasp = band_noise(rng, n_samples, sample_rate, 400, 5000)
        bark += 0.05 * resonate(rasp, sample_rate, [1000 * mouth, 1800 * mouth], [400, 700], [1, 0.7])
        bark *= rng.uniform(0.8, 1) * contour(n_samples, [(0, 0), (0.08, 1), (0.4, 0.6), (1, 0)])
        add_at(waveform, bark, seconds_to_samples(onset_s, sample_rate))
    return room(rng, waveform, sample_rate, rng.uniform(0.3, 0.6), -14)


@sound("cat purr", "a cat purring", "event", (2.0, 8.0))
def cat_purr(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Soft pulses, about 22 a second, each a little different, louder as the breath goes in."""
    n_samples = seconds_to_samples(duration_s, sample_rate)
    breath = np.sin(2 * np.pi * rng.uniform(0.3, 0.5) * seconds(n_samples, sample_rate) + rng.uniform(0, 6))
    rate_hz = rng.uniform(21.5, 23.5) * (1 + 0.08 * breath) * (1 + 0.2 * drift(rng, n_samples, sample_rate, 25))
    phase = np.cumsum(rate_hz) / sample_rate
    impulses = np.where(np.diff(np.floor(phase), prepend=0) > 0, rng.uniform(0.4, 1, n_samples), 0)
    n_pulse = seconds_to_samples(0.06, sample_rate)
    low_hz, high_hz, decay_s = rng.uniform(50, 190), rng.uniform(490, 950), rng.uniform(0.004, 0.008)
    pulse = band_noise(rng, n_pulse, sample_rate, low_hz, high_hz, -2)
    purr = convolve(impulses, pulse * strike_envelope(n_pulse, sample_rate, 0.0005, decay_s))
    flow = 0.4 + np.maximum(0, np.cos(2 * np.pi * phase - 0.6)) ** 2
    air = band_noise(rng, n_samples, sample_rate, 200, rng.uniform(2000, 4500), -2) * flow
    depth = rng.uniform(0.38, 0.49)
    waveform = (purr / purr.std() + rng.uniform(0.1, 0.16) * air) * (1 - depth + depth * breath)
    return hush(rng, waveform, sample_rate, rng.uniform(-29, -25))


@sound("crickets", "crickets chirping", "background", (3.0, 30.0))
def crickets(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Wing strokes: groups of short falling pulses near 4.5 kHz; one insect close by and others far away."""
    n_samples = seconds_to_samples(duration_s, sample_rate)
    waveform = np.zeros(n_samples)
    for insect in range(rng.integers(1, 4)):
        carrier_hz, strokes_hz = rng.uniform(4300, 4700), rng.uniform(23, 27)
        n_chirp = int(rng.integers(4, 7) * sample_rate / strokes_hz)
        t = seconds(n_chirp, sample_rate)
        stroke = (t * strokes_hz) % 1
        swell = np.minimum(1, 0.4 + t / t[-1]) * np.sin(np.pi * np.clip(stroke / 0.6, 0, 1))
        chirp = harmonic_tone(carrier_hz * (1.02 - 0.03 * stroke), sample_rate, [1, 0.2]) * swell
        level = 1.0 if insect == 0 else rng.uniform(0.03, 0.1)
        for onset_s in rhythm(rng, duration_s, rng.uniform(0.42, 0.5), 0.05):
            add_at(waveform, level * chirp, seconds_to_samples(onset_s, sample_rate))
    grass = 0.003 * band_noise(rng, n_samples, sample_rate, 2500, 9000)
    night = room(rng, waveform, sample_rate, 0.3, -18)[:n_samples] + grass
    return hush(rng, night, sample_rate, rng.uniform(-48, -43))


@sound("bee", "a bee buzzing", "event", (2.0, 8.0))
def bee(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Wing beats near 220 Hz, coming close and going away."""
    n_samples = seconds_to_samples(duration_s, sample_rate)
    pitch_hz = rng.uniform(180, 250) * (
        1 + 0.06 * drift(rng, n_samples, sample_rate, 2.5) + 0.05 * drift(rng, n_samples, sample_rate, 40)
    )
    near = 0.55 + 0.45 * drift(rng, n_samples, sample_rate, 1)
    buzz = harmonic_tone(pitch_hz, sample_rate, [k**-0.8 for k in range(1, 22)])
    buzz *= 1 + 0.4 * drift(rng, n_samples, sample_rate, 60)
    return (buzz + 0.5 * band_noise(rng, n_samples, sample_rate, 200, 3000, -3)) * near


@sound("cat meow", "a cat meowing", "event", (0.8, 4.0))
def cat_meow(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """The mouth opens and closes once, on an arch of pitch."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    base_hz, arch = rng.uniform(530, 780), rng.uniform(1.1, 1.33)
    length_s, peak = rng.uniform(0.45, 0.92), rng.uniform(0.3, 0.63)
    closed_hz, open_hz = rng.uniform(490, 770), rng.uniform(1280, 1700)
    front_hz, middle_hz, bandwidth_hz = rng.uniform(1620, 2150), rng.uniform(1580, 2350), rng.uniform(140, 330)
    tilt_db, roughness, breath = rng.uniform(-3.8, -0.8), rng.uniform(0.004, 0.02), rng.uniform(0.03, 0.16)
    for onset_s in rhythm(rng, duration_s, length_s + rng.uniform(0.3, 0.9), 0.1, tail_s=0.4):
        n_samples = seconds_to_samples(length_s * rng.uniform(0.9, 1.1), sample_rate)
        pitch_hz = base_hz * rng.uniform(0.96, 1.04) * contour(n_samples, [(0, 0.85), (peak, arch), (1, 0.75)])
        formants_hz: list[np.ndarray | float] = [
            contour(n_samples, [(0, closed_hz), (peak, open_hz), (1, closed_hz)]),
            contour(n_samples, [(0, front_hz), (peak, middle_hz), (1, 0.7 * front_hz)]),
            4000,
        ]
        bandwidths_hz = [bandwidth_hz, 1.4 * bandwidth_hz, 800]
        meow = voice(rng, pitch_hz, sample_rate, formants_hz, bandwidths_hz, tilt_db, roughness, breath)
        meow *= contour(n_samples, [(0, 0), (peak, 1), (0.85, 0.5), (1, 0)]) / np.abs(meow).max()
        add_at(waveform, meow * rng.uniform(0.7, 1), seconds_to_samples(onset_s, sample_rate))
    return hush(rng, room(rng, waveform, sample_rate, 0.4, rng.uniform(-15, -9)), sample_rate, rng.uniform(-37, -27))


@sound("sheep", "a sheep bleating", "event", (1.0, 5.0))
def sheep(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """A bleat trembles 7 to 10 times a second."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    base_hz, size, tremble_hz = rng.uniform(200, 360), rng.uniform(0.9, 1.15), rng.uniform(7, 10)
    for onset_s in rhythm(rng, duration_s, rng.uniform(1.3, 2.2), 0.15, tail_s=0.5):
        n_samples = seconds_to_samples(min(rng.uniform(0.6, 1.1), max(duration_s - onset_s, 0.3)), sample_rate)
        tremble = np.sin(2 * np.pi * tremble_hz * seconds(n_samples, sample_rate))
        pitch_hz = base_hz * (1 + 0.05 * tremble) * contour(n_samples, [(0, 0.95), (0.2, 1.08), (1, 0.88)])
        first_hz = size * contour(n_samples, [(0, 500), (0.2, 800), (1, 700)])
        formants_hz: list[np.ndarray | float] = [first_hz, 1700 * size, 2800 * size, 4000]
        bleat = voice(rng, pitch_hz, sample_rate, formants_hz, [130, 200, 300, 500], -1, 0.02, 0.08)
        bleat *= (1 + 0.45 * tremble) * gate(n_samples, sample_rate, 0.06, 0.15) / np.abs(bleat).max()
        add_at(waveform, bleat, seconds_to_samples(onset_s, sample_rate))
    return hush(rng, room(rng, waveform, sample_rate, 0.6, -12), sample_rate, -48)


@sound("frog", "frogs croaking", "event", (2.0, 8.0))
def frog(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Pulses of a vocal sac in groups: each frog its own pitch and beat, one near and others far."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    for animal in range(rng.integers(2, 6)):
        pulses_hz, length_s = rng.uniform(22, 45), rng.uniform(0.15, 0.4)
        n_samples = seconds_to_samples(length_s, sample_rate)
        place = (seconds(n_samples, sample_rate) * pulses_hz) % 1
        pitch_hz = rng.uniform(900, 2400) * contour(n_samples, [(0, 0.9), (0.6, 1), (1, 1.06)])
        croak = harmonic_tone(pitch_hz, sample_rate, [1, 0.3, 0.12, 0.05]) * gate(n_samples, sample_rate, 0.02)
        croak *= np.exp(-place * rng.uniform(3, 5)) * np.minimum(1, 20 * place)
        level = 1.0 if animal == 0 else rng.uniform(0.1, 0.5)
        start_s = 0.0 if animal == 0 else rng.uniform(0, min(0.6, duration_s / 2))
        for onset_s in rhythm(rng, duration_s - start_s, length_s + rng.uniform(0.15, 0.6), 0.1, tail_s=0.2):
            add_at(waveform, level * rng.uniform(0.8, 1) * croak, seconds_to_samples(start_s + onset_s, sample_rate))
    return hush(rng, room(rng, waveform, sample_rate, 0.8, -9), sample_rate, rng.uniform(-46, -40))


@sound("birds chirping", "birds chirping", "event", (2.0, 9.5))
def birds_chirping(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Two to four birds, each repeating its own phrase of swept notes."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    for bird in range(rng.integers(2, 5)):
        phrase = np.zeros(0)
        center_hz, level = rng.uniform(2800, 5500), rng.uniform(0.3, 1)
        for _ in range(rng.integers(2, 6)):
            n_note = seconds_to_samples(rng.uniform(0.05, 0.16), sample_rate)
            sweep = contour(
                n_note,
                [
                    (0, rng.uniform(0.8, 1.3)),
                    (rng.uniform(0.3, 0.7), rng.uniform(0.75, 1.3)),
                    (1, rng.uniform(0.7, 1.2)),
                ],
            )
            trill = 1 + rng.choice([0, 0.05]) * np.sin(2 * np.pi * rng.uniform(30, 60) * seconds(n_note, sample_rate))
            note = harmonic_tone(center_hz * sweep * trill, sample_rate, [1, 0.12, 0.04]) * gate(
                n_note, sample_rate, 0.02
            )
            phrase = np.concatenate([phrase, note, np.zeros(seconds_to_samples(rng.uniform(0.03, 0.09), sample_rate))])
        wait_s = 0.0 if bird == 0 else rng.uniform(0, min(1.0, duration_s / 2))
        for onset_s in rhythm(
            rng, duration_s - wait_s, len(phrase) / sample_rate + rng.uniform(0.3, 0.9), 0.3, tail_s=0.3
        ):
            add_at(waveform, level * phrase, seconds_to_samples(wait_s + onset_s, sample_rate))
    return room(rng, waveform, sample_rate, 0.8, -9)


@sound("owl", "an owl hooting", "event", (2.0, 8.0))
def owl(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Hollow hoots between 220 and 300 Hz in the rhythm of the species, quavering, each falling at its end."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    base_hz, peak, fall = rng.uniform(220, 300), rng.uniform(0.25, 0.45), rng.uniform(0.81, 0.93)
    quaver_hz, quaver, overtones = rng.uniform(9, 16), rng.uniform(0.01, 0.02), [1, rng.uniform(0.05, 0.4), 0.03]
    lengths_s = [[0.5, 0.2, 0.9], [0.3, 0.15, 0.15, 0.4, 0.4], [0.4, 0.8], [0.25, 0.25, 0.6]][rng.integers(4)]
    for call_s in rhythm(rng, duration_s, sum(lengths_s) + rng.uniform(1.0, 2.0), 0.1, tail_s=0.5):
        onset_s = call_s
        for length_s in lengths_s:
            n_samples = seconds_to_samples(length_s * rng.uniform(0.9, 1.1), sample_rate)
            pitch_hz = base_hz * contour(n_samples, [(0, 0.92), (peak, 1.03), (1, fall)])
            pitch_hz *= 1 + quaver * np.sin(2 * np.pi * quaver_hz * seconds(n_samples, sample_rate))
            hoot = harmonic_tone(pitch_hz, sample_rate, overtones)
            hoot += rng.uniform(0.02, 0.05) * band_noise(rng, n_samples, sample_rate, 0.7 * base_hz, 3 * base_hz)
            hoot *= contour(n_samples, [(0, 0), (peak, 1), (1, 0)])
            add_at(waveform, hoot, seconds_to_samples(onset_s, sample_rate))
            onset_s += length_s + rng.uniform(0.1, 0.25)
    wood = room(rng, waveform, sample_rate, rng.uniform(0.6, 2.2), rng.uniform(-13, -7))
    return hush(rng, wood, sample_rate, rng.uniform(-46, -40))


@sound("crow", "a crow cawing", "event", (1.0, 5.0))
def crow(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Harsh caws: half voice, half breath, the bill open in the middle."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    base_hz, length_s = rng.uniform(420, 560), rng.uniform(0.3, 0.5)
    for onset_s in rhythm(rng, duration_s, length_s + rng.uniform(0.2, 0.5), 0.1, tail_s=0.3):
        n_samples = seconds_to_samples(length_s * rng.uniform(0.9, 1.1), sample_rate)
        pitch_hz = base_hz * contour(n_samples, [(0, 0.9), (0.25, 1.05), (0.7, 1), (1, 0.85)])
        bill = contour(n_samples, [(0, 0.8), (0.3, 1.05), (1, 0.85)])
        formants_hz: list[np.ndarray | float] = [1400 * bill, 2200 * bill, 3300, 4800]
        caw = voice(rng, pitch_hz, sample_rate, formants_hz, [400, 400, 700, 900], 0, 0.05, 0.6)
        caw *= contour(n_samples, [(0, 0), (0.12, 1), (0.7, 0.8), (1, 0)]) / np.abs(caw).max()
        add_at(waveform, caw * rng.uniform(0.7, 1), seconds_to_samples(onset_s, sample_rate))
    return hush(rng, room(rng, waveform, sample_rate, 0.8, -10), sample_rate, rng.uniform(-46, -38))
