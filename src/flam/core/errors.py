"""Errors that a caller can act on: each message states the value, the rule and the remedy."""

from __future__ import annotations

import importlib.util

EXTRAS = {
    "torch": "torch",
    "onnx": "torch",
    "transformers": "base",
    "matplotlib": "plot",
    "av": "media",
    "pyarrow": "synth",
    "pyroomacoustics": "synth",
    "scipy": "train",
    "fsspec": "train",
    "fastapi": "serve",
    "uvicorn": "serve",
    "sounddevice": "live",
    "ray": "bulk",
}


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


class MissingExtraError(FlamError):
    """A package is not installed; the message names the extra that brings it."""


def is_installed(package: str) -> bool:
    """Whether a package can be imported, without importing it.

    Examples
    --------
    >>> is_installed("json"), is_installed("no_such_package")
    (True, False)
    """
    try:
        return importlib.util.find_spec(package) is not None
    except ImportError:  # raised by hooks that forbid a package
        return False


def missing_extra(error: ModuleNotFoundError) -> MissingExtraError | None:
    """Explain an import that failed because an optional package is not installed; None where that is not the reason.

    Examples
    --------
    >>> print(missing_extra(ModuleNotFoundError("No module named 'scipy'", name="scipy")))
    scipy is needed for this; install it with pip install "flam-audio[train]"
    """
    package = (error.name or "").partition(".")[0]
    return _missing(package, EXTRAS[package], "for this") if package in EXTRAS else None


def require_extra(package: str, extra: str, purpose: str) -> None:
    """Check that an optional package is there.

    Parameters
    ----------
    package : str
        Its import name.
    extra : str
        The extra of ``flam-audio`` that installs it.
    purpose : str
        What it is needed for, beginning with "to" or "for".

    Raises
    ------
    MissingExtraError
        It is not installed.

    Examples
    --------
    >>> try:
    ...     require_extra("no_such_package", "plot", "for pictures")
    ... except MissingExtraError as error:
    ...     print(error)
    no_such_package is needed for pictures; install it with pip install "flam-audio[plot]"
    """
    if not is_installed(package):
        raise _missing(package, extra, purpose)


def _missing(package: str, extra: str, purpose: str) -> MissingExtraError:
    return MissingExtraError(f'{package} is needed {purpose}; install it with pip install "flam-audio[{extra}]"')
