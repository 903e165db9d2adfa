"""Curves over time: how loudness, pitch and timing move."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from flam.core import seconds_to_samples


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
