"""YAML to dataclass and back: what is written is read back equal, and a slip names its place."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from flam.core import ConfigError, OutputError, from_mapping, load_yaml, save_yaml, to_mapping


@dataclass(frozen=True)
class Light:
    kind: Literal["light"] = "light"
    size: int = 3


@dataclass(frozen=True)
class Heavy:
    kind: Literal["heavy"] = "heavy"
    size: int = 30
    weight_kg: float = 1.0


@dataclass(frozen=True)
class Recipe:
    name: str
    folder: Path | None = None
    share: float = 0.5
    strict: bool = True
    pair: tuple[int, float] = (1, 2.0)
    many: tuple[str, ...] = ()
    words: list[str] = field(default_factory=list)
    tower: Light | Heavy = field(default_factory=Light)
    by_name: dict[str, Light] = field(default_factory=dict)
    anything: Any = None

    def __post_init__(self):
        if not 0 <= self.share <= 1:
            raise ValueError(f"share {self.share} must be within [0, 1]")


FULL = Recipe(
    "wörd: 'x'", Path("a/b"), 1.0, False, (7, 0.1), ("a", "b"), ["no", "1"], Heavy(weight_kg=2.5), {"k": Light(size=9)}
)


@pytest.mark.parametrize("recipe", [FULL, Recipe("a")])
def test_written_equals_read_back(recipe, tmp_path):
    save_yaml(recipe, tmp_path / "recipe.yaml")
    assert load_yaml(Recipe, tmp_path / "recipe.yaml") == recipe
    assert from_mapping(Recipe, to_mapping(recipe)) == recipe


def test_whole_number_becomes_a_float():
    share = from_mapping(Recipe, {"name": "a", "share": 1}).share
    assert isinstance(share, float)


SLIPS = {
    "unknown key": ({"nam": "a"}, "config: unknown key 'nam'; known keys: anything, by_name"),
    "missing key": ({}, "config: missing key 'name'"),
    "wrong type": ({"name": 3}, "config.name: 3 is not of type str"),
    "truth is no number": ({"name": "a", "share": True}, "config.share: True is not of type float"),
    "number is no truth": ({"name": "a", "strict": 1}, "config.strict: 1 is not of type bool"),
    "null where none is allowed": ({"name": None}, "config.name: None is not of type str"),
    "too many": ({"name": "a", "pair": [1, 2, 3]}, "config.pair: [1, 2, 3] needs 2 values"),
    "wrong inside": ({"name": "a", "pair": [1, "x"]}, "config.pair[1]: 'x' is not of type float"),
    "text is no list": ({"name": "a", "many": "abc"}, "config.many: 'abc' is not a list"),
    "no branch fits": ({"name": "a", "tower": {"kind": "feather"}}, "config.tower: {'kind': 'feather'} is none of"),
    "nested key": ({"name": "a", "by_name": {"k": {"siz": 1}}}, "config.by_name.k: unknown key 'siz'"),
    "rule of the class": ({"name": "a", "share": 2.0}, "config: share 2.0 must be within [0, 1]"),
    "no mapping": ([1], "config: [1] is not a mapping of keys to values"),
}


@pytest.mark.parametrize("case", SLIPS)
def test_slip_names_its_place(case):
    mapping, message = SLIPS[case]
    with pytest.raises(ConfigError) as caught:
        from_mapping(Recipe, mapping)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(("text", "reason"), [("a: [", "can't be read as YAML"), ("a: b: c", "can't be read as YAML")])
def test_file_that_is_no_yaml_is_told_in_one_line(tmp_path, text, reason):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(ConfigError, match=reason) as caught:
        load_yaml(Recipe, tmp_path / "a.yaml")
    assert "\n" not in str(caught.value)


def test_empty_file_is_all_defaults(tmp_path):
    (tmp_path / "a.yaml").write_text("# nothing\n")
    assert load_yaml(Light, tmp_path / "a.yaml") == Light()


def test_place_that_takes_no_file(tmp_path):
    with pytest.raises(OutputError, match="can't be written"):
        save_yaml(FULL, tmp_path / "none" / "a.yaml")
