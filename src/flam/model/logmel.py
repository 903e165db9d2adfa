"""The front end: a waveform becomes a log-mel spectrogram, frames of 10 ms by bands of the Slaney mel scale."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from flam.audio.logmel import LogMelConfig, slaney_mel_filters

POWER_FLOOR = 1e-10


class LogMel(nn.Module):
    """Log-mel spectrogram in dB: Hann windows centred on multiples of the hop, reflected at both ends.

    Examples
    --------
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
        waveform : Tensor
            (B, N) float tensor, samples in [-1, 1] at ``config.sample_rate``; any N, 0 included

        Returns
        -------
        Tensor
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
