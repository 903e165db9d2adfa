"""The paper's comparison at a small scale: FLAM, its ablations, FLAM-Global and MGA-CLAP, on one start and one budget.

    python benchmarks/reproduction.py --library library/manifest.csv --bank runs/bank --start runs/distilled
    python benchmarks/reproduction.py --procedural 2 --start flam-mini --set optim.steps=10 -o runs/check

The second line needs no audio. Trains every recipe of configs/reproduction with every seed, one after another, and
measures each model on the same held-out scenes. What is done is kept: stopped at any moment and started again, it goes
on. After each run the table is written anew, ``table.md`` and ``table.json`` in the output folder.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml
from scipy import stats

import flam
from flam.core import Event, RecordingEvents, TimeGrid, atomic_text, to_mapping
from flam.data.clip import Clip
from flam.data.scene_source import SceneSource
from flam.evaluation.auroc import frame_auroc
from flam.evaluation.table import ScoreTable
from flam.model.checkpoint import MODELS
from flam.training.recipe import Recipe, load_recipe
from flam.training.trainer import train

CONFIGS = Path(__file__).parents[1] / "configs" / "reproduction"
RECIPES = ("flam", "global", "mga_clap", "no_bias", "no_scale", "no_prior", "no_global_loss")
# held-out frame AUROC x 100 of Wu et al., 2025 (arXiv 2505.05335)
PUBLISHED = {"flam": 91.00, "global": 67.76, "mga_clap": 74.17, "no_global_loss": 91.33}
SHARE = 0.95
# of the scenes that models are measured on; that of the recipes' own validation is another
SCENE_SEED = 2


class HeldOut(NamedTuple):
    """Scenes, what sounds in them, and what they are asked for."""

    clips: list[Clip]
    truth: list[RecordingEvents]
    prompts: list[str]


def held_out(config: Recipe, grid: TimeGrid, n_scenes: int, n_prompts: int) -> HeldOut:
    """Scenes like those that the recipe validates on; the prompts are the labels that sound in most of them."""
    scenes, n_samples = config.validation_data.frames[0].scenes, round(config.validation_data.clip_s * grid.sample_rate)
    assert scenes is not None
    source = SceneSource(*scenes.clips_and_waveforms(), scenes.scene, n_samples, grid.sample_rate, SCENE_SEED)
    clips = [source.clip(index, np.random.default_rng(index)) for index in range(n_scenes)]
    count = Counter(label for clip in clips for label in {sound.label for sound in clip.sounds or ()})
    prompts = sorted(sorted(count), key=lambda label: -count[label])[:n_prompts]
    truth = [
        RecordingEvents(
            f"{index:05d}",
            config.validation_data.clip_s,
            tuple(Event(*span, sound.label) for sound in clip.sounds or () for span in sound.spans_s),
        )
        for index, clip in enumerate(clips)
    ]
    return HeldOut(clips, truth, prompts)


def measure(model: Path, scenes: HeldOut) -> dict[str, Any]:
    """Frame AUROC, with intervals from drawing the scenes again."""
    detector = flam.load(model, device="cpu")
    scores = {
        recording.recording: detector.score(clip.waveform, scenes.prompts, method="posterior")
        for recording, clip in zip(scenes.truth, scenes.clips, strict=True)
    }
    found = frame_auroc(ScoreTable.build(scores, scenes.truth, outside="trim", other_prompts="ignore"))
    return {
        "macro": to_mapping(found.macro),
        "micro": to_mapping(found.micro),
        "per_prompt": {prompt: area.value for prompt, area in found.per_prompt.items()},
    }


def data_changes(arguments: argparse.Namespace, config: Recipe) -> list[str]:
    """What makes a recipe hear the library that was asked for."""
    captions, frames, held_out = (
        to_mapping(sources) for sources in (config.data.captions, config.data.frames, config.validation_data.frames)
    )
    if arguments.procedural is not None:
        made = {"n_takes": arguments.procedural}
        captions = [{"procedural": made}]
        frames = [{"scenes": {"procedural": made, "scene": frames[0]["scenes"]["scene"]}}]
        held_out = [{"scenes": {"procedural": {**made, "seed": 1}, "scene": held_out[0]["scenes"]["scene"]}}]
    elif arguments.manifest is not None:
        for source in (*captions, *(part["scenes"] for part in (*frames, *held_out))):
            source["manifest"]["path"] = str(arguments.manifest)
        if arguments.bank is not None:
            frames[0]["scenes"]["bank"] = str(arguments.bank / "training")
            held_out[0]["scenes"]["bank"] = str(arguments.bank / "held_out")
    sources = {"data.captions": captions, "data.frames": frames, "validation_data.frames": held_out}
    return [
        f"{key}={yaml.safe_dump(value, default_flow_style=True, width=float('inf')).strip()}"
        for key, value in sources.items()
    ]


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean, and half the width of its interval (Student's t); NaN for a single value."""
    if len(values) < 2:
        return float(np.mean(values)), float("nan")
    factor = stats.t.ppf((1 + SHARE) / 2, len(values) - 1)
    return float(np.mean(values)), float(factor * np.std(values, ddof=1) / len(values) ** 0.5)


