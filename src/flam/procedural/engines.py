"""What every combustion engine is made of: ignitions and the pipe they are heard through."""

from __future__ import annotations

import numpy as np

from flam.core import seconds_to_samples
from flam.procedural.impacts import thump
from flam.procedural.noise import convolve
from flam.procedural.tones import struck_modes


def firing(
    rng: np.random.Generator, rate_hz: np.ndarray, sample_rate: int, n_cylinders: int, unevenness: float
) -> np.ndarray:
    """Impulse at each ignition of an engine, (N,); each cylinder has its own strength."""
    phase = np.cumsum(rate_hz) / sample_rate
    ignitions = np.flatnonzero(np.diff(np.floor(phase), prepend=phase[0]))
    strengths = 1 + unevenness * rng.uniform(-1, 1, n_cylinders)
    impulses = np.zeros(len(rate_hz))
    impulses[ignitions] = strengths[np.arange(len(ignitions)) % n_cylinders] * rng.normal(
        1, unevenness / 2, len(ignitions)
    )
    return impulses


def exhaust(rng: np.random.Generator, impulses: np.ndarray, sample_rate: int, pitch_hz: float) -> np.ndarray:
    """Ignitions heard through a pipe: a ringing, noisy thump for each."""
    n_kernel = seconds_to_samples(0.08, sample_rate)
    kernel = struck_modes(
        n_kernel,
        sample_rate,
        pitch_hz * np.array([1, 2.1, 3.3, 5.2, 8]),
        [0.02, 0.015, 0.01, 0.006, 0.004],
        [1, 0.8, 0.6, 0.4, 0.3],
    )
    kernel += 0.5 * thump(rng, sample_rate, 0.08, 100, 2500, 0.008)
    return convolve(impulses, kernel)
