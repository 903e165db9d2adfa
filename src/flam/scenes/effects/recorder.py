"""Recorders: room, microphone, noise, level, clipping, sample rate, telephone and codec of a whole scene.

Drawn without regard to what sounds, so that nothing can be learnt from it about what sounds.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Literal

import numpy as np
import soundfile
import soxr

from flam.procedural.synthesis import convolve
from flam.scenes.effects.codec import Codec, apply_codec
from flam.scenes.effects.filter import Filter, apply_filter

Telephone = Literal["mu_law", "gsm"]
PHONE_RATE = 8_000
RATES_HZ = (8_000, 11_025, 12_000, 16_000, 22_050)
RATE_SHARES = (0.2, 0.1, 0.15, 0.4, 0.15)


@dataclass(frozen=True)
class Recorder:
    """A drawn recorder; None leaves a part out. Parts are applied in the order of the fields.

    Parameters
    ----------
    reverberation_s : float | None, optional
        of a diffuse room: time in which it falls by 60 dB, and direct sound over reverberation
    direct_db : float, default 6.0
        of a diffuse room: time in which it falls by 60 dB, and direct sound over reverberation
    response : Filter | None, optional
        of the microphone
    noise_db : float | None, optional
        pink noise this far below the mean power of the scene, positive dB
    gain_db : float | None, optional
        into hard clipping at full scale
    sample_rate_hz : int | None, optional
        the highest frequency it keeps is half of it, as a brick wall
    telephone : Telephone | None, optional
        8 kHz with mu-law companding or the GSM full-rate codec
    codec : Codec | None, optional
        mp3, Vorbis or Opus
    peak_db : float | None, optional
        level in the end, dB re full scale
    seed : int, default 0
        of noise and room
    """

    reverberation_s: float | None = None
    direct_db: float = 6.0
    response: Filter | None = None
    noise_db: float | None = None
    gain_db: float | None = None
    sample_rate_hz: int | None = None
    telephone: Telephone | None = None
    codec: Codec | None = None
    peak_db: float | None = None
    seed: int = 0


@dataclass(frozen=True)
class RecorderConfig:
    """How often a recorder has each part; the parts are drawn without regard to each other.

    Parameters
    ----------
    room : float, default 0.15
        share of the scenes with this part
    response : float, default 0.2
        share of the scenes with this part
    noise : float, default 0.3
        share of the scenes with this part
    clipping : float, default 0.12
        share of the scenes with this part
    sample_rate : float, default 0.35
        share of the scenes with this part
    telephone : float, default 0.08
        share of the scenes with this part
    codec : float, default 0.15
        share of the scenes with this part
    """

    room: float = 0.15
    response: float = 0.2
    noise: float = 0.3
    clipping: float = 0.12
    sample_rate: float = 0.35
    telephone: float = 0.08
    codec: float = 0.15


def draw_recorder(rng: np.random.Generator, config: RecorderConfig) -> Recorder:
    """A recorder such as one meets."""
    shares = (config.room, config.response, config.noise, config.clipping, config.sample_rate)
    room, colour, noise, clip, limited = (bool(rng.random() < share) for share in shares)
    kind = rng.choice(
        ["none", "telephone", "codec"], p=[1 - config.telephone - config.codec, config.telephone, config.codec]
    )
    gain_db = tuple(round(float(gain), 1) for gain in rng.normal(0, 6, 6)) if colour else ()
    codec = Codec(str(rng.choice(["mp3", "opus", "opus"])), round(float(np.exp(rng.uniform(np.log(8), np.log(64)))), 1))  # type: ignore[arg-type]
    return Recorder(
        reverberation_s=round(float(rng.uniform(0.15, 0.7)), 2) if room else None,
        direct_db=round(float(rng.uniform(0, 14)), 1),
        response=Filter(gain_db) if colour else None,
        noise_db=round(float(rng.uniform(10, 45)), 1) if noise else None,
        gain_db=round(float(rng.uniform(3, 18)), 1) if clip else None,
        sample_rate_hz=int(rng.choice(RATES_HZ, p=RATE_SHARES)) if limited else None,
        telephone=("mu_law", "gsm")[rng.integers(2)] if kind == "telephone" else None,  # type: ignore[arg-type]
        codec=codec if kind == "codec" else None,
        peak_db=round(float(rng.uniform(-50, 0)), 1),
        seed=int(rng.integers(2**31)),
    )


def record(waveform: np.ndarray, sample_rate: int, recorder: Recorder) -> np.ndarray:
    """A scene as this recorder gives it: the same length, nothing delayed by more than a few milliseconds.

    Parameters
    ----------
    waveform : np.ndarray
        (N,) float32 array
    sample_rate : int
        Hz

    Returns
    -------
    np.ndarray
        (N,) float32 array within [-1, 1]

    Examples
    --------
    >>> tone = np.sin(2 * np.pi * 6000 * np.arange(48000) / 48000).astype(np.float32)
    >>> float(np.abs(record(tone, 48000, Recorder(sample_rate_hz=8000)))[2000:-2000].max()) < 1e-3
    True
    """
    rng = np.random.default_rng(recorder.seed)
    n_samples = len(waveform)
    if recorder.reverberation_s is not None:
        waveform = _reverberated(waveform, sample_rate, recorder.reverberation_s, recorder.direct_db, rng)
    if recorder.response is not None:
        waveform = apply_filter(waveform, sample_rate, recorder.response)
    if recorder.noise_db is not None:
        power = float(np.mean(np.square(waveform))) * 10 ** (-recorder.noise_db / 10)
        waveform = waveform + np.float32(np.sqrt(power)) * pink_noise(n_samples, rng)
    if recorder.gain_db is not None:
        peak = float(np.abs(waveform).max(initial=1e-9))
        waveform = np.clip(waveform * np.float32(10 ** (recorder.gain_db / 20) / peak), -1, 1)
    if recorder.sample_rate_hz is not None:
        waveform = _resampled_and_back(waveform, sample_rate, recorder.sample_rate_hz)
    if recorder.telephone is not None:
        waveform = _telephoned(waveform, sample_rate, recorder.telephone)
    if recorder.codec is not None:
        peak = max(float(np.abs(waveform).max(initial=0.0)), 1e-9)
        scale = np.float32(min(1.0, 0.99 / peak))
        waveform = apply_codec(waveform * scale, sample_rate, recorder.codec)
    if recorder.peak_db is not None:
        peak = float(np.abs(waveform).max(initial=0.0))
        if peak > 0:
            waveform = waveform * np.float32(10 ** (recorder.peak_db / 20) / peak)
    return np.clip(waveform, -1, 1).astype(np.float32)


def pink_noise(n_samples: int, rng: np.random.Generator) -> np.ndarray:
    """(N,) float32 noise of mean power 1 with equal power in each octave above 20 Hz at 48 kHz.

    Examples
    --------
    >>> round(float(np.mean(pink_noise(4800, np.random.default_rng(0)) ** 2)), 3)
    1.0
    """
    spectrum = np.fft.rfft(rng.standard_normal(n_samples))
    bins = np.maximum(np.arange(len(spectrum)), max(n_samples * 20 // 48_000, 1))
    noise = np.fft.irfft(spectrum / np.sqrt(bins), n_samples)
    return (noise / np.sqrt(np.mean(np.square(noise)))).astype(np.float32)


def _reverberated(
    waveform: np.ndarray, sample_rate: int, reverberation_s: float, direct_db: float, rng: np.random.Generator
) -> np.ndarray:
    times_s = np.arange(int(reverberation_s * sample_rate)) / sample_rate
    tail = rng.standard_normal(len(times_s)) * 10 ** (-3 * times_s / reverberation_s)
    # a room swallows treble: the tail is smoothed more, the later it is, in two halves
    tail[len(tail) // 4 :] = (tail[len(tail) // 4 :] + np.roll(tail[len(tail) // 4 :], 1)) / 2
    tail *= 10 ** (-direct_db / 20) / np.sqrt(np.sum(np.square(tail)))
    tail[0] = 1.0
    return np.asarray(convolve(waveform, tail), np.float32)


def _resampled_and_back(waveform: np.ndarray, sample_rate: int, rate_hz: int) -> np.ndarray:
    back = soxr.resample(soxr.resample(waveform, sample_rate, rate_hz), rate_hz, sample_rate)
    return np.pad(back, (0, max(len(waveform) - len(back), 0)))[: len(waveform)]


def _telephoned(waveform: np.ndarray, sample_rate: int, telephone: Telephone) -> np.ndarray:
    narrow = soxr.resample(waveform, sample_rate, PHONE_RATE)
    peak = max(float(np.abs(narrow).max(initial=0.0)), 1e-9)
    file = io.BytesIO()
    subtype = {"mu_law": "ULAW", "gsm": "GSM610"}[telephone]
    soundfile.write(file, narrow * np.float32(0.9 / peak), PHONE_RATE, subtype=subtype, format="WAV")
    file.seek(0)
    decoded, _ = soundfile.read(file, dtype="float32")
    back = soxr.resample(decoded * np.float32(peak / 0.9), PHONE_RATE, sample_rate)
    return np.pad(back, (0, max(len(waveform) - len(back), 0)))[: len(waveform)]
