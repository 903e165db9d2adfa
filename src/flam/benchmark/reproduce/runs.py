"""Train every method with every seed, one after another, and measure each model on the same held-out scenes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from flam.benchmark.reproduce.config import ComparisonConfig, MeasuredConfig
from flam.benchmark.reproduce.picture import draw_comparison
from flam.benchmark.reproduce.table import Results, summarise, write_tables
from flam.core import ConfigError, Event, RecordingEvents, atomic_text, parse_json, read_text, save_yaml, to_mapping
from flam.data.clip import Clip
from flam.data.scene_source import SceneSource
from flam.detection.load import load
from flam.evaluation.auroc import frame_auroc
from flam.evaluation.table import ScoreTable
from flam.model.checkpoint import MODELS
from flam.training.recipe import Recipe, first_difference
from flam.training.trainer import train

# told the run's name, steps done, steps in all, and the newest figures
Progress = Callable[[str, int, int, dict[str, Any]], None]


class HeldOut(NamedTuple):
    """Scenes, what sounds in them, and what they are asked for."""

    clips: list[Clip]
    truth: list[RecordingEvents]
    prompts: list[str]


def run_comparison(
    config: ComparisonConfig,
    folder: Path,
    methods: Sequence[str] = (),
    progress: Progress = lambda name, done, total, figures: None,
) -> Path:
    """Train and measure what is missing, and write the table and its picture anew after each run.

    Parameters
    ----------
    config : ComparisonConfig
        What is compared.
    folder : Path
        Takes a folder for each run, ``table.csv``, ``table.md`` and ``table.png``. What an earlier call left there is
        kept: a run that was stopped goes on from its last checkpoint.
    methods : sequence of str
        Keys of those to train; all where none is named. The table holds whatever has been measured.
    progress : callable
        Told after each step.

    Returns
    -------
    Path
        The table, ``table.md``.

    Raises
    ------
    ConfigError
        A method is unknown, or the folder holds results of another configuration.
    """
    unknown = sorted(set(methods) - config.methods.keys())
    if unknown:
        raise ConfigError(f"unknown method {unknown[0]!r}; known methods: {', '.join(config.methods)}")
    results = _earlier_results(config, folder)
    held_out: dict[str, HeldOut] = {}
    for seed in config.seeds:
        for method in methods or config.methods:
            if seed in results.get(method, {}):
                continue
            run = folder / f"{method}-seed{seed}"
            held_out = held_out or _all_held_out(config)
            recipe = folder / "recipes" / f"{method}.yaml"
            recipe.parent.mkdir(parents=True, exist_ok=True)
            save_yaml(config.recipes[method], recipe)

            def show(done: int, total: int, figures: dict[str, Any], name: str = run.name) -> None:
                progress(name, done, total, figures)

            train(recipe, run, (f"seed={seed}", f"data.seed={seed}"), show)
            aurocs = {name: measure(run / "final", scenes) for name, scenes in held_out.items()}
            with atomic_text(run / "result.json") as file:
                json.dump({"aurocs": aurocs, **_settings(config, method)}, file, indent=1)
            results.setdefault(method, {})[seed] = aurocs
            _report(folder, config, results)
    _report(folder, config, results)
    return folder / "table.md"


def held_out_scenes(measured: MeasuredConfig, recipe: Recipe) -> HeldOut:
    """Make the scenes, as long as the recipe's clips and at the model's rate; the prompts are what sounds most."""
    assert recipe.data is not None
    grid = MODELS[type(recipe.model)](recipe.model, None).grid
    scenes, clip_s = measured.scenes, recipe.data.clip_s
    n_samples = round(clip_s * grid.sample_rate)
    source = SceneSource(*scenes.clips_and_waveforms(), scenes.scene, n_samples, grid.sample_rate, scenes.seed)
    clips = [source.clip(index, np.random.default_rng(index)) for index in range(measured.n_scenes)]
    count = Counter(label for clip in clips for label in {sound.label for sound in clip.sounds or ()})
    prompts = sorted(sorted(count), key=lambda label: -count[label])[: measured.n_prompts]
    truth = [
        RecordingEvents(
            f"{index:05d}",
            clip_s,
            tuple(Event(*span, sound.label) for sound in clip.sounds or () for span in sound.spans_s),
        )
        for index, clip in enumerate(clips)
    ]
    return HeldOut(clips, truth, prompts)


def measure(model: Path, scenes: HeldOut) -> float:
    """Frame AUROC of a packaged model, the mean over prompts."""
    detector = load(model, device="cpu", backend="torch")
    scores = {
        recording.recording: detector.score(clip.waveform, scenes.prompts, method="posterior")
        for recording, clip in zip(scenes.truth, scenes.clips, strict=True)
    }
    table = ScoreTable.build(scores, scenes.truth, outside="trim", other_prompts="ignore")
    return float(frame_auroc(table, n_draws=0).macro.value)


def _report(folder: Path, config: ComparisonConfig, results: Results) -> None:
    write_tables(folder, config, summarise(config, results))
    draw_comparison(folder / "table.png", config, results)


def _all_held_out(config: ComparisonConfig) -> dict[str, HeldOut]:
    recipe = config.recipes[config.reference]
    return {name: held_out_scenes(measured, recipe) for name, measured in config.measured.items()}


def _settings(config: ComparisonConfig, method: str) -> dict[str, Any]:
    """What a result depends on."""
    return {"recipe": to_mapping(config.recipes[method]), "measured": to_mapping(config.measured)}


def _earlier_results(config: ComparisonConfig, folder: Path) -> Results:
    results: Results = {}
    for method in config.methods:
        for seed in config.seeds:
            path = folder / f"{method}-seed{seed}" / "result.json"
            if not path.exists():
                continue
            found = parse_json(read_text(path, ConfigError), str(path))
            difference = first_difference(
                {key: found[key] for key in ("recipe", "measured")}, _settings(config, method)
            )
            if difference is not None:
                raise ConfigError(f"{path}: is of another comparison: {difference}; give another folder with -o")
            results.setdefault(method, {})[seed] = found["aurocs"]
    return results
