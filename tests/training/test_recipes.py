"""Every recipe loads and says how to run it; the shortest one is run."""

import shlex
from pathlib import Path

import pytest

import flam
from flam.cli.main import main
from flam.core import to_mapping
from flam.model.htsat import HTSAT_CONFIGS
from flam.training.log import read_log
from flam.training.recipe import first_difference, load_recipe, needed_data

pytestmark = pytest.mark.slow

CONFIGS = Path(__file__).parents[2] / "configs"
FOLDERS = (CONFIGS, CONFIGS / "ablations", CONFIGS / "sizes")
RECIPES = sorted(path for folder in FOLDERS for path in folder.glob("*.yaml"))
BASE = load_recipe(CONFIGS / "flam_base.yaml")


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_loads_and_its_first_lines_run_it(path):
    config = load_recipe(path)
    assert config.card.name
    lines = path.read_text(encoding="utf-8").splitlines()[:3]
    for line, title in zip(lines, ("1 process", "8 GPUs, one machine", "several machines"), strict=True):
        assert line.startswith(f"# {title}:")
        words = shlex.split(line.split(": ", 1)[1])
        arguments = words[words.index("train") :]
        assert CONFIGS.parent / arguments[1] == path
        assert arguments[2:4] == ["-o", f"runs/{path.stem}"]
        changes = tuple(arguments[5:]) if "--set" in arguments else ()
        assert load_recipe(path, changes).enabled == config.enabled


def test_the_papers_numbers():
    stage_1 = load_recipe(CONFIGS / "flam_global.yaml")
    assert (stage_1.data.caption_clips, stage_1.optim.lr, stage_1.optim.steps) == (768, 1e-4, 50_000)
    assert (stage_1.augment.time_masks, stage_1.augment.band_masks) == (2, 2)
    assert stage_1.enabled == {"clip"}
    assert (BASE.data.frame_clips, BASE.optim.lr, BASE.optim.steps) == (512, 1e-4, 120_000)
    assert (BASE.augment.time_masks, BASE.augment.band_masks) == (0, 2)
    assert BASE.losses == {"clip": 1.0, "frame": 200.0, "prior": 1.0}
    assert 1024 // BASE.model.audio.coarse_logmel_frames == 32
    assert 1024 // load_recipe(CONFIGS / "ablations" / "t128.yaml").model.audio.coarse_logmel_frames == 128


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("no_global_loss", {"losses"}),
        ("no_global_init", {"start"}),
        ("no_prior_loss", {"losses", "freeze"}),
        ("no_per_text_bias", {"model", "start"}),
        ("no_per_text_scale", {"model", "start"}),
        ("t128", {"model", "start", "card"}),
    ],
)
def test_an_ablation_changes_one_thing(name, changed):
    ablation, base = to_mapping(load_recipe(CONFIGS / "ablations" / f"{name}.yaml")), to_mapping(BASE)
    assert {key for key in base if first_difference(base[key], ablation[key]) is not None} == changed


@pytest.mark.parametrize(
    ("name", "size"),
    [("sizes/tiny", "tiny"), ("sizes/large", "large"), ("flam_base", "base"), ("ablations/t128", "base-12hz")],
)
def test_a_recipe_has_the_size_that_it_is_named_for(name, size):
    assert load_recipe(CONFIGS / f"{name}.yaml").model.audio == HTSAT_CONFIGS[size]


@pytest.mark.parametrize(("name", "changed"), [("siglip", {"losses", "freeze", "card"}), ("pacl", {"task", "card"})])
def test_a_baseline_changes_the_loss_of_the_first_stage(name, changed):
    baseline, stage_1 = (to_mapping(load_recipe(CONFIGS / f"{each}.yaml")) for each in (name, "flam_global"))
    assert {key for key in stage_1 if first_difference(baseline[key], stage_1[key]) is not None} == changed


def test_without_the_instance_loss_no_captions_are_read():
    assert needed_data(load_recipe(CONFIGS / "ablations" / "no_global_loss.yaml")).captions == ()


def test_the_smoke_recipe_learns_and_detects(tmp_path, capsys):
    changes = ["optim.steps=40", "record.validation_batches=1"]
    changes += [f"{part}.{size}" for part in ("data", "validation_data") for size in ("clip_s=2.56", "frame_clips=8")]
    changes += ["data.caption_clips=8", "data.captions=[{procedural: {n_takes: 2, labels: [door slam, door knock]}}]"]
    smoke, run = str(CONFIGS / "smoke.yaml"), tmp_path / "run"
    assert main(["train", smoke, "-o", str(run), *(word for change in changes for word in ("--set", change))]) == 0
    losses = [entry["frame_loss"] for entry in read_log(run)]
    assert losses[-1] < 0.7 * losses[0]
    recording = Path(flam.__file__).parent / "assets" / "demo" / "home.ogg"
    capsys.readouterr()
    assert main(["detect", str(recording), "-p", "door slam", "--model", str(run / "best"), "--format", "csv"]) == 0
    assert capsys.readouterr().out.startswith("recording,onset_s")
