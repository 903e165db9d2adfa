"""A sound generator: a function of a random generator, with the words that describe what it makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from flam.core import ConfigError, seconds_to_samples

PEAK = 0.9
EDGE_FADE_S = 0.003
SHORTEST_S = 0.3
LOWEST_RATE_HZ = 8000

Synthesis = Callable[[np.random.Generator, float, int], np.ndarray]


@dataclass(frozen=True)
class Generator:
    """A class of sound that can be made in endless takes.

    Parameters
    ----------
    label : str
        class name, lower case
    caption : str
        what one hears, as a person would write it
    kind : Literal['event', 'background']
        "event" has an onset and an offset, "background" can fill a whole recording
    typical_s : tuple[float, float]
        shortest and longest natural duration in seconds
    synthesis : Synthesis
        ``(rng, duration_s, sample_rate) -> (N,) array`` of any level
    """

    label: str
    caption: str
    kind: Literal["event", "background"]
    typical_s: tuple[float, float]
    synthesis: Synthesis

    def __call__(self, rng: np.random.Generator, duration_s: float, sample_rate: int = 48000) -> np.ndarray:
        """Make one take of exactly the asked duration.

        Returns
        -------
        np.ndarray
            (N,) float32 array, N = duration in samples, mean 0, peak 0.9

        Raises
        ------
        ConfigError
            the duration is too short to hold a sound, or the sample rate is below 8,000 Hz
        """
        n_samples = seconds_to_samples(duration_s, sample_rate)
        if duration_s < SHORTEST_S:
            raise ConfigError(
                f"duration_s {duration_s} of {self.label!r} must be at least {SHORTEST_S}; ask for a longer take"
            )
        if sample_rate < LOWEST_RATE_HZ:
            raise ConfigError(f"sample_rate {sample_rate} must be at least {LOWEST_RATE_HZ} Hz; resample afterwards")
        made = self.synthesis(rng, duration_s, sample_rate)[:n_samples]
        waveform = np.zeros(n_samples)
        waveform[: len(made)] = made
        n_fade = seconds_to_samples(EDGE_FADE_S, sample_rate)
        waveform[-n_fade:] *= np.linspace(1, 0, n_fade)
        waveform -= waveform.mean()
        return (PEAK * waveform / np.abs(waveform).max()).astype(np.float32)


def sound(
    label: str, caption: str, kind: Literal["event", "background"], typical_s: tuple[float, float]
) -> Callable[[Synthesis], Generator]:
    """Decorate a synthesis function to make it a ``Generator``."""
    return lambda synthesis: Generator(label, caption, kind, typical_s, synthesis)
