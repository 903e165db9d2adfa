"""The stages of the recipe fit together: losses fall, training resumes bit for bit, mistakes are told."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from flam.core import ConfigError, load_yaml
from flam.model.checkpoint import load_checkpoint
from flam.training import trainer
from flam.training.distribution import World
from flam.training.log import read_log
from flam.training.recipe import load_recipe
from flam.training.start import read_beside_model, starting_model
from flam.training.tasks.distill import DistillTask
from flam.training.tasks.teacher_head import TeacherHead
from recipes.flam_mini.config import DataRecipe

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parents[3] / "recipes" / "flam_mini"
STAGES = [FOLDER / f"{name}.yaml" for name in ("text", "head", "frames", "longer", "distilled")]
MODEL = {
    "audio": {
        "kind": "conv",
        "stem_width": 4,
        "widths": [4, 8, 8],
        "strides": [[2, 2], [2, 2], [1, 2]],
        "embed_dim": 16,
    },
    "text": {"kind": "light", "vocab_size": 60, "embed_dim": 16, "mlp_dim": 16},
    "joint_dim": 16,
    "hidden_dim": 16,
}


def scenes_of(work):
    pool = str(work / "pool")
    return {
        "library": [str(work / "manifest.csv")],
        "training": pool,
        "validation": pool,
        "phrases": str(work / "phrases"),
        "teacher_classes": str(work / "classes.txt"),
        "split": {"share": 0.0},
    }


def stage(work, path, **settings):
    """A small recipe of a stage, in a file."""
    recipe = {
        "model": MODEL,
        "compute": {"device": "cpu", "precision": "fp32"},
        "record": {"log_every": 2, "validate_every": 6, "validation_batches": 1, "save_every": 4},
        **settings,
    }
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def text_run(work):
    recipe = stage(
        work,
        work / "text.yaml",
        task={"kind": "text", "pairs": [str(work / "pairs.tsv")], "phrases": str(work / "phrases"), "batch_size": 32},
        start={"tokenizer": str(work / "tokenizer.json")},
        freeze=["audio_encoder", "audio_projection", "log_temperature_inverse"],
        losses={"pair": 1.0, "phrase": 1.0},
        optim={"kind": "adamw", "lr": 1e-2, "steps": 80, "schedule": "one_cycle", "weight_decay": 0.01},
        ema_decay=0.0,
    )
    trainer.train(recipe, work / "text")
    return work / "text"


@pytest.fixture(scope="module")
def head_run(work, text_run):
    windows = {"windows": str(work / "windows.npz"), "n_windows": 16, "n_scenes": 20, "hidden_dim": 16}
    recipe = stage(
        work,
        work / "head.yaml",
        task={"kind": "teacher_head", "scenes": scenes_of(work), **windows},
        start={"model": str(text_run / "final")},
        freeze=["audio_encoder", "audio_projection", "logit_scale_head", "logit_bias_head", "log_temperature_inverse"],
        losses={"clips": 1.0, "scenes": 1.0, "class": 0.5},
        optim={"kind": "adamw", "lr": 1e-2, "steps": 120, "schedule": "one_cycle", "text_lr_share": 0.03},
        ema_decay=0.0,
    )
    trainer.train(recipe, work / "head")
    return work / "head"


def frames(work, head_run, path, **settings):
    copying = {"distill": 1.0, "tag": 1.0, "joint": 1.0, "class": 1.0, "clip": 1.0}
    of_labels = {"event": 1.0, "near": 1.0, "frame": 20.0, "prior": 1.0, "text_pull": 1.0}
    stages = [
        {"name": "distil", "steps": 6, "lr": 3e-3, "losses": copying, "text_lr_share": 0.0},
        {"name": "frames", "steps": 6, "lr": 3e-3, "losses": {**copying, **of_labels}, "text_lr_share": 0.1},
    ]
    task = {"kind": "distill", "scenes": scenes_of(work), "bank": str(work / "bank"), "batch_size": 8}
    defaults = {
        "task": {**task, "crop_windows": 1},
        "start": {"model": str(head_run / "final")},
        "stages": stages,
        "optim": {
            "kind": "adamw",
            "schedule": "cosine",
            "warmup_steps": 2,
            "final_lr_share": 0.05,
            "weight_decay": 0.02,
            "decay_vectors": True,
        },
        "ema_decay": 0.9,
        "ema_warmup": False,
    }
    return stage(work, path, **{**defaults, **settings})


def test_training_resumes_bit_for_bit_in_either_stage(work, head_run, tmp_path):
    recipe = frames(work, head_run, tmp_path / "frames.yaml")
    figures = trainer.train(recipe, tmp_path / "whole")
    assert 0 <= figures["validation_frame_auroc"] <= 1
    assert [entry["stage"] for entry in read_log(tmp_path / "whole")] == ["distil"] * 3 + ["frames"] * 3

    def stop_after(steps):
        def stop(done, total, figures):
            if done == steps:
                raise KeyboardInterrupt

        return stop

    for steps in (5, 10):
        with pytest.raises(KeyboardInterrupt):
            trainer.train(recipe, tmp_path / "stopped", progress=stop_after(steps))
    trainer.train(recipe, tmp_path / "stopped")
    whole, stopped = (load_checkpoint(tmp_path / run / "final").model.state_dict() for run in ("whole", "stopped"))
    for name, value in whole.items():
        assert torch.equal(value, stopped[name]), name


def test_readings_and_head_are_kept_beside_the_model_for_the_next_stretch(work, head_run, tmp_path):
    recipe = frames(work, head_run, tmp_path / "frames.yaml")
    trainer.train(recipe, tmp_path / "first")
    kept = read_beside_model(tmp_path / "first" / "final")
    assert {name.split(".")[0] for name in kept} == {"readings", "teacher_head"}
    stages = [{"name": "next", "steps": 1, "lr": 1e-12, "losses": {"distill": 1.0, "tag": 1.0}}]
    following = frames(work, tmp_path / "first", tmp_path / "next.yaml", stages=stages)
    trainer.train(following, tmp_path / "next")
    for name, value in read_beside_model(tmp_path / "next" / "final").items():
        torch.testing.assert_close(value, kept[name])


def test_the_loss_falls(work, head_run, tmp_path):
    stages = [{"name": "distil", "steps": 120, "lr": 1e-2, "losses": {"clip": 1.0, "distill": 1.0}}]
    record = {"log_every": 40, "validate_every": 120, "validation_batches": 1, "half_precision": True}
    trainer.train(frames(work, head_run, tmp_path / "a.yaml", stages=stages, record=record), tmp_path / "run")
    first, *_, last = read_log(tmp_path / "run")
    assert last["clip_loss"] < 0.97 * first["clip_loss"]
    assert last["distill_loss"] < 0.8 * first["distill_loss"]


def test_a_distillation_without_a_head_is_a_clear_error(work, text_run, tmp_path):
    with pytest.raises(ConfigError, match="holds no head of a teacher; start from a run of task teacher_head"):
        trainer.train(frames(work, text_run, tmp_path / "a.yaml"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (("task.scenes.teacher_classes=null",), "loss class needs .* set task.scenes.teacher_classes"),
        (("task.scenes.phrases=null",), "loss near needs .* set task.scenes.phrases"),
        (("task.scenes.training=nowhere",), "task.scenes.training nowhere: is not there"),
        (("task.kind=distil",), "'distil' is unknown; known kinds: .*distill"),
        (("compute.micro_batch_size=2",), "micro_batch_size"),
    ],
)
def test_mistakes_in_a_stage_are_told(work, head_run, tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message):
        trainer.train(frames(work, head_run, tmp_path / "a.yaml"), tmp_path / "run", changes)


def test_the_teachers_head_learns_the_labels(head_run):
    log = read_log(head_run)
    assert np.mean([entry["clips_loss"] for entry in log[-5:]]) < 0.95 * log[0]["clips_loss"]
    assert {name.split(".")[0] for name in read_beside_model(head_run / "final")} == {"teacher_head"}


def test_text_pretraining_brings_phrases_of_one_sound_together(text_run):
    log = read_log(text_run)
    assert log[-1]["phrase_loss"] < log[0]["phrase_loss"] / 2
    groups = [("dog bark", "barking dog"), ("rain", "the sound of rain"), ("siren", "a siren wails")]
    model = load_checkpoint(text_run / "final").model
    with torch.no_grad():
        features = model.embed_text([text for group in groups for text in group]).text_features
    cosines = features @ features.T
    assert min(cosines[0, 1], cosines[4, 5]) > max(cosines[0, 4], cosines[1, 5])


def test_a_new_text_tower_says_what_an_earlier_model_says(sound_labels, work, text_run, tmp_path):
    recipe = yaml.safe_load((work / "text.yaml").read_text())
    recipe["task"]["earlier"] = str(text_run / "final")
    recipe["losses"] = {"pair": 1.0, "phrase": 1.0, "copy": 2.0}
    recipe["optim"]["steps"], recipe["seed"] = 120, 7
    trainer.train(stage(work, tmp_path / "text.yaml", **recipe), tmp_path / "run")
    earlier, now = (load_checkpoint(run / "final").model for run in (text_run, tmp_path / "run"))
    with torch.no_grad():
        expected = earlier.embed_text(sound_labels)
        for texts in (sound_labels, ["barking dog", "the sound of rain", "a siren wails"]):
            said = now.embed_text(texts)
            assert ((said.text_features * expected.text_features).sum(dim=1) > 0.95).all()
            assert torch.allclose(said.logit_scale, expected.logit_scale, rtol=0.2)
            assert torch.allclose(said.logit_bias, expected.logit_bias, atol=0.5)


def twenty_steps(work, phrase_sets, tmp_path, monkeypatch):
    """The losses of 8 and 12 steps of two stages, from a head of random weights."""
    copying = {"distill": 1.0, "tag": 1.0, "joint": 1.0, "class": 1.0, "clip": 1.0}
    all_losses = {"distill": 1.0, "tag": 0.5, "joint": 1.0, "class": 0.5, "clip": 1.0, "event": 1.0, "near": 1.0}
    all_losses |= {"frame": 20.0, "prior": 1.0, "text_pull": 1.0}
    stages = [
        {"name": "distil", "steps": 8, "lr": 3e-3, "losses": copying, "text_lr_share": 0.0},
        {"name": "frames", "steps": 12, "lr": 3e-3, "losses": all_losses, "text_lr_share": 0.1},
    ]
    start = {"tokenizer": str(work / "tokenizer.json")}
    recipe = load_recipe(frames(work, tmp_path, tmp_path / "frames.yaml", stages=stages, start=start))
    torch.manual_seed(5)
    head = TeacherHead(2, 16, 8, 0.3).state_dict()
    task = DistillTask(starting_model(recipe), recipe, head)
    task._scenes.phrase_sets = phrase_sets
    seen, whole = [], trainer.accumulate_gradients

    def spy(*arguments, **options):
        losses = whole(*arguments, **options)
        seen.append({name: value.item() for name, value in losses.items()})
        return losses

    monkeypatch.setattr(trainer, "accumulate_gradients", spy)
    run = trainer.prepare(recipe, task, tmp_path / "run", World(0, 1, torch.device("cpu")))
    trainer.fit(run, lambda done, total, figures: None)
    return seen


def test_twenty_steps_are_those_of_the_loop_that_was_here_before(work, phrase_sets, tmp_path, monkeypatch):
    golden = json.loads((Path(__file__).parent / "twenty_steps.json").read_text())
    seen = twenty_steps(work, phrase_sets, tmp_path, monkeypatch)
    assert len(seen) == len(golden) == 20
    for ours, theirs in zip(seen, golden, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("recipe", STAGES, ids=lambda path: path.stem)
def test_a_stage_loads_and_says_how_it_is_run(recipe, monkeypatch):
    monkeypatch.chdir(FOLDER.parents[1])
    assert load_recipe(recipe).enabled
    assert recipe.read_text(encoding="utf-8").startswith(f"# flam train recipes/flam_mini/{recipe.name} -o runs/")


def test_the_data_recipe_loads():
    assert load_yaml(DataRecipe, FOLDER / "data.yaml").pool.recorder
