"""JSON and YAML of others: hostile documents are refused in no time with one line, honest ones are read as before."""

import json
import time

import pytest
import yaml

from flam.core import AnnotationError, ConfigError, FlamError, from_mapping, load_yaml
from flam.core.documents import parse_json, parse_yaml
from flam.core.timegrid import TimeGrid


def laughs(levels, width=10):
    """Aliases of aliases: ``width ** levels`` values from a few hundred bytes."""
    lines = [f"x0: &x0 [{', '.join(['x'] * width)}]"]
    lines += [f"x{i}: &x{i} [{', '.join([f'*x{i - 1}'] * width)}]" for i in range(1, levels)]
    return "\n".join(lines)


HOSTILE_JSON = {
    "deep lists": "[" * 200_000,
    "deep objects": '{"a":' * 200_000,
    "deep, but closed": "[" * 500 + "]" * 500,
    "an integer of 5,000 digits": '{"duration_s": ' + "9" * 5_000 + "}",
    "an integer beyond 64 bits": '{"duration_s": ' + "9" * 30 + "}",
    "cut off": '{"a": ',
    "nothing": "",
    "not UTF-8": b'{"a": "\xff"}',
}
HOSTILE_YAML = {
    "deep lists": "[" * 20_000,
    "deep blocks": "".join(" " * i + "a:\n" for i in range(3_000)),
    "deep, but closed": "[" * 150 + "]" * 150,
    "laughs": laughs(9),
    "a list that holds itself": "a: &a [*a]",
    "a mapping that holds itself": "a: &a {b: *a}",
    "an integer of 5,000 digits": "a: " + "9" * 5_000,
    "an integer beyond 64 bits": "a: " + "9" * 30,
    "a wrong timestamp": "a: !!timestamp 1",
    "a wrong truth value": "a: !!bool maybe",
    "a wrong integer": "a: !!int x",
    "an empty integer": "a: !!int ''",
    "a set": "a: !!set {x, y}",
    "bytes": "a: !!binary eA==",
    "code": "!!python/object/apply:os.system [id]",
    "a list as key": "? [a]\n: b",
    "a key twice": "a: 1\na: 2",
    "an alias of nothing": "a: *b",
    "a control character": "a: \x00",
    "two documents": "a: 1\n---\nb: 2",
}


@pytest.mark.parametrize("case", HOSTILE_JSON)
def test_hostile_json_is_refused_in_one_line(case):
    begun = time.process_time()
    with pytest.raises(AnnotationError, match=r"^a\.json") as caught:
        parse_json(HOSTILE_JSON[case], "a.json", AnnotationError)
    assert "\n" not in str(caught.value)
    assert time.process_time() - begun < 10


@pytest.mark.parametrize("case", HOSTILE_YAML)
@pytest.mark.slow
def test_hostile_yaml_is_refused_in_one_line(case, tmp_path):
    begun = time.process_time()
    (tmp_path / "a.yaml").write_bytes(HOSTILE_YAML[case].encode())
    with pytest.raises(ConfigError, match=r"a\.yaml: ") as caught:
        load_yaml(TimeGrid, tmp_path / "a.yaml")
    assert "\n" not in str(caught.value)
    assert time.process_time() - begun < 10


def test_honest_documents_are_read_as_by_the_libraries_themselves():
    values = {"a": [1, 2.5, None, True, "ü", {"b": []}], "big": 2**63 - 1, "small": -(2**63 - 1)}
    assert parse_json(json.dumps(values), "a.json") == values
    assert parse_json(json.dumps(values).encode("utf-8-sig"), "a.json") == values
    assert parse_yaml(yaml.safe_dump(values), "a.yaml") == values
    shared = "base: &base {lr: 0.1, steps: 3}\nmine: {<<: *base, steps: 4}\nagain: [*base, *base]"
    assert parse_yaml(shared, "a.yaml") == yaml.safe_load(shared)
    assert parse_yaml("", "a.yaml") is None


def test_small_numbers_with_an_exponent_are_numbers():
    assert parse_yaml("[1e-4, 2E5, -3e+2, 1e3x]", "a.yaml") == [1e-4, 2e5, -3e2, "1e3x"]


def test_dates_are_texts():
    assert parse_yaml("[2001-99-99, 2024-01-01]", "a.yaml") == ["2001-99-99", "2024-01-01"]


def test_null_character_is_no_path():
    from dataclasses import dataclass
    from pathlib import Path

    @dataclass(frozen=True)
    class Place:
        folder: Path

    with pytest.raises(FlamError, match="null character"):
        from_mapping(Place, {"folder": "a\0b"})
