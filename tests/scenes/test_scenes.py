"""Scenes: what the plan says is in the waveform, to the sample, and in the labels; libraries and splits."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flam.annotations import read_events, write_events
from flam.core import AudioError, ConfigError, TimeGrid
from flam.library.source_library import SourceClip, held_out, read_manifest
from flam.scenes.distributions import Constant
from flam.scenes.effects import Effects, Filter
from flam.scenes.plan import SceneDrawer
from flam.scenes.render import render
from flam.scenes.scene import Piece, Placement, ScenePlan
from flam.scenes.scene_config import OverlayConfig, SceneConfig

RATE = 48_000


def clip(name, label, kind="event", group="g", fold="", source="made"):
    return SourceClip(name, Path(f"{name}.wav"), label, "", kind, group, fold, source, "CC0")


@pytest.mark.slow
def test_labels_before_the_correction_are_the_plans_to_the_sample(library):
    for clip_id in library.waveforms:  # so that a stem is silent only where nothing was placed
        library.waveforms[clip_id] = library.waveforms[clip_id] + np.float32(1e-6)
    drawer = SceneDrawer(library.clips, library, SceneConfig(fade_s=0.0))
    for index in range(40):
        plan = drawer.draw(3, index)
        scene = render(plan, library, library.labels, stems=True)
        expected = sorted(
            (round(piece.onset_s * RATE), round(piece.offset_s * RATE), event.clip_id)
            for event in plan.events
            for piece in event.pieces
        )
        assert [(round(e.onset_s * RATE), round(e.offset_s * RATE), e.prompt) for e in scene.placed] == expected
        for stem, event in zip(scene.stems[1:], plan.events, strict=True):
            inside = np.zeros(len(stem), bool)
            for piece in event.pieces:
                inside[round(piece.onset_s * RATE) : round(piece.offset_s * RATE)] = True
            assert not stem[~inside].any()
            assert np.abs(stem[inside]).min() > 0


def test_a_piece_is_the_part_of_the_clip_that_the_plan_names(library):
    plan = ScenePlan(3.0, None, (Placement("noise0", (Piece(0.05, 1.25, 0.2),), -30.0),))
    scene = render(plan, library, library.labels, stems=True)
    part = library.waveform("noise0")[2400:12000]
    inner = slice(480, -480)  # inside the fades
    ratio = scene.stems[0][60_000:69_600][inner] / part[inner]
    assert np.allclose(ratio, ratio[0], rtol=1e-4)
    assert scene.stems[0][60_000] == pytest.approx(ratio[0] * part[0] / 960, rel=1e-3)


def test_a_short_background_goes_round_without_a_seam(library):
    library.add("hum", np.full(3 * RATE, 0.2), "background")
    short = [c for c in library.clips if c.kind == "event" or c.clip_id == "hum"]
    plan = SceneDrawer(short, library, SceneConfig()).draw(0, 0)
    assert len(plan.background.pieces) >= 4
    scene = render(replace(plan, events=()), library, library.labels, stems=True)
    steady = scene.stems[0][480:-480]
    assert np.allclose(steady, steady[0], rtol=1e-5)


def test_clips_without_label_sound_and_make_no_event(library):
    plan = ScenePlan(3.0, None, (Placement("noise0", (Piece(0.0, 1.0, 0.2),), -30.0),))
    scene = render(plan, library, {})
    assert scene.events == scene.placed == ()
    assert np.abs(scene.waveform).max() > 0


def test_stems_are_kept_only_when_asked_for(library):
    plan = SceneDrawer(library.clips, library, SceneConfig()).draw(0, 0)
    assert render(plan, library, {}).stems is None
    assert len(render(plan, library, {}, stems=True).stems) == len(plan.placements)


def test_speech_is_laid_over_events(library):
    library.add("talk", np.random.default_rng(0).normal(0, 0.1, 2 * RATE), "speech")
    drawer = SceneDrawer(library.clips, library, SceneConfig(overlay=OverlayConfig(share=1.0, snr_db=Constant(10.0))))
    for index in range(50):
        plan = drawer.draw(0, index)
        [overlay] = plan.overlays
        assert overlay.clip_id == "talk"
        assert overlay.level_db == -40.0
        assert any(p.onset_s < overlay.offset_s and overlay.onset_s < p.offset_s for e in plan.events for p in e.pieces)
    scene = render(plan, library, library.labels)
    assert "talk" in {event.prompt for event in scene.events}
    assert scene.levels[-1].snr_db == pytest.approx(10, abs=0.01)


def test_a_filter_of_the_whole_scene_reaches_every_source(library):
    plan = SceneDrawer(library.clips, library, SceneConfig()).draw(0, 1)
    filtered = render(replace(plan, filter=Filter((0.0, 0.0), 3000.0)), library, library.labels, stems=True)
    for stem in filtered.stems:
        spectrum = np.abs(np.fft.rfft(stem)) ** 2
        above = np.fft.rfftfreq(len(stem), 1 / RATE) > 6000
        assert spectrum[above].sum() < 1e-3 * spectrum.sum()
    assert np.abs(filtered.stems.sum(axis=0) - filtered.waveform).max() < 1e-6


def test_annotations_go_out_as_dcase_and_jams(library, tmp_path):
    scene = render(SceneDrawer(library.clips, library, SceneConfig()).draw(0, 2), library, library.labels)
    assert scene.events
    for suffix, name in ((".tsv", "dcase"), (".jams", "jams")):
        path = tmp_path / f"scene{suffix}"
        write_events([scene.annotation("scene.flac")], path, name)
        [found] = read_events(path, name)
        assert [e.prompt for e in found.events] == [e.prompt for e in scene.events]
        times = [(e.onset_s, e.offset_s) for e in scene.events]
        assert np.allclose([(e.onset_s, e.offset_s) for e in found.events], times, atol=1e-6)
    assert json.loads(path.read_text())["file_metadata"]["duration"] == 10.0


def test_frame_labels_are_those_of_the_time_grid(library):
    scene = render(SceneDrawer(library.clips, library, SceneConfig()).draw(0, 2), library, library.labels)
    grid = TimeGrid(RATE, 15_000)
    prompts = sorted(library.labels)
    found = scene.frame_labels(grid, prompts)
    assert found.shape == (32, len(prompts))
    for column, prompt in enumerate(prompts):
        spans_s = [(e.onset_s, e.offset_s) for e in scene.events if e.prompt == prompt]
        assert np.array_equal(found[:, column], grid.frame_labels(spans_s, 32))


def test_a_clip_that_turns_out_silent_is_level_minus_120_and_no_event(library):
    library.add("nothing", np.zeros(RATE))
    for effects in (Effects(), Effects(speed=1.1)):
        placement = Placement("nothing", (Piece(0.0, 1.0, 0.5),), -30.0, effects)
        scene = render(ScenePlan(3.0, None, (placement,)), library, library.labels)
        assert (scene.levels[0].level_db, scene.events) == (-120.0, ())
        assert not scene.waveform.any()


def test_a_damaged_clip_is_an_error_of_its_scene_alone(library):
    class Damaged(type(library)):
        def waveform(self, clip_id):
            if clip_id == "click":
                raise AudioError("click.wav: can't be read")
            return super().waveform(clip_id)

    damaged = Damaged()
    drawer = SceneDrawer(damaged.clips, damaged, SceneConfig())
    plans = [drawer.draw(0, index) for index in range(20)]
    for plan in plans:
        if "click" in {event.clip_id for event in plan.events}:
            with pytest.raises(AudioError, match="click"):
                render(plan, damaged, damaged.labels)
        else:
            render(plan, damaged, damaged.labels)


def test_groups_are_never_split():
    clips = [clip(f"c{i}", "x", group=f"g{i // 4}") for i in range(400)]
    out = [held_out(c, 0.2, [], []) for c in clips]
    for start in range(0, 400, 4):
        assert len(set(out[start : start + 4])) == 1
    assert 0.05 < np.mean(out) < 0.4
    merged = [held_out(clip("a", "x", group=g, source=s), 0.5, [], ["s1", "s2"]) for g, s in (("1", "s1"), ("2", "s2"))]
    assert merged[0] == merged[1]


def test_manifest_is_read_and_its_faults_are_named(tmp_path):
    path = tmp_path / "manifest.csv"
    header = "id,file,label,caption,kind,group,source,licence\n"
    path.write_text(header + "a,a.ogg,dog bark,a dog barks,event,g,made,CC0\nb,b.ogg,unlabelled,,event,g,made,CC0\n")
    clips = read_manifest(path)
    assert [c.label for c in clips] == ["dog bark", ""]
    assert clips[0].path == tmp_path / "a.ogg"
    path.write_text(header + "a,a.ogg,x,,noise,g,made,CC0\n")
    with pytest.raises(ConfigError, match="line 2: kind 'noise' is not one of"):
        read_manifest(path)
    path.write_text("id,file\na,b\n")
    with pytest.raises(ConfigError, match="no column caption"):
        read_manifest(path)
    with pytest.raises(ConfigError, match=r"missing\.csv"):
        read_manifest(tmp_path / "missing.csv")
