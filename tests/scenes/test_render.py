"""Levels and boundaries: the fast way equals weighting every stem as a whole, and both equal the plan."""

import dataclasses

import numpy as np
import pytest

from flam.audio import a_weighted_levels_db, a_weighted_rms_db, active_spans_s
from flam.audio.levels import LevelTracks, frame_powers
from flam.core import seconds_to_samples
from flam.scenes.distributions import Constant, Uniform
from flam.scenes.plan import SceneDrawer
from flam.scenes.render import Renderer, render
from flam.scenes.scene import Boundaries, Piece, Placement, ScenePlan, correct_spans
from flam.scenes.scene_config import RepeatConfig, SceneConfig, SplitConfig

RATE = 48_000
HOP, WINDOW = 960, 2400


def levels_on_the_clips_grid(stem, placement):
    """Levels of every frame of every piece, measured on the stem with the library's own meter."""
    levels = []
    for piece in placement.pieces:
        start, length, first = (
            seconds_to_samples(seconds, RATE) for seconds in (piece.onset_s, piece.duration_s, piece.source_s)
        )
        aligned = np.zeros((first % HOP) + length + 40 * HOP)
        aligned[20 * HOP + first % HOP :][:length] = stem[start : start + length]
        found = a_weighted_levels_db(aligned, RATE, WINDOW, HOP)
        levels.append(found[20 : 20 + -(-(first % HOP + length) // HOP)])
    return np.concatenate(levels)


def active_level_db(levels_db):
    active = levels_db[levels_db >= levels_db.max() - 35]
    return 10 * np.log10(np.mean(10 ** (active / 10)))


@pytest.mark.slow
def test_measured_levels_and_ratios_are_the_plans(library):
    drawer = SceneDrawer(library.clips, library, SceneConfig())
    renderer = Renderer(library, library.labels)
    n_sources = 0
    for index in range(100):
        plan = drawer.draw(11, index)
        scene = renderer.render(plan, stems=True)
        placements = plan.placements
        for stem, placement, levels in zip(scene.stems, placements, scene.levels, strict=True):
            measured_db = active_level_db(levels_on_the_clips_grid(stem, placement))
            assert measured_db == pytest.approx(placement.level_db + scene.gain_db, abs=0.02)
            assert levels.level_db == pytest.approx(measured_db, abs=0.02)
            sounding = sum(seconds_to_samples(piece.duration_s, RATE) for piece in placement.pieces)
            if len(placement.pieces) == 1:
                rms_db = 10 * np.log10(np.sum(stem.astype(np.float64) ** 2) / sounding)
                assert levels.rms_db == pytest.approx(rms_db, abs=0.01)
            if placement is not plan.background:
                assert levels.snr_db == pytest.approx(placement.level_db - plan.background.level_db, abs=0.02)
                assert 6 - 0.02 <= levels.snr_db <= 30 + 0.02
            n_sources += 1
        # the background is steady, so that its level does not depend on how it is measured
        whole_db = a_weighted_rms_db(scene.stems[0], RATE)
        assert whole_db == pytest.approx(plan.background.level_db + scene.gain_db, abs=0.1)
    assert n_sources > 300


def test_stems_sum_to_the_mixture(library):
    drawer = SceneDrawer(library.clips, library, SceneConfig(background_db=Uniform((-60.0, -20.0))))
    for index in range(20):
        scene = render(drawer.draw(1, index), library, library.labels, stems=True)
        assert np.abs(scene.stems.sum(axis=0) - scene.waveform).max() < 1e-6
        assert scene.waveform.dtype == np.float32


def test_a_scene_that_would_clip_is_scaled_with_its_levels(library):
    config = SceneConfig(background_db=Constant(-15.0), snr_db=Constant(20.0))
    plan = SceneDrawer(library.clips, library, config).draw(0, 0)
    scene = render(plan, library, library.labels)
    assert scene.gain_db < -1
    assert np.abs(scene.waveform).max() == pytest.approx(10 ** (-0.1 / 20), rel=1e-5)
    assert scene.levels[0].level_db == pytest.approx(-15 + scene.gain_db, abs=0.01)
    assert all(levels.snr_db == pytest.approx(20, abs=0.01) for levels in scene.levels[1:])


def test_the_peak_is_the_plans(library):
    drawer = SceneDrawer(library.clips, library, SceneConfig(peak_db=Uniform((-30.0, -1.0))))
    for index in range(10):
        plan = drawer.draw(2, index)
        peak = np.abs(render(plan, library, library.labels).waveform).max()
        assert 20 * np.log10(peak) == pytest.approx(plan.peak_db, abs=1e-3)


def test_a_remembered_level_equals_a_fresh_one(library):
    """Scenes of one renderer, whose tracks fill up, are those of a renderer of each scene's own."""
    drawer = SceneDrawer(library.clips, library, SceneConfig())
    renderer = Renderer(library, library.labels)
    for index in range(20):
        plan = drawer.draw(4, index)
        remembered, fresh = renderer.render(plan), render(plan, library, library.labels)
        assert np.array_equal(remembered.waveform, fresh.waveform)
        assert (remembered.events, remembered.levels) == (fresh.events, fresh.levels)


@pytest.mark.parametrize("start", [0, 1, 5_003, 96_000])
@pytest.mark.parametrize("length", [1, 100, 4_800, 30_000, 200_000])
@pytest.mark.parametrize("fade_samples", [0, 480])
def test_powers_of_a_part_equal_those_of_weighting_it_whole(start, length, fade_samples):
    rng = np.random.default_rng(length)
    clip = (rng.normal(0, 0.1, 330_000) + 0.3 * np.sin(np.arange(330_000) * 0.004)).astype(np.float32)
    fade = np.linspace(0, 1, min(fade_samples, length // 2), dtype=np.float32)
    part = clip[start : start + length].copy()
    part[: len(fade)] *= fade
    part[length - len(fade) :] *= fade[::-1]
    quick = LevelTracks(RATE).part_powers("clip", clip, start, start + length, fade)
    whole = frame_powers(part, length, RATE, phase=start % HOP)
    assert (quick.start, quick.hop) == (whole.start, whole.hop) == (-(start % HOP), HOP)
    assert np.allclose(quick.powers, whole.powers, rtol=1e-3, atol=1e-11)
    aligned = np.zeros(start % HOP + length + 40 * HOP)
    aligned[20 * HOP + start % HOP :][:length] = part
    metered = a_weighted_levels_db(aligned, RATE, WINDOW, HOP)[20 : 20 + len(whole.powers)]
    heard = metered > -90
    assert np.allclose(10 * np.log10(whole.powers[heard]), metered[heard], atol=0.01)


def test_tracks_forget_what_was_not_used_lately():
    rng = np.random.default_rng(0)
    clips = {str(number): rng.normal(0, 0.1, 200_000).astype(np.float32) for number in range(20)}
    tracks, fade = LevelTracks(RATE, max_bytes=20_000), np.zeros(0, np.float32)
    first = [tracks.part_powers(name, clip, 0, 200_000, fade).powers for name, clip in clips.items()]
    again = [tracks.part_powers(name, clip, 0, 200_000, fade).powers for name, clip in clips.items()]
    assert all(np.array_equal(one, other) for one, other in zip(first, again, strict=True))
    assert sum(track.nbytes for track in tracks._tracks.values()) <= 20_000


@pytest.mark.slow
def test_corrected_boundaries_are_those_of_the_stem(library):
    """Measured on the whole stem with the meter for clips, its frames shifted to where the clip's begin."""
    config = SceneConfig(
        background_db=Constant(-60.0),
        snr_db=Uniform((0.0, 10.0)),
        split=SplitConfig(share=0.0),
        repeat=RepeatConfig(share=0.0),
    )
    drawer = SceneDrawer(library.clips, library, config)
    n_corrected = 0
    for index in range(30):
        plan = drawer.draw(0, index)
        scene = render(plan, library, library.labels, stems=True)
        expected = []
        for stem, placement in zip(scene.stems[1:], plan.events, strict=True):
            [piece] = placement.pieces
            shift = (seconds_to_samples(piece.source_s, RATE) - seconds_to_samples(piece.onset_s, RATE)) % HOP + HOP
            for onset_s, offset_s in active_spans_s(np.pad(stem, (shift, HOP)), RATE):
                onset_s, offset_s = max(onset_s - shift / RATE, piece.onset_s), offset_s - shift / RATE
                expected.append((onset_s, min(offset_s, piece.offset_s), placement.clip_id))
        assert [event.prompt for event in scene.events] == [label for _, _, label in sorted(expected)]
        found = [(event.onset_s, event.offset_s) for event in scene.events]
        assert np.allclose(found, [span[:2] for span in sorted(expected)], atol=1e-9)
        n_corrected += len(set(found) - {(event.onset_s, event.offset_s) for event in scene.placed})
    assert n_corrected > 30


def test_gaps_are_filled_and_spikes_dropped():
    rules = Boundaries(fill_s=0.2, drop_s=0.04)
    spans = [(0, 4800), (9600, 14400), (48000, 49000), (60000, 70000)]
    assert correct_spans(spans, [(0, 100_000)], RATE, rules) == [(0, 14400), (60000, 70000)]
    # a gap of exactly 200 ms is kept, a span of exactly 40 ms too
    assert correct_spans([(0, 1920), (11520, 20000)], [(0, 30000)], RATE, rules) == [(0, 1920), (11520, 20000)]


def test_the_gap_between_two_pieces_is_filled_as_any_other(library):
    pieces = (Piece(0.0, 1.0, 0.5), Piece(0.0, 1.6, 0.5), Piece(0.0, 3.0, 0.5))
    library.add("tone", np.sin(np.arange(RATE)))
    scene = render(ScenePlan(5.0, None, (Placement("tone", pieces, -20.0),)), library, library.labels)
    assert [(event.onset_s, event.offset_s) for event in scene.events] == [(1.0, 2.1), (3.0, 3.5)]
    assert [(event.onset_s, event.offset_s) for event in scene.placed] == [(1.0, 1.5), (1.6, 2.1), (3.0, 3.5)]


def test_an_event_too_faint_to_be_heard_is_placed_but_not_labelled(library):
    placement = Placement("noise0", (Piece(0.0, 1.0, 0.2),), -75.0)
    scene = render(ScenePlan(3.0, None, (placement,)), library, library.labels)
    assert scene.events == ()
    assert len(scene.placed) == 1
    loud = dataclasses.replace(placement, level_db=-65.0)
    assert len(render(ScenePlan(3.0, None, (loud,)), library, library.labels).events) == 1


def test_a_threshold_below_the_loudest_frame_does_not_depend_on_the_level(library):
    rules = Boundaries(threshold_db=-120.0, below_loudest_db=20.0)
    placement = Placement("noise1", (Piece(0.0, 0.5, library.n_samples("noise1") // 48 / 1000),), -20.0)
    found = [
        render(
            ScenePlan(6.0, None, (dataclasses.replace(placement, level_db=level_db),), boundaries=rules),
            library,
            library.labels,
        ).events
        for level_db in (-20.0, -60.0)
    ]
    assert found[0] == found[1]
