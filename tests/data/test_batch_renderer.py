"""Scenes rendered in batches on a device are those of the renderer that makes one after another."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from flam.audio import write_audio
from flam.audio.levels import frame_powers
from flam.core import ConfigError, TimeGrid, from_mapping, load_yaml
from flam.data.batch_effects import batch_powers, filtered, n_frames, weighing_begin, weighing_samples
from flam.data.batch_renderer import BatchRenderer
from flam.data.config import DataConfig
from flam.data.scene_source import SceneSource
from flam.data.training_data import TrainingData
from flam.library.bank import WaveformBank
from flam.library.source_library import SourceClip
from flam.scenes.effects import Codec, Effects, Filter, apply_filter, filter_size, transform_size
from flam.scenes.plan import SceneDrawer
from flam.scenes.render import Renderer
from flam.scenes.scene import Piece, Placement, ScenePlan
from flam.scenes.scene_config import SceneConfig

RATE = 48_000
SCENES = Path(__file__).parents[2] / "configs" / "scenes"
DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")),
]


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Steady and decaying noise, pulses and a tone; one background is shorter than a scene and goes round."""
    folder = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(3)
    sounds = {"wind": rng.normal(0, 0.05, 12 * RATE), "short wind": rng.normal(0, 0.05, 3 * RATE)}
    for number in range(8):
        n_samples = int(rng.uniform(0.3, 4.0) * RATE)
        sounds[f"noise{number}"] = rng.normal(0, 0.1, n_samples) * np.exp(-np.linspace(0, 6, n_samples))
    time_s = np.arange(2 * RATE) / RATE
    sounds["pulses"] = 0.3 * np.sin(2 * np.pi * 900 * time_s) * (time_s % 0.7 < 0.25)
    sounds["tone"] = 0.5 * np.sin(2 * np.pi * 30 * time_s)
    sounds["click"] = rng.normal(0, 0.3, 3000) * np.exp(-np.arange(3000) / 300)
    found = []
    for name, sound in sounds.items():
        write_audio(folder / f"{name}.wav", sound.astype(np.float32), RATE)
        kind, source = "background" if "wind" in name else "event", "general" if name < "noise3" else "effects"
        found.append(SourceClip(name, folder / f"{name}.wav", name, "", kind, name, "", source, "CC0"))
    return found


@pytest.fixture(scope="module")
def bank(clips, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bank")
    assert WaveformBank.build(clips, folder) == []
    return WaveformBank(folder)


@pytest.fixture(scope="module")
def labels(clips):
    return {clip.clip_id: clip.label for clip in clips}


def assert_equal_scenes(batch, plans, renderer):
    scenes = [renderer.render(plan) for plan in plans]
    for row, events, gain_db, scene in zip(batch.waveform.cpu(), batch.events, batch.gain_db, scenes, strict=True):
        assert row.shape == scene.waveform.shape
        assert np.abs(row.numpy() - scene.waveform).max() < 1e-4
        assert events == scene.events
        assert gain_db == pytest.approx(scene.gain_db, abs=1e-3)
    return scenes


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("recipe", "n_plans"), [("paper", 6), ("mini", 16)])
def test_random_plans_give_equal_scenes(clips, bank, labels, recipe, n_plans, device):
    drawer = SceneDrawer(clips, bank, load_yaml(SceneConfig, SCENES / f"{recipe}.yaml"))
    plans = [drawer.draw(1, index) for index in range(n_plans)]
    scenes = assert_equal_scenes(BatchRenderer(bank, labels, device).render(plans), plans, Renderer(bank, labels))
    assert sum(len(scene.events) for scene in scenes) > 20
    assert min(np.abs(scene.waveform).max() for scene in scenes) > 1e-2


