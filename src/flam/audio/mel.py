"""The Slaney mel scale: what a log-mel spectrogram is made of, as plain numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


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
