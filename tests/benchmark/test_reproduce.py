"""The comparison: methods differ in what is compared and in nothing else; runs are kept; the table says what holds."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from flam.benchmark.reproduce import load_comparison, run_comparison
from flam.benchmark.reproduce.config import BUILT_IN
from flam.benchmark.reproduce.runs import held_out_scenes
from flam.benchmark.reproduce.table import as_markdown, summarise
from flam.cli.main import main
from flam.core import ConfigError, to_mapping
from flam.training.recipe import first_difference, needed_data
from flam.training.start import starting_model

LIBRARY = Path(__file__).parents[2] / "configs" / "reproduction" / "library.yaml"
FILES = [BUILT_IN, LIBRARY]
BASELINES = ("global", "mga_clap", "siglip", "pacl")
SOUNDS = "{n_takes: 1, labels: [dog bark, door slam, siren]}"
SCENE = "{background_share: 0.0, n_events: {integers: [1, 2]}}"
TINY = (
    "recipe.optim.steps=2",
    "recipe.optim.warmup_steps=1",
    "recipe.record.save_every=1",
    "recipe.data.caption_clips=4",
    "recipe.data.frame_clips=4",
    "methods.flam.changes.data.caption_clips=4",
    "recipe.data.clip_s=0.96",
    "recipe.validation_data.clip_s=0.96",
    "recipe.validation_data.frame_clips=2",
    f"recipe.data.captions=[{{procedural: {SOUNDS}}}]",
    f"recipe.data.frames=[{{scenes: {{procedural: {SOUNDS}, scene: {SCENE}}}}}]",
    f"recipe.validation_data.frames=[{{scenes: {{procedural: {SOUNDS}, scene: {SCENE}}}}}]",
    *(
        f"measured.{name}={{scenes: {{procedural: {SOUNDS}, scene: {SCENE}}}, n_scenes: 4, n_prompts: 3}}"
        for name in ("new takes", "new classes")
    ),
)


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def comparison(request):
    return load_comparison(request.param)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_first_line_runs_it(path):
    line = path.read_text(encoding="utf-8").splitlines()[0]
    named = "" if path == BUILT_IN else "configs/reproduction/library.yaml "
    assert line.startswith(f"# flam benchmark reproduce {named}-o runs/reproduction")


def test_start_towers_sounds_and_budget_are_the_same(comparison):
    flam = comparison.recipes["flam"]
    for recipe in comparison.recipes.values():
        for key in ("start", "validation_data", "optim", "augment", "compute", "ema_decay"):
            assert getattr(recipe, key) == getattr(flam, key), key
        for key in ("audio", "text", "joint_dim", "hidden_dim"):
            assert getattr(recipe.model, key) == getattr(flam.model, key), key
        assert (recipe.data.captions, recipe.data.frames) == (flam.data.captions, flam.data.frames)


def test_all_methods_hear_as_many_clips(comparison):
    for name in ("flam", *BASELINES):
        data = needed_data(comparison.recipes[name])
        n_clips = (data.caption_clips if data.captions else 0) + (data.frame_clips if data.frames else 0)
        assert n_clips == 32, name


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("no_bias", {"model"}),
        ("no_scale", {"model"}),
        ("no_prior", {"losses", "freeze"}),
        ("no_global_loss", {"losses"}),
    ],
)
def test_an_ablation_changes_one_thing(comparison, name, changed):
    ablation, flam = (to_mapping(comparison.recipes[key]) for key in (name, "flam"))
    assert {key for key in flam if first_difference(flam[key], ablation[key]) is not None} == changed


def test_no_training_hears_a_sound_that_is_measured():
    config = load_comparison()
    data = config.recipes["flam"].data
    trained = [*(part.procedural for part in data.captions), *(part.scenes.procedural for part in data.frames)]
    takes, classes = (config.measured[name].scenes.procedural for name in ("new takes", "new classes"))
    assert {part.seed for part in trained} == {0}
    assert {takes.seed, classes.seed} == {1}
    assert all(set(part.labels) == set(takes.labels) for part in trained)
    assert not set(classes.labels) & set(takes.labels)
    assert len(set(classes.labels) | set(takes.labels)) == 80


def test_from_nothing_means_other_weights_for_each_seed():
    config = load_comparison()
    recipe = config.recipes["flam"]
    assert recipe.start.model is None
    one, other = (
        starting_model(load_comparison(changes=(f"recipe.seed={seed}",)).recipes["flam"]).state_dict()
        for seed in (0, 1)
    )
    words = max(one, key=lambda name: one[name].numel())
    assert words.startswith("text_encoder.")
    assert not torch.equal(one[words], other[words])


def measured_rows(folder):
    """Method and seed to the figure of the first set, in the order of the table."""
    with open(folder / "table.csv", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["scenes"] == "new takes"]
    return {(row["method"], row["seed"]): row["frame_auroc"] for row in rows}


@pytest.mark.slow
def test_a_comparison_is_kept_and_goes_on_where_it_stopped(tmp_path, capsys, monkeypatch):
    folder = tmp_path / "runs"
    arguments = ["benchmark", "reproduce", "-o", str(folder), "-q", "--set", "seeds=[0]"]
    arguments += [word for change in TINY for word in ("--set", change)]
    assert main([*arguments, "--method", "flam"]) == 0
    first = measured_rows(folder)
    assert list(first) == [("flam", "0")]
    assert (folder / "table.png").stat().st_size > 1000
    (folder / "flam-seed0" / "result.json").unlink()
    assert main([*arguments, "--method", "flam,global"]) == 0
    again = measured_rows(folder)
    assert list(again) == [("flam", "0"), ("global", "0")]
    # what lost its result was measured again, on the model that was there
    assert again["flam", "0"] == first["flam", "0"]
    assert "one seed" in capsys.readouterr().out
    monkeypatch.setattr("flam.benchmark.reproduce.runs.train", lambda *_: pytest.fail("train must not be called"))
    shutil.rmtree(folder / "flam-seed0" / "final")
    assert main([*arguments, "--method", "flam,global"]) == 0


def test_results_of_another_comparison_are_refused(tmp_path):
    config = load_comparison(changes=TINY)
    path = tmp_path / "flam-seed0" / "result.json"
    path.parent.mkdir()
    kept = {"recipe": to_mapping(config.recipes["flam"]), "measured": to_mapping(config.measured)}
    kept["recipe"]["optim"]["steps"] = 3
    path.write_text(json.dumps({**kept, "aurocs": {"new takes": 0.5}}))
    with pytest.raises(ConfigError, match=r"recipe.optim.steps is 3 there and 2 here; give another folder"):
        run_comparison(config, tmp_path)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("reference=best", "reference 'best' is none of the methods"),
        ("seeds=[1, 1]", "each of them once"),
        ("methods.flam.changes.optim.speed=1", "speed"),
        ("measured.new takes.n_scenes=0", "must be at least 1"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_trained(tmp_path, capsys, change, told):
    assert main(["benchmark", "reproduce", "-o", str(tmp_path / "runs"), "--set", change]) == 2
    assert told in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "runs").exists()


def test_an_unknown_method_is_named(tmp_path):
    with pytest.raises(ConfigError, match="unknown method 'clap'; known methods: flam, global"):
        run_comparison(load_comparison(), tmp_path, ["clap"])


def test_the_table_tells_a_difference_from_noise():
    config = load_comparison(changes=TINY)

    def by_seed(*values):
        return {seed: {"new takes": value, "new classes": 0.5} for seed, value in enumerate(values)}

    results = {
        "flam": by_seed(0.70, 0.74, 0.72),
        "global": by_seed(0.60, 0.639, 0.618),
        "pacl": by_seed(0.72, 0.72, 0.72),
    }
    rows = {row.method: row for row in summarise(config, results) if row.measured == "new takes"}
    assert rows["flam"].mean == pytest.approx(72.0)
    assert rows["flam"].deviation == pytest.approx(2.0)
    assert rows["flam"].is_separated is None
    assert rows["global"].ahead == pytest.approx((-10.1, 4.302653 * 0.1 / np.sqrt(3)), abs=1e-5)
    assert rows["global"].is_separated is True
    assert rows["pacl"].is_separated is False
    lines = as_markdown(config, list(rows.values())).splitlines()
    assert "| FLAM-Global | 61.9 ± 2.0 | 60.0, 63.9, 61.8 | -10.1 ± 0.2 | yes | 67.8 |" in lines
    assert "| PACL | 72.0 ± 0.0 | 72.0, 72.0, 72.0 | +0.0 ± 5.0 | no |  |" in lines


def test_prompts_are_what_sounds_in_most_scenes():
    config = load_comparison(changes=TINY)
    measured = config.measured["new takes"]
    scenes = held_out_scenes(measured, config.recipes["flam"])
    counts = [
        sum(any(event.prompt == prompt for event in truth.events) for truth in scenes.truth)
        for prompt in scenes.prompts
    ]
    assert len(scenes.clips) == 4
    assert counts == sorted(counts, reverse=True)
