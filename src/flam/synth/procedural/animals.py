"""Animals: barks, purrs, song and stridulation."""

from __future__ import annotations

import numpy as np

from flam.core import seconds_to_samples
from flam.synth.procedural.envelopes import add_at, contour, drift, gate, rhythm, seconds
from flam.synth.procedural.generator import sound
from flam.synth.procedural.noise import band_noise, convolve, resonate, room
from flam.synth.procedural.tones import harmonic_tone, voice


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


@sound("cat purring", "a cat purring", "event", (2.0, 8.0))
def cat_purr(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Soft pulses at 25 a second, in and out with the breath."""
    n_samples = seconds_to_samples(duration_s, sample_rate)
    t = seconds(n_samples, sample_rate)
    breath = 0.55 + 0.45 * np.sin(2 * np.pi * rng.uniform(0.3, 0.5) * t)
    rate_hz = rng.uniform(23, 28) * (1 + 0.08 * breath)
    phase = np.cumsum(rate_hz) / sample_rate
    impulses = np.where(np.diff(np.floor(phase), prepend=0) > 0, rng.uniform(0.7, 1, n_samples), 0)
    n_pulse = seconds_to_samples(0.04, sample_rate)
    pulse = band_noise(rng, n_pulse, sample_rate, 80, 1200, -3) * np.exp(-np.arange(n_pulse) / (0.006 * sample_rate))
    air = 0.05 * band_noise(rng, n_samples, sample_rate, 300, 4000, -3)
    return (convolve(impulses, pulse) + air) * breath


@sound("birds chirping", "birds chirping", "event", (2.0, 10.0))
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
    return room(rng, waveform, sample_rate, 0.3, -18)[:n_samples] + grass


@sound("bee buzzing", "a bee buzzing", "event", (2.0, 8.0))
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