def write_table(folder: Path, results: dict[str, dict[int, dict[str, Any]]], told: dict[str, Any]) -> None:
    """Both forms of the table, of what has been measured so far."""
    rows = []
    for recipe, runs in results.items():
        values = {seed: 100 * run["macro"]["value"] for seed, run in runs.items()}
        ahead = [
            values[seed] - 100 * run["macro"]["value"]
            for seed, run in results.get("flam", {}).items()
            if seed in values and recipe != "flam"
        ]
        mean, half = interval(list(values.values()))
        minutes = [run["seconds"] / 60 for run in runs.values() if run["seconds"] is not None]
        rows.append(
            {
                "recipe": recipe,
                "mean": mean,
                "half_width": half,
                "seeds": values,
                "ahead_of_flam": interval(ahead) if ahead else None,
                "micro_mean": interval([100 * run["micro"]["value"] for run in runs.values()])[0],
                "minutes": float(np.mean(minutes)) if minutes else None,
                "published": PUBLISHED.get(recipe),
            }
        )
    with atomic_text(folder / "table.json") as file:
        json.dump({**told, "rows": rows, "runs": results}, file, indent=1)
    lines = [
        f"Held-out frame AUROC x 100: {told['scenes']} scenes, macro over {told['prompts']} prompts, "
        f"{told['steps']} steps; means over seeds with {SHARE:.0%} intervals (Student's t).",
        "",
        "| recipe | macro | against flam, same seed | each seed | micro | minutes a run | the paper, its own scale |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        ahead = "" if row["ahead_of_flam"] is None else "{:+.1f} ± {:.1f}".format(*row["ahead_of_flam"])
        each = ", ".join(f"{value:.1f}" for value in row["seeds"].values())
        minutes = "" if row["minutes"] is None else f"{row['minutes']:.1f}"
        published = "" if row["published"] is None else f"{row['published']:.1f}"
        lines.append(
            f"| {row['recipe']} | {row['mean']:.1f} ± {row['half_width']:.1f} | {ahead} | {each} | "
            f"{row['micro_mean']:.1f} | {minutes} | {published} |"
        )
    lines += ["", f"Made by `{told['command']}`.", ""]
    with atomic_text(folder / "table.md") as file:
        file.write("\n".join(lines).replace("± nan", "± ?"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/reproduction"), help="folder of all runs")
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=RECIPES)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--start", help="checkpoint that all begin with; left out, the recipes' own")
    parser.add_argument("--library", dest="manifest", type=Path, help="manifest or scan; left out, the recipes' own")
    parser.add_argument("--bank", type=Path, help="folder for decoded clips; a manifest that is no scan needs it")
    parser.add_argument("--procedural", type=int, metavar="TAKES", help="sounds made from nothing instead of a library")
    parser.add_argument("--scenes", type=int, default=300, help="held-out scenes to measure on")
    parser.add_argument("--prompts", type=int, default=50, help="labels to ask for, those that sound most")
    parser.add_argument("--set", action="append", default=[], help="another value for a setting of all recipes")
    arguments = parser.parse_args()

    recipes = {name: CONFIGS / f"{name}.yaml" for name in arguments.recipes}
    first = load_recipe(next(iter(recipes.values())), arguments.set)
    changes = [*data_changes(arguments, first), *arguments.set]
    if arguments.start is not None:
        changes.append(f"start.model={arguments.start}")
    first = load_recipe(next(iter(recipes.values())), changes)
    grid = MODELS[type(first.model)](first.model, None).grid
    scenes = held_out(first, grid, arguments.scenes, arguments.prompts)
    told = {
        "command": " ".join(["python", "benchmarks/reproduction.py", *sys.argv[1:]]),
        "scenes": len(scenes.clips),
        "prompts": len(scenes.prompts),
        "steps": first.optim.steps,
    }
    settings = {"changes": changes, "scenes": arguments.scenes, "prompts": scenes.prompts}
    results: dict[str, dict[int, dict[str, Any]]] = defaultdict(dict)
    for seed in arguments.seeds:
        for name, recipe in recipes.items():
            folder = arguments.output / f"{name}-seed{seed}"
            path = arguments.output / "results" / f"{folder.name}.json"
            result = json.loads(path.read_text()) if path.exists() else {}
            if result.get("settings") != settings:
                begun, is_resumed = time.monotonic(), folder.exists()

                def show(done: int, total: int, figures: dict[str, Any], run: str = folder.name) -> None:
                    shown = {key: value for key, value in figures.items() if key.endswith(("_loss", "_auroc"))}
                    if figures:
                        print(f"{run}: step {done}/{total} {shown}", file=sys.stderr)

                train(recipe, folder, (*changes, f"seed={seed}", f"data.seed={seed}"), show)
                seconds = None if is_resumed else time.monotonic() - begun
                result = {"settings": settings, "seconds": seconds, **measure(folder / "final", scenes)}
                path.parent.mkdir(parents=True, exist_ok=True)
                with atomic_text(path) as file:
                    json.dump(result, file, indent=1)
            results[name][seed] = {key: value for key, value in result.items() if key != "settings"}
            write_table(arguments.output, results, told)
    print((arguments.output / "table.md").read_text())


if __name__ == "__main__":
    main()
