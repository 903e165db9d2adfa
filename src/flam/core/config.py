"""Strict YAML to frozen dataclass and back: a typo is an error, a default is never repeated in YAML."""

from __future__ import annotations

import dataclasses
import functools
import reprlib
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

import yaml

from flam.core.documents import parse_yaml
from flam.core.errors import ConfigError
from flam.core.files import atomic_text, read_text

T = TypeVar("T")

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 60
_shown = _SHORT.repr  # of a file that was named by mistake, all the text would be too much
_type_hints = functools.cache(typing.get_type_hints)  # looking them up takes longer than all the rest


def from_mapping(config_class: type[T], mapping: Any, where: str = "config") -> T:
    """Build a (nested) dataclass from a mapping, refusing unknown keys and wrong types.

    Raises
    ------
    ConfigError
        unknown key, missing key, or a value of the wrong type; the message names the place

    Examples
    --------
    >>> from flam.core.timegrid import TimeGrid
    >>> from_mapping(TimeGrid, {"sample_rate": 48000, "hop_samples": 480})
    TimeGrid(sample_rate=48000, hop_samples=480)
    >>> from_mapping(TimeGrid, {"sample_rat": 48000})
    Traceback (most recent call last):
    flam.core.errors.ConfigError: config: unknown key 'sample_rat'; known keys: hop_samples, sample_rate
    """
    if not isinstance(mapping, dict):
        raise ConfigError(f"{where}: {_shown(mapping)} is not a mapping of keys to values")
    hints = _type_hints(config_class)  # type: ignore[arg-type]
    fields = {field.name: field for field in dataclasses.fields(config_class)}  # type: ignore[arg-type]
    for key in mapping:
        if key not in fields:
            raise ConfigError(f"{where}: unknown key {key!r}; known keys: {', '.join(sorted(fields))}")
    missing = [
        name
        for name, field in fields.items()
        if name not in mapping and field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise ConfigError(f"{where}: missing key {missing[0]!r}")
    values = {key: _value(hints[key], value, f"{where}.{key}") for key, value in mapping.items()}
    try:
        return config_class(**values)
    except (ValueError, ArithmeticError) as error:  # the second of values too large to compute with
        raise ConfigError(f"{where}: {error}") from error


def _value(hint: Any, value: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        options = [argument for argument in arguments if argument is not type(None)]
        if len(options) == 1:
            return _value(options[0], value, where)
        for option in options:
            try:
                return _value(option, value, where)
            except ConfigError:
                continue
        meant = _meant(options, value)
        if meant is not None:
            return _value(meant, value, where)  # raises: its own message is the one that helps
        known = " or ".join(
            f"{{{', '.join(sorted(_keys(option)))}}}" if _keys(option) else str(option) for option in options
        )
        raise ConfigError(f"{where}: {_shown(value)} is none of {known}")
    if origin is typing.Literal:
        if value not in arguments:
            raise ConfigError(f"{where}: {_shown(value)} is not one of {', '.join(map(repr, arguments))}")
        return value
    if origin in (tuple, list):
        if not isinstance(value, (list, tuple)):
            raise ConfigError(f"{where}: {_shown(value)} is not a list")
        if origin is tuple and arguments[-1:] != (Ellipsis,):
            if len(value) != len(arguments):
                raise ConfigError(f"{where}: {_shown(value)} needs {len(arguments)} values")
            return tuple(_value(a, v, f"{where}[{i}]") for i, (a, v) in enumerate(zip(arguments, value, strict=True)))
        return origin(_value(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if origin is dict:
        if not isinstance(value, dict):
            raise ConfigError(f"{where}: {_shown(value)} is not a mapping")
        return {_value(arguments[0], k, where): _value(arguments[1], v, f"{where}.{k}") for k, v in value.items()}
    if dataclasses.is_dataclass(hint):
        return from_mapping(hint, value, where)  # type: ignore[arg-type]
    if hint is Any:
        return value
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is Path and isinstance(value, str):
        if "\0" in value:
            raise ConfigError(f"{where}: {_shown(value)} holds a null character; write a path")
        return Path(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise ConfigError(f"{where}: {_shown(value)} is not of type {hint.__name__}")
    return value


def _meant(options: list[Any], value: Any) -> Any:
    """The dataclass that a mapping was written for: the one of its ``kind``, or else the first that knows its keys."""
    if not isinstance(value, dict) or not value:
        return None
    if "kind" in value:
        return next((option for option in options if getattr(option, "kind", None) == value["kind"]), None)
    return next((option for option in options if value.keys() <= _keys(option)), None)


def _keys(hint: Any) -> set[str]:
    """The fields of a dataclass; none of any other type."""
    return {field.name for field in dataclasses.fields(hint)} if dataclasses.is_dataclass(hint) else set()


def to_mapping(config: Any) -> Any:
    """The reverse of ``from_mapping``: plain dicts, lists, numbers and strings.

    Examples
    --------
    >>> from flam.core.timegrid import TimeGrid
    >>> to_mapping(TimeGrid(48000, 480))
    {'sample_rate': 48000, 'hop_samples': 480}
    """
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        return {field.name: to_mapping(getattr(config, field.name)) for field in dataclasses.fields(config)}
    if isinstance(config, (list, tuple)):
        return [to_mapping(item) for item in config]
    if isinstance(config, dict):
        return {key: to_mapping(value) for key, value in config.items()}
    return str(config) if isinstance(config, Path) else config


def load_yaml(config_class: type[T], path: str | Path) -> T:
    """Read a YAML file into a dataclass.

    Raises
    ------
    ConfigError
        the file is missing, is not YAML, or does not fit the dataclass
    """
    mapping = parse_yaml(read_text(path, ConfigError), str(path))
    return from_mapping(config_class, {} if mapping is None else mapping, str(path))


def save_yaml(config: Any, path: str | Path) -> None:
    """Write a dataclass as YAML that ``load_yaml`` reads back equal.

    Raises
    ------
    OutputError
        the file can't be written

    Examples
    --------
    >>> import tempfile
    >>> from flam.core.timegrid import TimeGrid
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_yaml(TimeGrid(48000, 480), f"{folder}/grid.yaml")
    ...     load_yaml(TimeGrid, f"{folder}/grid.yaml")
    TimeGrid(sample_rate=48000, hop_samples=480)
    """
    with atomic_text(Path(path)) as file:
        yaml.safe_dump(to_mapping(config), file, sort_keys=False)
