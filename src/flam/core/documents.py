"""JSON and YAML from elsewhere, parsed within limits: whatever a file holds, the answer is a value or one error.

Every reader of the package parses here, so that deep nesting, numbers of thousands of digits, aliases of aliases
and YAML's rarer types are refused in one place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Hashable
from typing import Any

import yaml

from flam.core.errors import ConfigError, FlamError

MOST_LEVELS = 100
MOST_YAML_VALUES = 2_000_000  # aliases counted as often as they are used
LARGEST_INTEGER = 2**63 - 1


def parse_json(text: str | bytes, where: str, error_class: type[FlamError] = ConfigError, remedy: str = "") -> Any:
    """Parse one JSON document.

    Parameters
    ----------
    text : str or bytes
        The whole document; bytes must be UTF-8.
    where : str
        File, or file and place in it, for messages.
    error_class : type of FlamError
        What to raise.
    remedy : str
        What the user can do about it; empty for a general one.

    Returns
    -------
    Any
        Lists, dictionaries with text keys, texts, integers of 64 bits, floats (NaN and infinity among them), truth
        values and None.

    Raises
    ------
    error_class
        Not JSON, more than 100 levels deep, or an integer beyond 64 bits; the message names the line.

    Examples
    --------
    >>> parse_json('{"onset_s": 1.5}', "a.json")
    {'onset_s': 1.5}
    >>> parse_json("[" * 100_000, "a.json")
    Traceback (most recent call last):
    flam.core.errors.ConfigError: a.json: nested too deeply; write it with at most 100 levels
    """
    remedy = remedy or "correct it or write it again"
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8-sig")
        value = _DECODER.decode(text)
        if _levels(value) > MOST_LEVELS:
            raise RecursionError
    except json.JSONDecodeError as error:
        raise error_class(f"{_line(where, error.lineno)}: not valid JSON ({error.msg}); {remedy}") from None
    except RecursionError:
        raise error_class(f"{where}: nested too deeply; write it with at most {MOST_LEVELS} levels") from None
    except ValueError as error:
        raise error_class(f"{where}: not valid JSON ({error}); {remedy}") from None
    return value


def parse_yaml(text: str, where: str) -> Any:
    """Parse one YAML document of plain values: mappings, lists, texts, numbers, truth values and null.

    Dates are texts. A key that appears twice in a mapping is an error.

    Parameters
    ----------
    text : str
        The whole document.
    where : str
        File, for messages.

    Returns
    -------
    Any
        None for an empty document.

    Raises
    ------
    ConfigError
        Not YAML, of another type, more than 100 levels deep, an integer beyond 64 bits, or aliases that unfold to
        more than two million values.

    Examples
    --------
    >>> parse_yaml("{day: 2024-02-30, lr: 1e-3}", "a.yaml")
    {'day': '2024-02-30', 'lr': 0.001}
    """
    try:
        loader = _PlainLoader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            _require_bounded(node)
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except RecursionError:
        raise ConfigError(f"{where}: nested too deeply; write it with at most {MOST_LEVELS} levels") from None
    except (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError) as error:  # of a wrong !!type
        raise ConfigError(f"{where}: can't be read as YAML ({' '.join(str(error).split())})") from error


def _integer(digits: str) -> int:
    if len(digits) > 20 or abs(int(digits)) > LARGEST_INTEGER:
        raise ValueError(f"integer {digits[:20]}... of {len(digits)} digits does not fit 64 bits")
    return int(digits)


_DECODER = json.JSONDecoder(parse_int=_integer)


class _PlainLoader(yaml.SafeLoader):
    """Values that JSON has too, and no key twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)  # type: ignore[no-untyped-call]
            if isinstance(key, Hashable):  # PyYAML reports the others
                if key in seen:
                    raise yaml.YAMLError(f"key {key!r} appears twice{key_node.start_mark}; keep one of the two")
                seen.add(key)
        return super().construct_mapping(node, deep)

    def construct_whole_number(self, node: yaml.ScalarNode) -> int:
        return _integer(str(self.construct_yaml_int(node)))  # type: ignore[no-untyped-call]


_OTHER_TYPES = ("timestamp", "binary", "omap", "pairs", "set")
_PlainLoader.yaml_constructors = {
    tag: construct
    for tag, construct in yaml.SafeLoader.yaml_constructors.items()
    if tag is None or not tag.endswith(_OTHER_TYPES)
}
_PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
# PyYAML takes 1e-3 for text, as there is no point in it
_PlainLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+$"), list("-+0123456789")
)
_PlainLoader.add_constructor("tag:yaml.org,2002:int", _PlainLoader.construct_whole_number)


def _levels(value: Any) -> int:
    """How deeply lists and dictionaries are nested, 0 for a plain value; without recursion."""
    levels, layer = 0, [value]
    while layer := [
        inner
        for outer in layer
        if isinstance(outer, (dict, list))
        for inner in (outer.values() if isinstance(outer, dict) else outer)
        if isinstance(inner, (dict, list))
    ]:
        levels += 1
    return levels


def _require_bounded(node: yaml.Node) -> None:
    """Refuse aliases that unfold to more than a file could hold, and those that hold themselves."""
    sizes: dict[int, int] = {}

    def size(node: yaml.Node, level: int) -> int:
        if level > MOST_LEVELS:
            raise RecursionError
        if id(node) not in sizes:
            children = node.value if isinstance(node, (yaml.SequenceNode, yaml.MappingNode)) else []
            flat = [part for child in children for part in (child if isinstance(child, tuple) else (child,))]
            sizes[id(node)] = 1 + sum(size(child, level + 1) for child in flat)
        return sizes[id(node)]

    if size(node, 0) > MOST_YAML_VALUES:
        raise yaml.YAMLError(f"its aliases unfold to more than {MOST_YAML_VALUES} values; write them out or use fewer")


def _line(where: str, line: int) -> str:
    return where if ", line " in where else f"{where}, line {line}"
