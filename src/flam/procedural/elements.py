"""Weather, water, fire, air and electricity: noise that breathes, many small grains, and plain tones."""

from __future__ import annotations

import numpy as np

from flam.core import seconds_to_samples
from flam.procedural.generator import sound
from flam.procedural.impacts import thump
from flam.procedural.synthesis import (
    add_at,
    band_noise,
    contour,
    drift,
    gate,
    harmonic_tone,
    hush,
    rhythm,
    room,
    scattered,
    seconds,
    strike_envelope,
    struck_modes,
)


def bubble(frequency_hz: float, rise: float, decay_s: float, sample_rate: int) -> np.ndarray:
    """Ringing air bubble, whose pitch rises as it nears the surface (Minnaert 1933; van den Doel 2005)."""
    n_samples = seconds_to_samples(6 * decay_s, sample_rate)
    t = seconds(n_samples, sample_rate)
    phase = 2 * np.pi * frequency_hz * (t + 0.5 * rise * t**2 / decay_s)
    return np.sin(phase) * strike_envelope(n_samples, sample_rate, 0.0008, decay_s)


def bubbles(
    rng: np.random.Generator, n_samples: int, sample_rate: int, rate_hz: float, low_hz: float, high_hz: float
) -> np.ndarray:
    """Many bubbles: 40 sizes, each scattered over time."""
    waveform = np.zeros(n_samples)
    for frequency_hz in np.exp(rng.uniform(np.log(low_hz), np.log(high_hz), 40)):
        grain = bubble(frequency_hz, rng.uniform(0, 0.15), rng.uniform(4, 10) / frequency_hz, sample_rate)
        level = (low_hz / frequency_hz) ** 0.3
        waveform += level * scattered(rng, grain, n_samples, sample_rate, rate_hz / 40)
    return waveform


