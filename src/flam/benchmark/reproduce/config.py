"""What a comparison trains and what it measures, read from one YAML file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from flam.core import ConfigError, from_mapping, parse_yaml, read_text
from flam.data.scene_source import ScenesConfig
from flam.training.recipe import Recipe, merge_overrides, with_changes

BUILT_IN = Path(__file__).with_name("procedural.yaml")


@dataclass(frozen=True)
class MeasuredConfig:
    """Held-out scenes that every model is measured on.

    Parameters
    ----------
    scenes : ScenesConfig
        How they are made, from sounds that no training hears.
    n_scenes : int
        How many.
    n_prompts : int
        What they are asked for: the labels that sound in most of them.
    """

    scenes: ScenesConfig
    n_scenes: int = 300
    n_prompts: int = 50

    def __post_init__(self) -> None:
        if min(self.n_scenes, self.n_prompts) < 1:
            raise ValueError("n_scenes and n_prompts must be at least 1")


@dataclass(frozen=True)
class MethodConfig:
    """One line of the table.

    Parameters
    ----------
    changes : dict
        What differs from the common recipe, nested as it is.
    name : str
        As the table calls it; left out, its key.
    published : float or None
        Frame AUROC x 100 that the paper reports, at its own scale.
    """

    changes: dict[str, Any] = field(default_factory=dict)
    name: str = ""
    published: float | None = None


@dataclass(frozen=True)
class ComparisonConfig:
    """Everything that decides a comparison.

    Parameters
    ----------
    recipe : dict
        The training recipe that all methods share, as ``flam train`` takes it.
    methods : dict of str to MethodConfig
        What is compared; each key names the folders of its runs.
    measured : dict of str to MeasuredConfig
        Sets of held-out scenes; the first one is what methods are compared by.
    seeds : tuple of int
        Each method is trained once with each, which decides weights and what is drawn.
    reference : str
        The method that the others are compared with.
    """

    recipe: dict[str, Any]
    methods: dict[str, MethodConfig]
    measured: dict[str, MeasuredConfig]
    seeds: tuple[int, ...] = (0, 1, 2)
    reference: str = "flam"

    def __post_init__(self) -> None:
        if self.reference not in self.methods:
            raise ValueError(f"reference {self.reference!r} is none of the methods: {', '.join(self.methods)}")
        if not self.measured:
            raise ValueError("measured is empty; name a set of held-out scenes")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds {list(self.seeds)}: give at least one, and each of them once")

    @cached_property
    def recipes(self) -> dict[str, Recipe]:
        """The recipe of each method, before its seed is set.

        Raises
        ------
        ConfigError
            One can't be used.
        """
        return {
            key: from_mapping(Recipe, merge_overrides(self.recipe, method.changes), f"methods.{key}")
            for key, method in self.methods.items()
        }


def load_comparison(path: Path = BUILT_IN, changes: Sequence[str] = ()) -> ComparisonConfig:
    """Read a comparison from YAML.

    Parameters
    ----------
    path : Path
        The file; that of the built-in sounds where none is named.
    changes : sequence of str
        "key=value" each, as ``recipe.optim.steps=20``.

    Raises
    ------
    ConfigError
        It can't be read, a key is unknown, or a recipe can't be used.
    """
    mapping = parse_yaml(read_text(path, ConfigError), str(path))
    if not isinstance(mapping, dict):
        raise ConfigError(f"{path}: is not a mapping of keys to values; see {BUILT_IN.name}")
    config = from_mapping(ComparisonConfig, with_changes(mapping, changes), str(path))
    assert config.recipes  # a wrong one is reported before the first is trained
    return config
