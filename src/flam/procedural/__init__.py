"""Synthesised sounds: seeded, labelled, endless takes of everyday sound classes."""

from flam.procedural.built_in import ProceduralSource, built_in_library
from flam.procedural.generator import Generator
from flam.procedural.takes import GENERATORS, SAMPLE_RATE, generate, natural_duration_s

__all__ = [
    "GENERATORS",
    "SAMPLE_RATE",
    "Generator",
    "ProceduralSource",
    "built_in_library",
    "generate",
    "natural_duration_s",
]
