"""Takes by class name and seed."""

from __future__ import annotations

import zlib

import numpy as np

from flam.core import ConfigError
from flam.procedural import alarms, animals, elements, impacts, instruments, machines, people, vehicles
from flam.procedural.generator import Generator

SAMPLE_RATE = 48000

MODULES = (alarms, animals, elements, impacts, instruments, machines, people, vehicles)
GENERATORS: dict[str, Generator] = {
    generator.label: generator
    for module in MODULES
    for generator in vars(module).values()
    if isinstance(generator, Generator)
}


def generate(label: str, seed: int, duration_s: float | None = None) -> np.ndarray:
    """Make one take of a sound at 48 kHz; the same label, seed and duration give the same samples.

    Parameters
    ----------
    label : str
        a key of ``GENERATORS``
    seed : int
        any integer >= 0; each seed is another take
    duration_s : float | None, optional
        seconds; drawn from the class's natural range where not given

    Returns
    -------
    np.ndarray
        (N,) float32 array with peak 0.9

    Raises
    ------
    ConfigError
        unknown label, negative seed, or a duration too short to hold a sound

    Examples
    --------
    >>> generate("siren", seed=1, duration_s=2.0).shape
    (96000,)
    """
    rng = _rng(label, seed)
    if duration_s is None:
        duration_s = rng.uniform(*GENERATORS[label].typical_s)
    return GENERATORS[label](rng, duration_s, SAMPLE_RATE)


def natural_duration_s(label: str, seed: int) -> float:
    """How long the take of a seed is where no duration is asked for, without making it.

    Raises
    ------
    ConfigError
        unknown label or negative seed

    Examples
    --------
    >>> len(generate("door slam", seed=1)) == round(natural_duration_s("door slam", seed=1) * SAMPLE_RATE)
    True
    """
    return _rng(label, seed).uniform(*GENERATORS[label].typical_s)


def _rng(label: str, seed: int) -> np.random.Generator:
    if label not in GENERATORS:
        raise ConfigError(f"no generator for {label!r}; known labels: {', '.join(sorted(GENERATORS))}")
    if seed < 0:
        raise ConfigError(f"seed {seed} must be 0 or greater")
    return np.random.default_rng([seed, zlib.crc32(label.encode())])
