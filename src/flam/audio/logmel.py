"""Log-mel spectrograms in numpy, as the audio encoders take them: frames of 10 ms by bands of the Slaney mel scale."""

from __future__ import annotations

import functools
from typing import Literal

import numpy as np

from flam.audio.mel import LogMelConfig, slaney_mel_filters
from flam.core.matmul import matmul_in_thread

POWER_FLOOR = 1e-10
FRAMES_AT_ONCE = 128  # their spectra stay in the processor's cache


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
