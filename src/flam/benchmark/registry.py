"""Benchmarks by name: public corpora, scenes from a library, and one that needs nothing at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from flam.benchmark.benchmark import Benchmark
from flam.benchmark.clip_benchmarks import classify_benchmark, scenes_benchmark
from flam.benchmark.corpora import CORPUS_BENCHMARKS, corpus_benchmark
from flam.benchmark.recipes import BUILTIN, RecipeFile, ScenesRecipe
from flam.core import ConfigError, load_yaml

SCENES = {"builtin": BUILTIN, "heldout": ScenesRecipe()}


@dataclass(frozen=True)
class Places:
    """Where benchmarks find what they need.

    Parameters
    ----------
    cache : Path
        folder for what can be made again
    data_root : Path | None, optional
        folder of public corpora
    manifest : Path | None, optional
        manifest or measured table to make benchmarks from
    """

    cache: Path
    data_root: Path | None = None
    manifest: Path | None = None


def open_benchmarks(
    name: str,
    places: Places,
    n_items: int | None = None,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
) -> list[Benchmark]:
    """The benchmarks of a name: one, but of a YAML file with recorders one for each; parameters as ``open_benchmark``.

    Raises
    ------
    ConfigError
        as ``open_benchmark``
    """
    recipe = load_yaml(RecipeFile, name) if name.endswith((".yaml", ".yml")) else None
    if recipe is None or recipe.scenes is None or not recipe.recorders:
        return [open_benchmark(name, places, n_items, progress)]
    return [
        scenes_benchmark(
            f"{Path(name).stem}: {condition}",
            replace(recipe.scenes, recorder=recorder),
            places.manifest,
            places.cache,
            n_items,
            progress,
        )
        for condition, recorder in recipe.recorders.items()
    ]


def require_benchmark(name: str) -> None:
    """Check that there is a benchmark of a name, or that its file can be read, before any is prepared.

    Parameters
    ----------
    name : str
        As for ``open_benchmark``.

    Raises
    ------
    ConfigError
        No such benchmark, or a file with an unknown key.
    """
    if name.endswith((".yaml", ".yml")):
        load_yaml(RecipeFile, name)
    elif name not in SCENES and name.partition(":")[0] not in CORPUS_BENCHMARKS:
        raise _unknown(name)


def open_benchmark(
    name: str,
    places: Places,
    n_items: int | None = None,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
) -> Benchmark:
    """A benchmark by name, or from a YAML file such as those of configs/benchmarks.

    Parameters
    ----------
    name : str
        "builtin", "heldout", a key of ``CORPUS_BENCHMARKS`` (maybe with a split, ``desed:public``), or a file
    n_items : int | None, optional
        at most so many recordings; None for all
    progress : Callable[[int, int | None], None], optional
        called with (scenes rendered, scenes in all)

    Raises
    ------
    ConfigError
        no such benchmark, or something it needs is missing
    """
    if name in SCENES:
        return scenes_benchmark(name, SCENES[name], places.manifest, places.cache, n_items, progress)
    if name.partition(":")[0] in CORPUS_BENCHMARKS:
        return corpus_benchmark(name, places.data_root).limited(n_items)
    if name.endswith((".yaml", ".yml")):
        recipe, stem = load_yaml(RecipeFile, name), Path(name).stem
        if recipe.scenes is not None:
            return scenes_benchmark(stem, recipe.scenes, places.manifest, places.cache, n_items, progress)
        assert recipe.classify is not None
        return classify_benchmark(stem, recipe.classify, places.manifest).limited(n_items)
    raise _unknown(name)


def _unknown(name: str) -> ConfigError:
    known = ", ".join([*SCENES, *CORPUS_BENCHMARKS])
    return ConfigError(f"no benchmark {name!r}; choose one of {known}, or give a YAML file")