@pytest.mark.parametrize("resident", [False, True])
@pytest.mark.slow
def test_every_effect_is_rendered_wherever_the_bank_lives(clips, bank, labels, resident):
    effects = {
        "filter": {"share": 0.5},
        "speed": {"share": 0.3, "value": {"uniform": [0.8, 1.2]}},
        "stretch": {"share": 0.3, "value": {"uniform": [0.8, 1.2]}},
        "codec": {"share": 0.3, "names": ["vorbis"], "kbps": {"constant": 96.0}},
    }
    config = {
        "duration_s": 2.0,
        "background_db": {"constant": -20.0},  # scenes that would clip are scaled
        "effects": effects,
        "filter": {"share": 0.5},
        "room": {"share": 0.5, "reverberation_s": {"constant": 0.2}, "max_reflections": 3},
    }
    drawer = SceneDrawer(clips, bank, from_mapping(SceneConfig, config))
    plans = [drawer.draw(0, index) for index in range(8)]
    used = [placement.effects for plan in plans for placement in plan.placements]
    for name in ("filter", "codec", "room"):
        assert any(getattr(effects, name) is not None for effects in used)
    assert any(effects.stretch != 1 for effects in used)
    assert any(plan.filter is not None for plan in plans)
    batch = BatchRenderer(bank, labels, "cpu", resident=resident).render(plans)
    assert_equal_scenes(batch, plans, Renderer(bank, labels))
    assert min(batch.gain_db) < -1


def test_a_scene_does_not_depend_on_its_batch(clips, bank, labels):
    drawer = SceneDrawer(clips, bank, SceneConfig(duration_s=2.0))
    plans = [drawer.draw(0, index) for index in range(5)]
    renderer = BatchRenderer(bank, labels, "cpu")
    together = renderer.render(plans)
    for row, plan in zip(together.waveform, plans, strict=True):
        assert torch.allclose(renderer.render([plan]).waveform[0], row, atol=1e-6)


def test_pieces_at_the_edges(bank, labels):
    """Pieces cut by the ends of clip and scene, too short for their fades, and without anything left."""
    n_click = bank.n_samples("click") / RATE
    pieces = (Piece(0.0, 0.0, 0.001), Piece(n_click - 0.01, 0.5, 1.0), Piece(0.0, 0.99, 1.0), Piece(n_click, 0.2, 0.5))
    plain = Placement("click", pieces, -20.0)
    coloured = replace(plain, effects=Effects(filter=Filter((3.0, -3.0, 0.0, 6.0), 8000.0)))
    coded = replace(plain, pieces=pieces[2:3], effects=Effects(codec=Codec("vorbis", 96.0)))
    plans = [ScenePlan(1.0, None, events) for events in ((plain,), (coloured,), (plain, coloured, coded), ())]
    plans.append(replace(plans[0], fade_s=0.0))
    batch = BatchRenderer(bank, labels, "cpu").render(plans)
    assert_equal_scenes(batch, plans, Renderer(bank, labels))
    assert not batch.waveform[3].any()
    assert batch.events[3] == ()


def test_scenes_of_different_lengths_are_refused(bank, labels):
    renderer = BatchRenderer(bank, labels, "cpu")
    with pytest.raises(ConfigError, match=r"\[1.0, 2.0\] s; render them apart"):
        renderer.render([ScenePlan(1.0, None, ()), ScenePlan(2.0, None, ())])
    with pytest.raises(ConfigError, match="one length"):
        renderer.render([])


@pytest.mark.parametrize("n_samples", [1, 100, 3000, 50_000])
def test_filters_of_a_batch_are_those_of_one(n_samples):
    rng = np.random.default_rng(n_samples)
    sounds = rng.normal(0, 0.1, (3, n_samples)).astype(np.float32)
    filters = [Filter((6.0, -6.0, 12.0)), Filter((0.0, 3.0, -9.0), 3500.0), Filter((-20.0, 20.0, 0.0), 100.0)]
    rows = torch.nn.functional.pad(torch.from_numpy(sounds), (0, filter_size(n_samples) - n_samples))
    for row, sound, filter in zip(filtered(rows, filters, RATE), sounds, filters, strict=True):
        assert np.abs(row[:n_samples].numpy() - apply_filter(sound, RATE, filter)).max() < 1e-6


