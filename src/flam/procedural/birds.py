"""Birds: song, hoots and caws."""

from __future__ import annotations

import numpy as np

from flam.core import seconds_to_samples
from flam.procedural.envelopes import add_at, contour, gate, rhythm, seconds
from flam.procedural.generator import sound
from flam.procedural.noise import band_noise, hush, room
from flam.procedural.tones import harmonic_tone, voice


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
