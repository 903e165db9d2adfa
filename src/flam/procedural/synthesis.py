"""Building blocks of sounds: curves over time, noise of any colour, filters, scattered grains, rooms, pitched sound."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from flam.core import seconds_to_samples

WOBBLE_S = 0.002
CONTROL_S = 0.005
HIGHER_FORMANT = 0.7
HIGHEST_VOICE_HZ = 12000


def seconds(n_samples: int, sample_rate: int) -> np.ndarray:
    """Time of each sample, (N,) in seconds."""
    return np.arange(n_samples) / sample_rate


def strike_envelope(n_samples: int, sample_rate: int, attack_s: float, decay_s: float) -> np.ndarray:
    """Fast rise and exponential fall, (N,): ``(1 - exp(-t / attack_s)) exp(-t / decay_s)``."""
    t = seconds(n_samples, sample_rate)
    return (1 - np.exp(-t / attack_s)) * np.exp(-t / decay_s)


def gate(n_samples: int, sample_rate: int, rise_s: float, fall_s: float | None = None) -> np.ndarray:
    """Full level with raised-cosine ends, (N,); ``fall_s`` is ``rise_s`` unless given."""
    envelope = np.ones(n_samples)
    for length_s, ends in ((rise_s, slice(None)), (rise_s if fall_s is None else fall_s, slice(None, None, -1))):
        n_ramp = min(seconds_to_samples(length_s, sample_rate), n_samples)
        envelope[ends][:n_ramp] *= 0.5 - 0.5 * np.cos(np.pi * (np.arange(n_ramp) + 0.5) / max(n_ramp, 1))
    return envelope


def contour(n_samples: int, points: Sequence[tuple[float, float]]) -> np.ndarray:
    """Curve through (part of the duration in [0, 1], value) points, (N,), eased so that it has no corners."""
    places, values = np.array(points, dtype=float).T
    position = np.linspace(0, 1, n_samples)
    segment = np.clip(np.searchsorted(places, position, side="right") - 1, 0, len(places) - 2)
    part = np.clip((position - places[segment]) / (places[segment + 1] - places[segment]), 0, 1)
    return values[segment] + (values[segment + 1] - values[segment]) * part * part * (3 - 2 * part)


def drift(rng: np.random.Generator, n_samples: int, sample_rate: int, rate_hz: float) -> np.ndarray:
    """Smooth random curve in [-1, 1], (N,), with a new direction ``rate_hz`` times per second."""
    n_points = int(n_samples / sample_rate * rate_hz) + 3
    position = np.arange(n_samples) / sample_rate * rate_hz + rng.uniform()
    values = rng.uniform(-1, 1, n_points)
    left = np.minimum(position.astype(int), n_points - 2)
    part = position - left
    return values[left] + (values[left + 1] - values[left]) * part * part * (3 - 2 * part)


def rhythm(
    rng: np.random.Generator, duration_s: float, period_s: float, jitter: float = 0.0, tail_s: float = 0.0
) -> Iterator[float]:
    """Onsets in seconds, from 0 on, about ``period_s`` apart, the last at least ``tail_s`` before the end."""
    onset_s = 0.0
    while onset_s == 0.0 or onset_s < duration_s - tail_s:
        yield onset_s
        onset_s += period_s * (1 + jitter * rng.uniform(-1, 1))


def add_at(waveform: np.ndarray, grain: np.ndarray, onset_samples: int) -> None:
    """Add a grain into a waveform in place; what reaches past the end is cut."""
    n_inside = min(len(grain), len(waveform) - onset_samples)
    if n_inside > 0:
        waveform[onset_samples : onset_samples + n_inside] += grain[:n_inside]


def transform_length(n_samples: int) -> int:
    """Length >= ``n_samples`` that the Fourier transform handles fast."""
    return -(-n_samples // 4096) * 4096


def band_noise(
    rng: np.random.Generator,
    n_samples: int,
    sample_rate: int,
    low_hz: float,
    high_hz: float,
    tilt_db: float = 0.0,
    order: int = 2,
) -> np.ndarray:
    """Gaussian noise between two frequencies, (N,) with unit RMS.

    Parameters
    ----------
    tilt_db : float, default 0.0
        slope inside the band in dB per octave: -3 pink, -6 brown
    order : int, default 2
        steepness of the Butterworth edges
    """
    n_transform = transform_length(n_samples)
    frequency = np.fft.rfftfreq(n_transform, 1 / sample_rate)
    frequency[0] = frequency[1]
    magnitude = frequency ** (tilt_db / 20 / np.log10(2))
    magnitude /= np.sqrt((1 + (low_hz / frequency) ** (2 * order)) * (1 + (frequency / high_hz) ** (2 * order)))
    phases = rng.standard_normal((2, len(frequency)))
    noise = np.fft.irfft(magnitude * (phases[0] + 1j * phases[1]), n_transform)[:n_samples]
    return noise / np.sqrt(np.mean(noise**2))


def convolve(waveform: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Causal convolution, cut to the length of the waveform."""
    n_transform = transform_length(len(waveform) + len(kernel))
    spectrum = np.fft.rfft(waveform, n_transform) * np.fft.rfft(kernel, n_transform)
    return np.fft.irfft(spectrum, n_transform)[: len(waveform)]