def test_levels_of_a_batch_are_those_of_one():
    rng = np.random.default_rng(0)
    sounds = [(rng.normal(0, 0.1, n).astype(np.float32), phase) for n, phase in [(1, 0), (960, 959), (70_001, 500)]]
    size = transform_size(max(weighing_samples(phase, len(sound), RATE) for sound, phase in sounds))
    rows = torch.zeros(len(sounds), size)
    for row, (sound, phase) in zip(rows, sounds, strict=True):
        begin = weighing_begin(phase, RATE)
        row[begin : begin + len(sound)] = torch.from_numpy(sound)
    for found, (sound, phase) in zip(batch_powers(rows, RATE), sounds, strict=True):
        expected = frame_powers(sound, len(sound), RATE, phase).powers
        assert n_frames(phase, len(sound), RATE) == len(expected)
        assert np.allclose(found[: len(expected)], expected, rtol=1e-4, atol=expected.max() * 1e-7)


@pytest.fixture(scope="module")
def recipe(clips, tmp_path_factory):
    """A data section: small scenes from a manifest and its bank."""
    folder = tmp_path_factory.mktemp("recipe")
    rows = [[clip.clip_id, str(clip.path), clip.label, "", clip.kind, clip.group, "s", "CC0"] for clip in clips]
    with open(folder / "manifest.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([["id", "file", "label", "caption", "kind", "group", "source", "licence"], *rows])
    scenes = {"manifest": {"path": str(folder / "manifest.csv")}, "bank": str(folder / "bank")}
    return {"frames": [{"scenes": scenes}], "frame_clips": 4, "clip_s": 2.0}


def on_cpu(recipe, **changes):
    [frames] = recipe["frames"]
    return {**recipe, "frames": [{"scenes": {**frames["scenes"], "device": "cpu", **changes}}]}


def test_training_batches_of_a_device_are_those_without(recipe):
    grid = TimeGrid(RATE, 4_800)
    one_by_one = TrainingData(from_mapping(DataConfig, recipe), grid).frames(step=3)
    together = TrainingData(from_mapping(DataConfig, on_cpu(recipe)), grid).frames(step=3)
    assert torch.allclose(one_by_one.waveform, together.waveform, atol=1e-4)
    assert not torch.equal(one_by_one.waveform, together.waveform)  # else they were not mixed together
    assert one_by_one.texts == together.texts
    assert one_by_one.labels.active.any()
    assert all(torch.equal(*pair) for pair in zip(one_by_one.labels, together.labels, strict=True))


def test_a_scene_that_fails_leaves_the_others_of_its_batch(recipe):
    """Half of the scenes are to have a room of a folder that lacks the response; they alone are left out."""
    folder = Path(recipe["frames"][0]["scenes"]["bank"]).with_name("rooms")
    folder.mkdir()
    write_audio(folder / "hall.wav", np.ones(10, np.float32), RATE)
    scene = {"room": {"share": 0.5, "impulse_responses": str(folder)}}
    data = TrainingData(from_mapping(DataConfig, on_cpu(recipe, scene=scene)), TimeGrid(RATE, 4_800))
    (folder / "hall.wav").unlink()
    batches = [data.frames(step) for step in range(3)]
    valid = torch.cat([batch.labels.clip_valid for batch in batches])
    assert 0 < valid.sum() < len(valid)
    assert sum(len(batch.problems) for batch in batches) == (~valid).sum()


def test_what_a_device_can_not_mix_is_refused(recipe, clips, bank):
    data = TrainingData(from_mapping(DataConfig, on_cpu(recipe)), TimeGrid(RATE, 4_800))
    with pytest.raises(ConfigError, match="not by 2 workers"):
        next(data.loader(0, workers=2))
    with pytest.raises(ConfigError, match="name its folder"):
        from_mapping(DataConfig, on_cpu(recipe, bank=None))
    with pytest.raises(ConfigError, match="bank of the same rate"):
        SceneSource(clips, bank, SceneConfig(), 16_000, 16_000, 0, "cpu")
