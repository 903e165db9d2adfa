"""The front end: a waveform becomes a log-mel spectrogram, frames of 10 ms by bands of the Slaney mel scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

POWER_FLOOR = 1e-10


@dataclass(frozen=True)
class LogMelConfig:
    """Resolution and range of the log-mel spectrogram.

    Parameters
    ----------
    sample_rate : Hz the waveform must have
    n_fft : length of the Fourier transform and of the Hann window, in samples
    hop_samples : distance between two frames
    n_mels : F, the number of mel bands
    fmin_hz, fmax_hz : outer edges of the lowest and of the highest band
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


class LogMel(nn.Module):
    """Log-mel spectrogram in dB: Hann windows centred on multiples of the hop, reflected at both ends.

    >>> import torch
    >>> LogMel()(torch.zeros(2, 48000)).shape
    torch.Size([2, 101, 64])
    """

    window: Tensor
    mel_filters: Tensor

    def __init__(self, config: LogMelConfig | None = None):
        super().__init__()
        self.config = LogMelConfig() if config is None else config
        filters = slaney_mel_filters(self.config).astype(np.float32)
        self.register_buffer("window", torch.hann_window(self.config.n_fft, periodic=True), persistent=False)
        self.register_buffer("mel_filters", torch.from_numpy(filters), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """Transform a batch of clips, always in float32.

        Parameters
        ----------
        waveform : (B, N) float tensor, samples in [-1, 1] at ``config.sample_rate``; any N, 0 included

        Returns
        -------
        (B, 1 + N // hop_samples, F) float tensor, ``10 log10(max(power, 1e-10))`` dB
        """
        n_fft, hop = self.config.n_fft, self.config.hop_samples
        half = n_fft // 2
        with torch.autocast(waveform.device.type, enabled=False):
            # a reflection needs more samples than it adds; shorter clips are surrounded by silence
            mode = "reflect" if waveform.shape[-1] > half else "constant"
            padded = nn.functional.pad(waveform.float(), (half, half), mode=mode)
            spectrum = torch.stft(padded, n_fft, hop, window=self.window, center=False, return_complex=True)
            power = spectrum.real.square() + spectrum.imag.square()
            mel_power = power.transpose(1, 2) @ self.mel_filters
            return 10.0 * torch.log10(mel_power.clamp(min=POWER_FLOOR))


def slaney_mel_filters(config: LogMelConfig) -> np.ndarray:
    """Triangular filters, equally spaced on Slaney's mel scale, of equal area (Slaney 1998, Auditory Toolbox).

    Returns
    -------
    (n_fft // 2 + 1, F) float64 array: power spectrum times this is the mel spectrum

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
