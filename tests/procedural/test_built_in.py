"""The procedural sounds as a source library: deterministic, lazy, bounded, fit for drawing and rendering scenes."""

import hashlib
import pickle

import numpy as np
import pytest

from flam.core import ConfigError
from flam.procedural import GENERATORS, ProceduralSource, built_in, built_in_library
from flam.procedural.built_in import kept_measures
from flam.scenes.plan import SceneConfig, SceneDrawer
from flam.scenes.plan_lists import clips_sha256
from flam.scenes.render import render
from flam.scenes.scene import plan_to_json

LABELS = ["car horn", "dog bark", "rain", "wind"]


def test_clips_cover_every_class_and_take():
    clips, _ = built_in_library(n_takes=3, seed=1)
    assert [clip.clip_id for clip in clips] == [f"{label}/{take}" for label in sorted(GENERATORS) for take in range(3)]
    assert all(clip.kind == GENERATORS[clip.label].kind and clip.caption and clip.licence for clip in clips)
    assert len({clip.group for clip in clips}) == len(clips)


@pytest.mark.slow
def test_equal_libraries_make_equal_takes_in_any_order():
    clips, first = built_in_library(2, seed=4, labels=LABELS)
    _, second = built_in_library(2, seed=4, labels=LABELS)
    ids = [clip.clip_id for clip in clips]
    forwards = {clip_id: first.waveform(clip_id) for clip_id in ids}
    for clip_id in reversed(ids):
        np.testing.assert_array_equal(second.waveform(clip_id), forwards[clip_id])
    _, other = built_in_library(2, seed=5, labels=LABELS)
    assert not np.array_equal(other.waveform(ids[0]), forwards[ids[0]])
    assert not np.array_equal(forwards[ids[0]], forwards[ids[1]])


@pytest.mark.slow
def test_lengths_are_known_without_making_anything(monkeypatch):
    clips, source = built_in_library(2, labels=LABELS)
    made = {clip.clip_id: len(source.waveform(clip.clip_id)) for clip in clips}
    _, fresh = built_in_library(2, labels=LABELS)
    monkeypatch.setattr(ProceduralSource, "waveform", lambda *_: pytest.fail("made a take"))
    assert {clip.clip_id: fresh.n_samples(clip.clip_id) for clip in clips} == made


def test_measures_describe_the_take():
    clips, source = built_in_library(1, labels=LABELS)
    for clip in clips:
        length_s = source.n_samples(clip.clip_id) / source.sample_rate
        spans_s = source.spans_s(clip.clip_id)
        assert spans_s
        assert all(0 <= onset_s < offset_s <= length_s for onset_s, offset_s in spans_s)
        assert -60 < source.level_db(clip.clip_id) < 0


def test_memory_is_bounded_and_does_not_change_the_takes():
    clips, source = built_in_library(2, labels=["car horn", "dog bark"], cache_bytes=1_000_000)
    first = [source.waveform(clip.clip_id).copy() for clip in clips]
    assert sum(take.nbytes for take in source._takes.values()) <= 1_000_000
    for clip, take in zip(clips, first, strict=True):
        np.testing.assert_array_equal(source.waveform(clip.clip_id), take)
        assert source.waveform(clip.clip_id) is source.waveform(clip.clip_id)


def test_pickled_source_is_small_and_equal():
    clips, source = built_in_library(1, labels=["rain"])
    level_db, take = source.level_db(clips[0].clip_id), source.waveform(clips[0].clip_id)
    pickled = pickle.dumps(source)
    assert len(pickled) < 5000
    again = pickle.loads(pickled)
    assert again.level_db(clips[0].clip_id) == level_db
    np.testing.assert_array_equal(again.waveform(clips[0].clip_id), take)


def test_takes_are_not_written_to():
    clips, source = built_in_library(1, labels=["dog bark"])
    with pytest.raises(ValueError, match="read-only"):
        source.waveform(clips[0].clip_id)[0] = 1