def resonate(
    waveform: np.ndarray,
    sample_rate: int,
    centers_hz: Sequence[float],
    bandwidths_hz: Sequence[float],
    gains: Sequence[float],
) -> np.ndarray:
    """Parallel two-pole resonators, causal: ``H(f) = sum_k g_k j f b_k / (f_k^2 - f^2 + j f b_k)``."""
    n_transform = transform_length(len(waveform) + sample_rate // 2)
    frequency = np.fft.rfftfreq(n_transform, 1 / sample_rate)
    response = np.zeros(len(frequency), dtype=complex)
    for center_hz, bandwidth_hz, gain in zip(centers_hz, bandwidths_hz, gains, strict=True):
        damping = 1j * frequency * bandwidth_hz
        response += gain * damping / (center_hz**2 - frequency**2 + damping)
    return np.fft.irfft(np.fft.rfft(waveform, n_transform) * response, n_transform)[: len(waveform)]


def low_pass(waveform: np.ndarray, sample_rate: int, cutoff_hz: float) -> np.ndarray:
    """Causal second-order low pass: ``H(f) = 1 / (1 - (f/c)^2 + j sqrt(2) f/c)``."""
    n_transform = transform_length(len(waveform) + sample_rate // 10)
    ratio = np.fft.rfftfreq(n_transform, 1 / sample_rate) / cutoff_hz
    response = 1 / (1 - ratio**2 + 1j * np.sqrt(2) * ratio)
    return np.fft.irfft(np.fft.rfft(waveform, n_transform) * response, n_transform)[: len(waveform)]


def scattered(
    rng: np.random.Generator,
    grain: np.ndarray,
    n_samples: int,
    sample_rate: int,
    rate_hz: float | np.ndarray,
    spread_db: float = 6.0,
) -> np.ndarray:
    """Copies of a grain at Poisson times with log-normal sizes of either sign, (N,).

    Parameters
    ----------
    grain : np.ndarray
        (M,) array
    rate_hz : float | np.ndarray
        copies per second, or a curve of N values
    spread_db : float, default 6.0
        standard deviation of their levels
    """
    onsets = np.flatnonzero(rng.random(n_samples) < np.asarray(rate_hz) / sample_rate)
    sizes = rng.choice([-1.0, 1.0], len(onsets)) * 10 ** (spread_db * rng.standard_normal(len(onsets)) / 20)
    waveform = np.zeros(n_samples)
    for onset, size in zip(onsets.tolist(), sizes, strict=True):
        add_at(waveform, size * grain, onset)
    return waveform


def room(
    rng: np.random.Generator, waveform: np.ndarray, sample_rate: int, decay_s: float, reverberant_db: float
) -> np.ndarray:
    """Add the sound of a room: exponentially decaying noise, darker than the direct sound.

    Parameters
    ----------
    waveform : np.ndarray
        (N,) array
    decay_s : float
        time for 60 dB of decay
    reverberant_db : float
        level of the reverberation against the direct sound

    Returns
    -------
    np.ndarray
        (N + tail,) array
    """
    n_tail = seconds_to_samples(decay_s, sample_rate)
    t = np.arange(n_tail) / sample_rate
    impulse_response = band_noise(rng, n_tail, sample_rate, 150, 4000, order=1) * 10 ** (-3 * t / decay_s)
    impulse_response[: seconds_to_samples(0.008, sample_rate)] = 0
    impulse_response *= 10 ** (reverberant_db / 20) / np.sqrt(np.sum(impulse_response**2))
    dry = np.pad(waveform, (0, n_tail))
    return dry + convolve(dry, impulse_response)


def hush(rng: np.random.Generator, waveform: np.ndarray, sample_rate: int, level_db: float) -> np.ndarray:
    """Lay the faint noise of a quiet place under sparse sounds, as every recording has it.

    Between two events of a recording there is never digital silence; models trained on recordings hear bare synthetic
    strokes as a drum machine.

    Parameters
    ----------
    waveform : np.ndarray
        (N,) array
    level_db : float
        RMS of the noise against the waveform's peak
    """
    noise = band_noise(rng, len(waveform), sample_rate, 40, 6000, -4, order=1)
    return waveform + 10 ** (level_db / 20) * np.abs(waveform).max() * noise


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
