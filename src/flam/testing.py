"""Helpers for tests, also of programs that use this package: sounds, recordings, a detector without a model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from flam.core import ModelError, TimeGrid, from_mapping
from flam.detection.backends.base import Backend, TextFeatures
from flam.detection.config import DetectionConfig
from flam.detection.detector import Detector

LOUD_PEAK = 0.1
LOGIT_OF_90_PERCENT = 2.1972246
LOGIT_OF_20_PERCENT = -1.3862944


def tone(frequency_hz: float, duration_s: float, sample_rate: int = 48_000, amplitude: float = 0.5) -> np.ndarray:
    """Make a sine.

    Parameters
    ----------
    frequency_hz : float
        Pitch.
    duration_s : float
        Length, seconds.
    sample_rate : int
        Hz.
    amplitude : float
        Peak, full scale is 1.

    Returns
    -------
    numpy.ndarray
        (N,) float32.

    Examples
    --------
    >>> tone(440, 0.5).shape
    (24000,)
    """
    time_s = np.arange(round(duration_s * sample_rate)) / sample_rate
    return (amplitude * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32)


def noise(duration_s: float, sample_rate: int = 48_000, amplitude: float = 0.1, seed: int = 0) -> np.ndarray:
    """Make white noise with a standard deviation of ``amplitude``.

    Returns
    -------
    numpy.ndarray
        (N,) float32.

    Examples
    --------
    >>> noise(0.5).shape, bool((noise(0.5) == noise(0.5)).all())
    ((24000,), True)
    """
    n_samples = round(duration_s * sample_rate)
    return (amplitude * np.random.default_rng(seed).standard_normal(n_samples)).astype(np.float32)


def write_recording(
    path: str | Path,
    duration_s: float = 3.0,
    loud_s: Iterable[tuple[float, float]] = ((1.0, 2.0),),
    sample_rate: int = 8_000,
    n_channels: int = 1,
) -> Path:
    """Write a recording that is loud between known times and faint elsewhere.

    Parameters
    ----------
    path : str or Path
        The suffix chooses the format; folders above it are made.
    duration_s : float
        Length, seconds.
    loud_s : iterable of (float, float)
        Onset and offset of each loud part, seconds.
    sample_rate : int
        Hz.
    n_channels : int
        All channels are alike.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     level_detector().detect(write_recording(f"{folder}/a.wav"), ["loud"])[0].onset_s
    1.0
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    waveform = np.full(round(duration_s * sample_rate), 0.001, np.float32)
    waveform[::2] *= -1
    for onset_s, offset_s in loud_s:
        start, end = round(onset_s * sample_rate), round(offset_s * sample_rate)
        part = waveform[start:end]
        part[:] = tone(440, len(part) / sample_rate, sample_rate)
    soundfile.write(path, np.repeat(waveform[:, None], n_channels, axis=1), sample_rate)
    return path


class LevelBackend(Backend):
    """A backend that hears nothing but level, for tests without a model.

    "loud" scores 0.9 in loud frames (peak above 0.1) and 0.1 in others, "quiet" the reverse, any other text 0.2.
    Frames last 0.1 s at 8,000 Hz.
    """

    grid = TimeGrid(8_000, 800)
    window_samples = 80_000
    variable_length = True
    context_frames = 0

    def encode(self, waveforms: np.ndarray) -> np.ndarray:
        """(B, N) clips to (B, T, 2): 1 or -1 for loud or not, and 1."""
        peaks = np.abs(waveforms).reshape(len(waveforms), -1, self.grid.hop_samples).max(axis=2)
        loud = np.where(peaks > LOUD_PEAK, 1, -1)
        return np.stack([loud, np.ones_like(loud)], axis=2).astype(np.float32)

    def project(self, frames: np.ndarray) -> np.ndarray:
        """As they are."""
        return frames

    def pool(self, pieces: Iterable[np.ndarray]) -> np.ndarray:
        """The mean of all frames, of length 1."""
        mean = np.concatenate(list(pieces)).mean(axis=0)
        return mean / np.linalg.norm(mean)

    def embed_text(self, texts: Sequence[str]) -> TextFeatures:
        """A vector for each text; "unpronounceable" can't be encoded."""
        if "unpronounceable" in texts:
            raise ModelError("prompt 'unpronounceable' can't be encoded; write words")
        known = {"loud": (1.0, 0.0), "quiet": (-1.0, 0.0)}
        other = (0.0, LOGIT_OF_20_PERCENT / LOGIT_OF_90_PERCENT)
        features = np.array([known.get(text, other) for text in texts], np.float32).reshape(-1, 2)
        return TextFeatures(
            features, np.full(len(texts), LOGIT_OF_90_PERCENT, np.float32), np.zeros(len(texts), np.float32)
        )


def level_detector(**overrides: Any) -> Detector:
    """Make a detector that hears nothing but level.

    Parameters
    ----------
    **overrides
        Fields of ``DetectionConfig``.

    Examples
    --------
    >>> detector = level_detector()
    >>> [event.offset_s for event in detector.detect((tone(440, 1.0, 8_000), 8_000), ["loud"])]
    [1.0]
    """
    return Detector(LevelBackend(), from_mapping(DetectionConfig, {"median_s": 0.1, **overrides}, "detection"))