def test_scenes_are_drawn_and_rendered_from_it():
    clips, source = built_in_library(2, labels=LABELS)
    drawer = SceneDrawer(clips, source, SceneConfig(duration_s=3.0, background_share=1.0))
    labels = {clip.clip_id: clip.label for clip in clips}
    scene = render(drawer.draw(0, 0), source, labels)
    assert len(scene.waveform) == 3 * source.sample_rate
    assert np.abs(scene.waveform).max() > 0.01
    assert scene.events


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((0,), "n_takes 0"), ((1, -1), "seed -1"), ((1, 0, ["unicorn"]), "no generator for 'unicorn'")],
)
def test_bad_libraries_are_refused(arguments, message):
    with pytest.raises(ConfigError, match=message):
        built_in_library(*arguments)


@pytest.mark.parametrize("clip_id", ["rain", "rain/x", "unicorn/0"])
def test_unknown_takes_are_refused(clip_id):
    _, source = built_in_library(1)
    with pytest.raises(ConfigError, match="no take"):
        source.waveform(clip_id)


@pytest.mark.parametrize(("seed", "sha256"), [(0, "c73232803061cd60"), (7, "286abdbcfa030847")])
def test_a_seed_draws_what_it_drew_when_all_takes_were_measured_first(seed, sha256):
    drawer = SceneDrawer(*built_in_library(20), SceneConfig())
    plans = "".join(plan_to_json(drawer.draw(seed, number)) for number in range(3))
    assert hashlib.sha256(plans.encode()).hexdigest()[:16] == sha256


def test_only_takes_that_are_drawn_are_measured():
    clips, source = built_in_library(20)
    drawer = SceneDrawer(clips, source, SceneConfig())
    clips_sha256(clips, source)
    assert not source.measures
    plan = drawer.draw(0, 0)
    assert 0 < len(source.measures) <= plan.n_wanted


def test_measures_are_kept_on_disk_also_after_a_stop(tmp_path, monkeypatch):
    clips, source = built_in_library(2, labels=LABELS)

    def stopped():
        with kept_measures(source, tmp_path / "takes"):
            source.spans_s(clips[0].clip_id)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    _, again = built_in_library(2, labels=LABELS)
    with kept_measures(again, tmp_path / "takes"):
        assert again.measures == source.measures
        again.spans_s(clips[1].clip_id)
    monkeypatch.setattr(ProceduralSource, "waveform", lambda *_: pytest.fail("made a take"))
    _, third = built_in_library(2, labels=LABELS)
    with kept_measures(third, tmp_path / "takes"):
        assert third.spans_s(clips[0].clip_id) == source.spans_s(clips[0].clip_id)
        assert len(third.measures) == 2


def test_measures_of_other_code_another_seed_or_a_damaged_file_are_not_taken(tmp_path, monkeypatch):
    clips, source = built_in_library(1, labels=LABELS)
    with kept_measures(source, tmp_path):
        source.spans_s(clips[0].clip_id)
    [path] = tmp_path.iterdir()
    _, other = built_in_library(1, seed=1, labels=LABELS)
    with kept_measures(other, tmp_path):
        assert not other.measures
    known = clips_sha256(clips, source)
    with monkeypatch.context() as changed:
        changed.setattr(built_in, "_code_version", lambda: "changed")
        _, other = built_in_library(1, labels=LABELS)
        with kept_measures(other, tmp_path):
            assert not other.measures
        assert clips_sha256(clips, other) != known
    path.write_text('{"rain/0": {"spans_s": "long"}}')
    _, other = built_in_library(1, labels=LABELS)
    with kept_measures(other, tmp_path):
        assert not other.measures


def test_a_folder_that_takes_no_file_costs_nothing_else(tmp_path):
    clips, source = built_in_library(1, labels=LABELS)
    (tmp_path / "file").touch()
    with kept_measures(source, tmp_path / "file"):
        assert source.spans_s(clips[0].clip_id)
