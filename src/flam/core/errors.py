"""Errors that a caller can act on: each message states the value, the rule and the remedy."""

from __future__ import annotations


class FlamError(Exception):
    """Base of every error this package raises on purpose."""


class ConfigError(FlamError):
    """A configuration value is unknown, missing or out of range."""


class AudioError(FlamError):
    """A recording can't be opened, read or written, or holds no usable samples."""


class AnnotationError(FlamError):
    """An event list can't be parsed or written in the named format."""


class ModelError(FlamError):
    """A model can't be found, loaded or converted, or was given an input it does not take."""


class OutputError(FlamError):
    """A result can't be written: no permission, no space, or the path is taken by a folder."""