@sound("rain", "rain falling", "background", (4.0, 30.0))
def rain(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Hiss of far drops and the patter of near ones."""
    n_samples = seconds_to_samples(duration_s, sample_rate)
    far = band_noise(rng, n_samples, sample_rate, rng.uniform(300, 700), 11000, rng.uniform(-3.0, -1.5), order=1)
    waveform = far * (1 + 0.15 * drift(rng, n_samples, sample_rate, 0.7))
    for _ in range(12):
        n_grain = seconds_to_samples(rng.uniform(0.002, 0.008), sample_rate)
        low_hz = rng.uniform(700, 5000)
        grain = band_noise(rng, n_grain, sample_rate, low_hz, 2.5 * low_hz) * strike_envelope(
            n_grain, sample_rate, 0.0003, n_grain / sample_rate / 4
        )
        waveform += 1.1 * scattered(rng, grain, n_samples, sample_rate, rng.uniform(8, 40), 7)
    return waveform


@sound("wind", "wind blowing", "background", (4.0, 30.0))
def wind(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Turbulence: bands that grow with the gusts, the higher the faster, and a whistle at the peak."""
    n_samples = seconds_to_samples(duration_s, sample_rate)
    gust = np.clip(
        0.55 + 0.35 * drift(rng, n_samples, sample_rate, 0.35) + 0.12 * drift(rng, n_samples, sample_rate, 1.5), 0.1, 1
    )
    waveform = 1.2 * band_noise(rng, n_samples, sample_rate, 40, 160, -3) * gust
    for center_hz, power in ((200, 1.3), (330, 1.8), (480, 2.5)):
        middle_hz = center_hz * rng.uniform(0.85, 1.15)
        layer = band_noise(rng, n_samples, sample_rate, 0.75 * middle_hz, 1.3 * middle_hz)
        waveform += layer * gust**power * (1 + 0.4 * drift(rng, n_samples, sample_rate, 2.0))
    whistle_hz = rng.uniform(500, 900)
    whistle = band_noise(rng, n_samples, sample_rate, 0.96 * whistle_hz, 1.04 * whistle_hz, order=4)
    return waveform + rng.uniform(0.6, 1.5) * whistle * gust**3


@sound("thunder", "thunder rumbling", "event", (3.0, 8.0))
def thunder(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """A crack, then rumbles from ever farther along the lightning, each darker than the last."""
    n_samples = seconds_to_samples(duration_s, sample_rate)
    waveform = np.zeros(n_samples)
    nearness = rng.uniform(0.2, 1)
    for _ in range(int(8 + 3 * duration_s)):
        part = rng.beta(1, 2.2)
        high_hz = (120 + 700 * nearness * (1 - part) ** 2) * rng.uniform(0.5, 1.5)
        n_grain = seconds_to_samples(rng.uniform(1.0, 3.0), sample_rate)
        grain = band_noise(rng, n_grain, sample_rate, 25, high_hz, -4)
        grain *= strike_envelope(n_grain, sample_rate, rng.uniform(0.03, 0.25), n_grain / sample_rate / 4)
        add_at(waveform, grain * rng.uniform(0.3, 1) * (1 - part), int(part * 0.8 * n_samples))
    n_crack = sample_rate
    crack = band_noise(rng, n_crack, sample_rate, 80, 4000, -3) * strike_envelope(n_crack, sample_rate, 0.002, 0.12)
    add_at(waveform, 0.4 * nearness * crack, 0)
    waveform = room(rng, waveform, sample_rate, 2.5, -4)[:n_samples] * gate(
        n_samples, sample_rate, 0.005, 0.4 * duration_s
    )
    return hush(rng, waveform, sample_rate, rng.uniform(-46, -36))


@sound("sea waves", "waves breaking on a beach", "background", (6.0, 30.0))
def sea_waves(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Swell, break and hissing retreat, over a distant roar."""
    n_samples = seconds_to_samples(duration_s, sample_rate)
    roar = band_noise(rng, n_samples, sample_rate, 80, 900, -3)
    body = band_noise(rng, n_samples, sample_rate, 200, 2500, -2)
    hiss = band_noise(rng, n_samples, sample_rate, 1500, 9000, -2)
    body_level, hiss_level = np.zeros(n_samples), np.zeros(n_samples)
    for onset_s in rhythm(rng, duration_s, rng.uniform(3.5, 6.0), 0.3):
        n_wave = seconds_to_samples(rng.uniform(4, 7), sample_rate)
        peak, height = rng.uniform(0.3, 0.45), rng.uniform(0.5, 1)
        add_at(
            body_level,
            height * contour(n_wave, [(0, 0), (peak, 1), (0.8, 0.15), (1, 0)]),
            seconds_to_samples(onset_s, sample_rate),
        )
        add_at(
            hiss_level,
            height * contour(n_wave, [(0, 0), (peak, 0.3), (peak + 0.15, 1), (1, 0)]),
            seconds_to_samples(onset_s, sample_rate),
        )
    return 0.25 * roar + body * (0.1 + body_level) + 0.6 * hiss * (0.08 + hiss_level)


@sound("stream", "water flowing in a stream", "background", (4.0, 30.0))
def stream(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Bubbles of all sizes over the hiss of broken water."""
    n_samples = seconds_to_samples(duration_s, sample_rate)
    waveform = bubbles(rng, n_samples, sample_rate, rng.uniform(250, 500), rng.uniform(350, 500), 4000)
    waveform /= np.sqrt(np.mean(waveform**2))
    return waveform + rng.uniform(0.8, 1.2) * band_noise(rng, n_samples, sample_rate, 400, 6000, -3)


@sound("water drops", "water dripping", "event", (2.0, 8.0))
def water_drops(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Single drops, the click of the impact and the bubble it traps, over a faint trickle."""
    n_samples = seconds_to_samples(duration_s, sample_rate)
    waveform = rng.uniform(0.015, 0.035) * bubbles(rng, n_samples, sample_rate, 20, 800, 4000)
    pitch_hz, spread, click = rng.uniform(650, 1300), rng.uniform(0.1, 0.22), rng.uniform(0.02, 0.2)
    rise, decay_s = rng.uniform(0.013, 0.12), rng.uniform(0.006, 0.012)
    for onset_s in rhythm(rng, duration_s, rng.uniform(0.4, 0.7), 0.3, tail_s=0.2):
        drop_hz = pitch_hz * np.exp(spread * rng.uniform(-1, 1))
        drop = bubble(drop_hz, rise * rng.uniform(0.7, 1.3), decay_s * rng.uniform(0.7, 1.3), sample_rate)
        start = seconds_to_samples(onset_s, sample_rate)
        add_at(waveform, click * thump(rng, sample_rate, 0.02, 1500, 9000, 0.0015), start)
        add_at(waveform, drop * rng.uniform(0.5, 1), start + seconds_to_samples(rng.uniform(0.004, 0.02), sample_rate))
    waveform = room(rng, waveform, sample_rate, rng.uniform(0.5, 1.0), -13)
    return hush(rng, waveform, sample_rate, rng.uniform(-46, -40))


@sound("pouring water", "water being poured", "event", (2.0, 6.0))
def pouring(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Bubbles in a vessel whose resonance rises as it fills."""
    n_samples = seconds_to_samples(duration_s, sample_rate)
    waveform = bubbles(rng, n_samples, sample_rate, 350, 500, 3500)
    fill = np.linspace(0, 1, n_samples)
    for layer, center_hz in enumerate(rng.uniform(350, 500) * 2 ** np.linspace(0, 1.5, 5)):
        weight = np.exp(-(((fill - layer / 4) / 0.25) ** 2))
        waveform += 0.8 * weight * band_noise(rng, n_samples, sample_rate, 0.85 * center_hz, 1.15 * center_hz)
    waveform += 0.3 * band_noise(rng, n_samples, sample_rate, 1500, 8000, -2)
    return waveform * (1 + 0.3 * drift(rng, n_samples, sample_rate, 4)) * gate(n_samples, sample_rate, 0.15)


@sound("fire crackling", "a fire crackling", "background", (4.0, 30.0))
def fire(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Snaps of bursting wood over the breath of the flames."""
    n_samples = seconds_to_samples(duration_s, sample_rate)
    flames = band_noise(rng, n_samples, sample_rate, 40, 400, -3) * (1 + 0.5 * drift(rng, n_samples, sample_rate, 6))
    waveform = 0.06 * flames + 0.02 * band_noise(rng, n_samples, sample_rate, 1000, 8000)
    burst = np.clip(drift(rng, n_samples, sample_rate, 3), 0, 1)
    for _ in range(12):
        n_grain = seconds_to_samples(rng.uniform(0.004, 0.02), sample_rate)
        decay_s = rng.uniform(0.0006, 0.003)
        grain = band_noise(rng, n_grain, sample_rate, rng.uniform(600, 2500), rng.uniform(4000, 12000))
        grain *= strike_envelope(n_grain, sample_rate, 0.0001, decay_s)
        grain += 0.2 * struck_modes(n_grain, sample_rate, rng.uniform(600, 3000, 2), [decay_s] * 2, [1, 0.7])
        snaps_hz = rng.uniform(1, 3) + 6 * burst
        waveform += 0.5 * scattered(rng, grain, n_samples, sample_rate, snaps_hz, 8)
    return np.tanh(waveform)


@sound("waterfall", "a waterfall", "background", (4.0, 30.0))
def waterfall(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Broad roar of falling water, with gurgles in it."""
    n_samples = seconds_to_samples(duration_s, sample_rate)
    roar = band_noise(rng, n_samples, sample_rate, 100, rng.uniform(5000, 9000), rng.uniform(-3, -1.5), order=1)
    low = band_noise(rng, n_samples, sample_rate, 60, 500, -2) * (1 + 0.3 * drift(rng, n_samples, sample_rate, 4))
    gurgles = bubbles(rng, n_samples, sample_rate, 300, 300, 3000)
    return roar + rng.uniform(0.3, 0.8) * low + rng.uniform(0.1, 0.4) * gurgles / gurgles.std()


@sound("splash", "something splashing into water", "event", (1.0, 4.0))
def splash(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Slap on the surface and spray, then more than a hundred bubbles and drops falling back."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    for onset_s in rhythm(rng, duration_s, rng.uniform(0.9, 1.6), 0.3, tail_s=0.5):
        start, n_spray = seconds_to_samples(onset_s, sample_rate), seconds_to_samples(1.4, sample_rate)
        spray = band_noise(rng, n_spray, sample_rate, rng.uniform(450, 1300), rng.uniform(4000, 8500), -2)
        spray *= strike_envelope(n_spray, sample_rate, rng.uniform(0.004, 0.015), rng.uniform(0.24, 0.33))
        spray *= 1 + rng.uniform(0.2, 0.5) * drift(rng, n_spray, sample_rate, rng.uniform(30, 120))
        add_at(waveform, rng.uniform(0.5, 0.8) * spray, start)
        add_at(waveform, rng.uniform(0.1, 1) * thump(rng, sample_rate, 0.3, 100, 1000, 0.03), start)
        spread_s, ring_s = rng.uniform(0.18, 0.47), rng.uniform(0.007, 0.015)
        for _ in range(rng.integers(130, 220)):
            pitch_hz = np.exp(rng.uniform(np.log(250), np.log(3000)))
            drop = bubble(pitch_hz, rng.uniform(0, 0.3), ring_s * rng.uniform(0.5, 2), sample_rate)
            late = seconds_to_samples(rng.exponential(spread_s) + 0.02, sample_rate)
            add_at(waveform, rng.exponential(0.4) * drop, start + late)
    return hush(rng, room(rng, waveform, sample_rate, 0.5, rng.uniform(-12, -5)), sample_rate, rng.uniform(-46, -40))


@sound("sizzle", "food sizzling in a pan", "background", (3.0, 15.0))
def sizzle(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Hiss of steam and thousands of tiny pops of oil."""
    n_samples = seconds_to_samples(duration_s, sample_rate)
    waveform = band_noise(rng, n_samples, sample_rate, 2500, 14000, -1)
    waveform *= 0.6 + 0.2 * drift(rng, n_samples, sample_rate, 3)
    for _ in range(10):
        n_grain = seconds_to_samples(0.004, sample_rate)
        grain = band_noise(rng, n_grain, sample_rate, rng.uniform(1000, 3000), rng.uniform(5000, 12000))
        grain *= strike_envelope(n_grain, sample_rate, 0.0001, rng.uniform(0.0004, 0.0015))
        waveform += 1.5 * scattered(rng, grain, n_samples, sample_rate, rng.uniform(15, 60), 7)
    return waveform


@sound("white noise", "white noise", "background", (3.0, 20.0))
def white_noise(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Equal power at all frequencies, cut off above as recorders do."""
    n_samples = seconds_to_samples(duration_s, sample_rate)
    return band_noise(rng, n_samples, sample_rate, rng.uniform(10, 60), rng.uniform(9000, 22000), order=4)


@sound("static", "radio static", "background", (2.0, 15.0))
def static(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Overdriven hiss of a detuned radio, with a trace of mains hum."""
    n_samples = seconds_to_samples(duration_s, sample_rate)
    hiss = band_noise(rng, n_samples, sample_rate, rng.uniform(150, 400), rng.uniform(5000, 10000), order=3)
    hum_hz = 2 * rng.choice([50.0, 60.0])
    hum = harmonic_tone(np.full(n_samples, hum_hz), sample_rate, [1, 0.6, 0.4, 0.3])
    return np.tanh(1.5 * hiss * (1 + 0.2 * drift(rng, n_samples, sample_rate, 9))) + 0.02 * hum


@sound("sine wave", "a pure tone", "event", (1.0, 6.0))
def sine_wave(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """One frequency and nothing else."""
    n_samples = seconds_to_samples(duration_s, sample_rate)
    frequency_hz = np.exp(rng.uniform(np.log(220), np.log(3000)))
    tone = harmonic_tone(np.full(n_samples, frequency_hz), sample_rate, [1])
    return tone * gate(n_samples, sample_rate, rng.uniform(0.005, 0.3))


@sound("whoosh", "something whooshing past", "event", (0.6, 2.5))
def whoosh(rng: np.random.Generator, duration_s: float, sample_rate: int) -> np.ndarray:
    """Air torn by something fast: the higher its bands, the shorter they last."""
    waveform = np.zeros(seconds_to_samples(duration_s, sample_rate))
    for onset_s in rhythm(rng, duration_s, rng.uniform(0.6, 1.2), 0.2, tail_s=0.4):
        n_samples = seconds_to_samples(rng.uniform(0.35, 0.8), sample_rate)
        place = np.linspace(-1, 1, n_samples)
        for low_hz, high_hz, width in ((300, 600, 0.6), (900, 1500, 0.4), (2000, 3500, 0.25)):
            center_hz = rng.uniform(low_hz, high_hz)
            air = band_noise(rng, n_samples, sample_rate, 0.6 * center_hz, 1.6 * center_hz)
            air *= np.exp(-((place / width) ** 2)) * gate(n_samples, sample_rate, 0.05)
            add_at(waveform, air, seconds_to_samples(onset_s, sample_rate))
    return waveform
