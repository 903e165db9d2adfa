"""Log-mel spectrograms in numpy, as the audio encoders take them: frames of 10 ms by bands of the Slaney mel scale."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal

import numpy as np

from flam.core.matmul import matmul_in_thread

POWER_FLOOR = 1e-10
FRAMES_AT_ONCE = 128  # their spectra stay in the processor's cache


@dataclass(frozen=True)
class LogMelConfig:
    """Resolution and range of the log-mel spectrogram.

    Parameters
    ----------
    sample_rate : int, default 48000
        Hz the waveform must have
    n_fft : int, default 1024
        length of the Fourier transform and of the Hann window, in samples
    hop_samples : int, default 480
        distance between two frames
    n_mels : int, default 64
        F, the number of mel bands
    fmin_hz : float, default 50.0
        outer edges of the lowest and of the highest band
    fmax_hz : float, default 14000.0
        outer edges of the lowest and of the highest band
    """

    sample_rate: int = 48_000
    n_fft: int = 1024
    hop_samples: int = 480
    n_mels: int = 64
    fmin_hz: float = 50.0
    fmax_hz: float = 14_000.0

    def __post_init__(self) -> None:
        if min(self.sample_rate, self.n_fft, self.hop_samples, self.n_mels) <= 0:
            raise ValueError("sample_rate, n_fft, hop_samples and n_mels must be positive")
        if not 0 <= self.fmin_hz < self.fmax_hz <= self.sample_rate / 2:
            raise ValueError(
                f"fmin_hz {self.fmin_hz} and fmax_hz {self.fmax_hz} must satisfy "
                f"0 <= fmin_hz < fmax_hz <= {self.sample_rate / 2}, half the sample rate"
            )


def slaney_mel_filters(config: LogMelConfig) -> np.ndarray:
    """Triangular filters, equally spaced on Slaney's mel scale, of equal area (Slaney 1998, Auditory Toolbox).

    Returns
    -------
    np.ndarray
        (n_fft // 2 + 1, F) float64 array: power spectrum times this is the mel spectrum

    Examples
    --------
    >>> slaney_mel_filters(LogMelConfig()).shape
    (513, 64)
    """
    bin_hz = np.linspace(0.0, config.sample_rate / 2, config.n_fft // 2 + 1)
    lowest, highest = _hz_to_mel(np.array([config.fmin_hz, config.fmax_hz]))
    edge_hz = _mel_to_hz(np.linspace(lowest, highest, config.n_mels + 2))
    left, centre, right = edge_hz[:-2], edge_hz[1:-1], edge_hz[2:]
    rising = (bin_hz[:, None] - left) / (centre - left)
    falling = (right - bin_hz[:, None]) / (right - centre)
    return np.maximum(0.0, np.minimum(rising, falling)) * (2.0 / (right - left))


def mel_band_centres_hz(config: LogMelConfig) -> np.ndarray:
    """(F,) float64 array, where each band's filter is highest.

    Examples
    --------
    >>> mel_band_centres_hz(LogMelConfig()).round()[[0, -1]].tolist()
    [104.0, 13242.0]
    """
    lowest, highest = _hz_to_mel(np.array([config.fmin_hz, config.fmax_hz]))
    return np.asarray(_mel_to_hz(np.linspace(lowest, highest, config.n_mels + 2))[1:-1])


# The Slaney scale: linear with 200/3 Hz a mel up to 1 kHz, then 27 mels for each factor of 6.4.
_LINEAR_HZ_PER_MEL = 200.0 / 3.0
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _LINEAR_HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27.0


def _hz_to_mel(hz: np.ndarray) -> np.ndarray:
    logarithmic = _BREAK_MEL + np.log(np.maximum(hz, _BREAK_HZ) / _BREAK_HZ) / _LOG_STEP
    return np.where(hz < _BREAK_HZ, hz / _LINEAR_HZ_PER_MEL, logarithmic)


def _mel_to_hz(mel: np.ndarray) -> np.ndarray:
    logarithmic = _BREAK_HZ * np.exp(_LOG_STEP * (np.maximum(mel, _BREAK_MEL) - _BREAK_MEL))
    return np.where(mel < _BREAK_MEL, mel * _LINEAR_HZ_PER_MEL, logarithmic)


def log_mel(waveforms: np.ndarray, config: LogMelConfig | None = None) -> np.ndarray:
    """Transform a batch of clips: Hann windows centred on multiples of the hop, reflected at both ends.

    Parameters
    ----------
    waveforms : numpy.ndarray
        (B, N) float32, samples in [-1, 1] at ``config.sample_rate``; any N, 0 included.
    config : LogMelConfig, optional
        None takes the defaults.

    Returns
    -------
    numpy.ndarray
        (B, 1 + N // hop_samples, F) float32, ``10 log10(max(power, 1e-10))`` dB.

    Examples
    --------
    >>> log_mel(np.zeros((2, 48_000), np.float32)).shape
    (2, 101, 64)
    """
    config = LogMelConfig() if config is None else config
    window, filters, first_bin = _tables(config)
    half = config.n_fft // 2
    # a reflection needs more samples than it adds; shorter clips are surrounded by silence
    mode: Literal["reflect", "constant"] = "reflect" if waveforms.shape[-1] > half else "constant"
    padded = np.pad(np.asarray(waveforms, np.float32), ((0, 0), (half, half)), mode=mode)
    frames = np.lib.stride_tricks.sliding_window_view(padded, config.n_fft, axis=1)[:, :: config.hop_samples]
    bands = np.empty((*frames.shape[:2], config.n_mels), np.float32)
    for clip, clip_frames in zip(bands, frames, strict=True):
        for start in range(0, len(clip), FRAMES_AT_ONCE):
            rows = slice(start, start + FRAMES_AT_ONCE)
            spectrum = np.fft.rfft(clip_frames[rows] * window)[:, first_bin : first_bin + len(filters)]
            power = np.square(spectrum.real)
            power += np.square(spectrum.imag)
            matmul_in_thread(power, filters, out=clip[rows])
    np.maximum(bands, np.float32(POWER_FLOOR), out=bands)
    np.log10(bands, out=bands)
    bands *= 10
    return bands


@functools.lru_cache(maxsize=8)
def _tables(config: LogMelConfig) -> tuple[np.ndarray, np.ndarray, int]:
    """The Hann window, the filters without the bins that no filter sees, and the first bin that one sees."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(config.n_fft) / config.n_fft)
    filters = slaney_mel_filters(config).astype(np.float32)
    seen = np.flatnonzero(filters.any(axis=1))
    return window.astype(np.float32), np.ascontiguousarray(filters[seen[0] : seen[-1] + 1]), int(seen[0])
