"""What people do: cry, applaud, live."""

from __future__ import annotations

import numpy as np

from flam.core import seconds_to_samples
from flam.synth.procedural.envelopes import add_at, contour, gate, rhythm, seconds
from flam.synth.procedural.generator import sound
from flam.synth.procedural.impacts import thump
from flam.synth.procedural.noise import band_noise, room, scattered
from flam.synth.procedural.tones import struck_modes, voice


@sound("baby crying", "a baby crying", "event", (2.0, 8.0))
def baby_cry(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Long cries with arching pitch and a gasp between them."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    base_hz = rng.uniform(380, 480)
    for onset_s in rhythm(rng, duration_s, rng.uniform(1.0, 1.4), 0.15, tail_s=0.5):
        n_samples = seconds_to_samples(min(rng.uniform(0.7, 0.95), duration_s - onset_s), sample_rate)
        vibrato = 1 + 0.02 * np.sin(2 * np.pi * rng.uniform(5, 8) * seconds(n_samples, sample_rate))
        pitch_hz = base_hz * vibrato * contour(n_samples, [(0, 0.85), (0.2, 1.2), (0.7, 1.1), (1, 0.75)])
        first_hz = contour(n_samples, [(0, 800), (0.3, 1200), (1, 900)])
        cry = voice(rng, pitch_hz, sample_rate, [first_hz, 1900, 3600, 5000], [250, 350, 500, 600], -3, 0.015, 0.05)
        cry *= contour(n_samples, [(0, 0), (0.1, 1), (0.7, 0.8), (1, 0)])
        add_at(waveform, cry, seconds_to_samples(onset_s, sample_rate))
        gasp = 0.05 * np.abs(cry).max() * band_noise(rng, sample_rate // 6, sample_rate, 1000, 5000)
        add_at(
            waveform, gasp * gate(len(gasp), sample_rate, 0.06), seconds_to_samples(onset_s, sample_rate) + n_samples
        )
    return room(rng, waveform, sample_rate, 0.4, -12)


@sound("applause", "an audience applauding", "event", (3.0, 10.0))
def applause(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Hundreds of claps a second near and far, in a hall."""
    n_samples = seconds_to_samples(duration_s, sample_rate)
    swell = np.minimum(1, np.minimum(np.linspace(0.3, 5, n_samples), np.linspace(4, 0.2, n_samples)))
    waveform, rate_hz = np.zeros(n_samples), rng.uniform(250, 500)
    for _ in range(40):
        center_hz = rng.uniform(800, 2500)
        hands = thump(rng, sample_rate, 0.05, 0.5 * center_hz, 1.8 * center_hz, rng.uniform(0.0015, 0.003))
        claps = scattered(rng, hands, n_samples, sample_rate, rate_hz / 40 * swell, 4)
        waveform += rng.uniform(0.3, 1) * claps
    far = np.sqrt(np.mean(waveform**2)) * band_noise(rng, n_samples, sample_rate, 700, 5000, -3) * swell
    return room(rng, waveform + 0.4 * far, sample_rate, 0.8, rng.uniform(-6, -3))[:n_samples]


@sound("heartbeat", "a heart beating", "event", (3.0, 8.0))
def heartbeat(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """First and second heart sound: two soft thumps below 150 Hz."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    pitch_hz = rng.uniform(40, 65)
    for onset_s in rhythm(rng, duration_s, rng.uniform(0.65, 1.0), 0.03, tail_s=0.4):
        for delay_s, level, shift in ((0.0, 1.0, 1.0), (rng.uniform(0.28, 0.33), 0.7, 1.3)):
            beat = struck_modes(
                sample_rate // 3,
                sample_rate,
                pitch_hz * shift * np.array([1, 1.7, 2.6]),
                [0.035, 0.025, 0.015],
                [1, 0.6, 0.3],
            )
            add_at(waveform, level * beat, seconds_to_samples(onset_s + delay_s, sample_rate))
    return waveform
