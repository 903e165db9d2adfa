"""Sounds made from nothing but numbers: seeded, labelled, endless takes of everyday sound classes."""

from __future__ import annotations

import zlib

import numpy as np

from flam.core import ConfigError
from flam.synth.procedural import alarms, animals, bells, elements, impacts, machines, people
from flam.synth.procedural.generator import Generator

SAMPLE_RATE = 48000

GENERATORS: dict[str, Generator] = {
    generator.label: generator
    for module in (alarms, animals, bells, elements, impacts, machines, people)
    for generator in vars(module).values()
    if isinstance(generator, Generator)
}

__all__ = ["GENERATORS", "SAMPLE_RATE", "Generator", "generate"]


def generate(label: str, seed: int, duration_s: float | None = None) -> np.ndarray:
    """Make one take of a sound at 48 kHz; the same label, seed and duration give the same samples.

    Parameters
    ----------
    label : a key of ``GENERATORS``
    seed : any integer >= 0; each seed is another take
    duration_s : seconds; drawn from the class's natural range where not given

    Returns
    -------
    (N,) float32 array with peak 0.9

    Raises
    ------
    ConfigError : unknown label, negative seed, or a duration too short to hold a sound

    >>> generate("siren", seed=1, duration_s=2.0).shape
    (96000,)
    """
    if label not in GENERATORS:
        raise ConfigError(f"no generator for {label!r}; known labels: {', '.join(sorted(GENERATORS))}")
    if seed < 0:
        raise ConfigError(f"seed {seed} must be 0 or greater")
    generator = GENERATORS[label]
    rng = np.random.default_rng([seed, zlib.crc32(label.encode())])
    if duration_s is None:
        duration_s = rng.uniform(*generator.typical_s)
    return generator(rng, duration_s, SAMPLE_RATE)
