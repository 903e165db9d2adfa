"""Scenes: a plan depends on config, seed and index alone; stems sum to the mixture; labels and levels fit."""

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from flam.core import ConfigError
from flam.synth.plan import Placement, SceneConfig, SceneDrawer, ScenePlan
from flam.synth.render import render
from flam.synth.source_library import SourceClip, held_out, read_manifest

SAMPLE_RATE = 48_000


def clip(name, label, kind="event", group="g", fold="", source="made"):
    return SourceClip(name, Path(f"{name}.wav"), label, "", kind, group, fold, source, "CC0")


class Bank:
    """Noise bursts of known length, all at one level."""

    sample_rate = SAMPLE_RATE
    lengths_s: ClassVar = {"wind": 12.0, "dog": 0.8, "bell": 2.0, "train": 9.0, "nameless": 1.0}

    def n_samples(self, clip_id):
        return round(self.lengths_s[clip_id] * SAMPLE_RATE)

    def waveform(self, clip_id):
        rng = np.random.default_rng(len(clip_id))
        return rng.normal(0, 0.1, self.n_samples(clip_id)).astype(np.float32)

    def spans_s(self, clip_id):
        return [(0.0, self.lengths_s[clip_id])]

    def level_db(self, clip_id):
        return -20.0


CLIPS = [
    clip("wind", "wind", "background"),
    clip("dog", "dog bark"),
    clip("bell", "bell"),
    clip("train", "train"),
    clip("nameless", ""),
]
LABELS = {c.clip_id: c.label for c in CLIPS}


def test_plans_depend_on_seed_and_index_alone():
    first, second = (SceneDrawer(CLIPS, Bank(), SceneConfig()) for _ in range(2))
    forwards = [first.draw(7, index) for index in range(40)]
    backwards = [second.draw(7, index) for index in reversed(range(40))][::-1]
    assert forwards == backwards
    assert forwards != [first.draw(8, index) for index in range(40)]


def test_plans_keep_the_rules():
    config = SceneConfig(max_polyphony=2, n_events=(2, 6))
    drawer = SceneDrawer(CLIPS, Bank(), config)
    plans = [drawer.draw(0, index) for index in range(400)]
    for plan in plans:
        for moment in np.arange(0, config.duration_s, 0.05):
            active = sum(e.onset_s <= moment < e.onset_s + e.duration_s for e in plan.events)
            assert active <= config.max_polyphony
        for event in plan.events:
            assert event.onset_s >= 0
            assert event.onset_s + event.duration_s <= config.duration_s + 1e-9
            assert 0 <= event.level_db - SceneDrawer.BACKGROUND_LEVEL_DB <= 25
    share = np.mean([plan.background is not None for plan in plans])
    assert share == pytest.approx(config.background_share, abs=0.08)  # 3.5 standard errors


def test_stems_sum_to_the_mixture_and_the_peak_is_the_plans():
    drawer = SceneDrawer(CLIPS, Bank(), SceneConfig())
    for index in range(20):
        plan = drawer.draw(1, index)
        scene = render(plan, Bank(), LABELS)
        assert np.abs(scene.stems.sum(axis=0) - scene.waveform).max() < 1e-6
        assert 20 * np.log10(np.abs(scene.waveform).max()) == pytest.approx(plan.peak_db, abs=0.01)


def test_events_are_where_the_sound_is():
    plan = ScenePlan(
        5.0, -3.0, None, (Placement("dog", 0.0, 1.25, 0.8, -20.0), Placement("nameless", 0.0, 3.0, 1.0, -20.0))
    )
    scene = render(plan, Bank(), LABELS)
    assert [(e.onset_s, e.offset_s, e.prompt) for e in scene.events] == [(1.25, pytest.approx(2.05), "dog bark")]
    sounding = np.flatnonzero(scene.stems[0]) / SAMPLE_RATE
    assert sounding[0] == pytest.approx(1.25, abs=0.001)
    assert sounding[-1] == pytest.approx(2.05, abs=0.001)


def test_level_between_event_and_background_is_the_plans():
    background = Placement("wind", 0.0, 0.0, 5.0, -40.0)
    plan = ScenePlan(5.0, -3.0, background, (Placement("bell", 0.0, 1.0, 2.0, -28.0),))
    stems = render(plan, Bank(), LABELS).stems.astype(np.float64)
    power = (stems**2).mean(axis=1) * [1, 5.0 / 2.0]
    assert 10 * np.log10(power[1] / power[0]) == pytest.approx(12.0, abs=0.2)


def test_a_shaped_part_keeps_its_power_and_loses_what_lies_above_the_limit():
    plain = Placement("bell", 0.0, 0.0, 2.0, -20.0)
    shaped = replace(plain, equaliser_db=(6.0, -6.0, 3.0, 0.0), band_limit_hz=4000.0)
    both = [render(ScenePlan(2.0, -3.0, None, (p,)), Bank(), LABELS).waveform for p in (plain, shaped)]
    spectra = [np.abs(np.fft.rfft(w / np.sqrt((w**2).mean()))) ** 2 for w in both]
    above = np.fft.rfftfreq(len(both[0]), 1 / SAMPLE_RATE) > 6000
    assert spectra[1][above].sum() < 0.01 * spectra[0][above].sum()


def test_a_library_without_events_or_backgrounds_is_an_error():
    with pytest.raises(ConfigError, match="no labelled event"):
        SceneDrawer(CLIPS[:1], Bank(), SceneConfig())
    with pytest.raises(ConfigError, match="no background"):
        SceneDrawer(CLIPS[1:], Bank(), SceneConfig())
    assert SceneDrawer(CLIPS[1:], Bank(), SceneConfig(background_share=0.0)).draw(0, 0).background is None


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
