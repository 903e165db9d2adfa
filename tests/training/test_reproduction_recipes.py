"""The recipes of the small comparison differ in what is compared and in nothing else."""

import shlex
from pathlib import Path

import pytest
import torch

from flam.core import to_mapping
from flam.hub.hub import resolve
from flam.model.checkpoint import load_checkpoint
from flam.training.recipe import first_difference, load_recipe, needed_data
from flam.training.start import starting_model

FOLDER = Path(__file__).parents[2] / "configs" / "reproduction"
RECIPES = sorted(path.stem for path in FOLDER.glob("*.yaml"))


def recipe(name, *changes):
    return load_recipe(FOLDER / f"{name}.yaml", changes)


@pytest.mark.parametrize("name", RECIPES)
def test_the_first_line_runs_the_recipe(name):
    line = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8").splitlines()[0]
    words = shlex.split(line.removeprefix("# "))
    assert words[:5] == ["flam", "train", f"configs/reproduction/{name}.yaml", "-o", f"runs/reproduction/{name}-seed0"]
    config = recipe(name, *words[6::2])
    assert (config.start.model, config.seed, config.data.seed) == ("ENCODERS", 0, 0)


@pytest.mark.parametrize("name", RECIPES)
def test_start_towers_sounds_and_budget_are_the_same(name):
    found, flam = recipe(name), recipe("flam")
    for key in ("start", "validation_data", "optim", "augment", "compute", "ema_decay"):
        assert getattr(found, key) == getattr(flam, key), key
    for key in ("audio", "text", "joint_dim", "hidden_dim"):
        assert getattr(found.model, key) == getattr(flam.model, key), key
    assert (found.data.captions, found.data.frames) == (flam.data.captions, flam.data.frames)
    assert "text_encoder" in found.freeze


def clips_of_a_step(name):
    data = needed_data(recipe(name))
    return (data.caption_clips if data.captions else 0) + (data.frame_clips if data.frames else 0)


def test_the_three_models_hear_as_many_clips():
    assert {name: clips_of_a_step(name) for name in ("flam", "global", "mga_clap")} == dict.fromkeys(
        ("flam", "global", "mga_clap"), 32
    )


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("no_bias", {"model"}),
        ("no_scale", {"model"}),
        ("no_prior", {"losses", "freeze"}),
        ("no_global_loss", {"losses"}),
    ],
)
def test_an_ablation_changes_one_thing(name, changed):
    ablation, flam = to_mapping(recipe(name)), to_mapping(recipe("flam"))
    assert {key for key in flam if first_difference(flam[key], ablation[key]) is not None} == changed


@pytest.mark.parametrize("name", ["flam", "mga_clap"])
def test_models_of_both_kinds_begin_with_the_same_towers(name):
    model = starting_model(recipe(name, "start.model=flam-mini"))
    earlier = load_checkpoint(resolve("flam-mini")).model.state_dict()
    towers = {key: value for key, value in model.state_dict().items() if "_encoder." in key}
    assert all(torch.equal(value, earlier[key]) for key, value in towers.items())
    assert len(towers) > 50
