"""Pitched sound: harmonics along a pitch curve, struck modes, and a voice with formants."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from flam.procedural.envelopes import seconds

WOBBLE_S = 0.002
CONTROL_S = 0.005
HIGHER_FORMANT = 0.7
HIGHEST_VOICE_HZ = 12000


def overtones(frequency_hz: np.ndarray, sample_rate: int, n_overtones: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Sine of each multiple k = 1 .. n of a pitch curve, with its frequency: ``(frequency_hz (N,), sine (N,))``.

    Sines come from ``sin((k + 1) p) = 2 cos(p) sin(k p) - sin((k - 1) p)`` and are silent above the Nyquist frequency.
    """
    phase = 2 * np.pi * np.cumsum(frequency_hz) / sample_rate
    twice_cosine, previous, current = 2 * np.cos(phase), np.zeros_like(phase), np.sin(phase)
    lowest_hz = frequency_hz.min()
    for number in range(1, n_overtones + 1):
        if number * lowest_hz > 0.47 * sample_rate:
            return
        overtone_hz = number * frequency_hz
        yield overtone_hz, np.where(overtone_hz < 0.47 * sample_rate, current, 0)
        previous, current = current, twice_cosine * current - previous


def harmonic_tone(frequency_hz: np.ndarray, sample_rate: int, amplitudes: Sequence[float]) -> np.ndarray:
    """Sum of harmonics of a pitch curve (N,) in Hz, one fixed amplitude each."""
    tone = np.zeros(len(frequency_hz))
    for amplitude, (_, sine) in zip(amplitudes, overtones(frequency_hz, sample_rate, len(amplitudes)), strict=False):
        tone += amplitude * sine
    return tone


def struck_modes(
    n_samples: int,
    sample_rate: int,
    frequencies_hz: Sequence[float] | np.ndarray,
    decays_s: Sequence[float] | np.ndarray,
    amplitudes: Sequence[float] | np.ndarray,
) -> np.ndarray:
    """Modal synthesis, (N,): ``sum_k a_k exp(-t / d_k) sin(2 pi f_k t)``, without modes above the Nyquist frequency."""
    t = seconds(n_samples, sample_rate)
    waveform = np.zeros(n_samples)
    for frequency_hz, decay_s, amplitude in zip(frequencies_hz, decays_s, amplitudes, strict=True):
        if frequency_hz < 0.47 * sample_rate:
            n_audible = min(n_samples, int(9 * decay_s * sample_rate) + 1)
            ringing = t[:n_audible]
            waveform[:n_audible] += amplitude * np.exp(-ringing / decay_s) * np.sin(2 * np.pi * frequency_hz * ringing)
    return waveform


def voice(
    rng: np.random.Generator,
    pitch_hz: np.ndarray,
    sample_rate: int,
    formants_hz: Sequence[np.ndarray | float],
    bandwidths_hz: Sequence[float],
    tilt_db: float = -9.0,
    roughness: float = 0.01,
    breath: float = 0.02,
) -> np.ndarray:
    """Source and filter: harmonics of a pitch, coloured by formants that may move, (N,).

    Parameters
    ----------
    pitch_hz : np.ndarray
        (N,) curve of the fundamental
    formants_hz : Sequence[np.ndarray | float]
        each a number or an (N,) curve
    bandwidths_hz : Sequence[float]
        one per formant
    tilt_db : float, default -9.0
        slope of the source in dB per octave
    roughness : float, default 0.01
        random wobble of the pitch, as a part of it
    breath : float, default 0.02
        noise against tone
    """
    n_samples = len(pitch_hz)
    samples = np.arange(n_samples)
    knots = np.arange(0, n_samples + WOBBLE_S * sample_rate, WOBBLE_S * sample_rate)
    wobble = np.interp(samples, knots, rng.standard_normal(len(knots)))
    pitch_hz = pitch_hz * (1 + roughness * wobble)
    control = np.arange(0, n_samples + CONTROL_S * sample_rate, CONTROL_S * sample_rate)
    tracks = [np.interp(control, samples, np.broadcast_to(formant, n_samples)) for formant in formants_hz]

    def response(frequency_hz: np.ndarray) -> np.ndarray:
        magnitude = np.zeros(len(frequency_hz))
        for number, (track, bandwidth_hz) in enumerate(zip(tracks, bandwidths_hz, strict=True)):
            damping = frequency_hz * bandwidth_hz
            magnitude += HIGHER_FORMANT**number * damping / np.hypot(track**2 - frequency_hz**2, damping)
        return magnitude

    tone = np.zeros(n_samples)
    for overtone_hz, sine in overtones(pitch_hz, sample_rate, int(HIGHEST_VOICE_HZ / pitch_hz.mean()) + 1):
        at_control = np.interp(control, samples, overtone_hz)
        level = response(at_control) * (at_control / pitch_hz.mean()) ** (tilt_db / 20 / np.log10(2))
        tone += np.interp(samples, control, level) * sine
    # a carrier that follows each formant, with random amplitude and phase: noise about 200 Hz wide
    noise = np.zeros(n_samples)
    for number, track in enumerate(tracks):
        carrier = 2 * np.pi * np.cumsum(np.interp(samples, control, track)) / sample_rate
        amplitude = np.interp(samples, control, rng.standard_normal(len(control)))
        noise += HIGHER_FORMANT**number * amplitude * np.sin(carrier + np.pi * wobble)
    return tone + breath * np.sqrt(np.mean(tone**2)) * noise
