"""Plans: what is drawn is what the recipe asks for, and libraries that cannot serve are refused."""

import multiprocessing
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from flam.core import AudioError, ConfigError, load_yaml
from flam.library.source_library import SourceClip
from flam.library.stores import ClipMeasures
from flam.scenes.distributions import Choice, Constant, Integers, TruncatedNormal, Uniform
from flam.scenes.effects import CodecConfig, EffectsConfig, FilterConfig, RoomConfig, Sometimes
from flam.scenes.placing import free_onsets
from flam.scenes.plan import SceneDrawer
from flam.scenes.render import render
from flam.scenes.scene import plan_from_json, plan_to_json
from flam.scenes.scene_config import OverlayConfig, RepeatConfig, SceneConfig, SourcePool, SplitConfig
from recipes.flam_mini.pool import MINI_SCENES

RECIPES = Path(__file__).parents[2] / "configs" / "scenes"
N_PLANS = 10_000


class Lengths(ClipMeasures):
    """The measures of clips that have no waveform."""

    sample_rate = 48_000

    def __init__(self, lengths_s):
        self.lengths_s = lengths_s

    def n_samples(self, clip_id):
        return round(self.lengths_s[clip_id] * self.sample_rate)

    def spans_s(self, clip_id):
        return [(0.0, self.lengths_s[clip_id])]


def clip(name, label, kind="event", source="effects"):
    return SourceClip(name, Path(name), label, "", kind, name, "", source, "CC0")


def made_library(event_s=1.0):
    clips = [clip(f"rain{i}", "rain", "background") for i in range(3)]
    clips += [clip(f"dog{i}", "dog") for i in range(8)] + [clip(f"bell{i}", "bell") for i in range(2)]
    clips += [clip(f"talk{i}", "talk", "speech", "general") for i in range(4)]
    lengths_s = {c.clip_id: 30.0 if c.kind == "background" else event_s for c in clips}
    return clips, Lengths(lengths_s)


def drawn(config, n_plans=N_PLANS, event_s=1.0, seed=0):
    clips, measures = made_library(event_s)
    drawer = SceneDrawer(clips, measures, config)
    return [drawer.draw(seed, index) for index in range(n_plans)]


def share(condition):
    return np.mean(list(condition))


def most_at_once(events):
    changes = sorted(
        [(piece.onset_s, 1) for event in events for piece in event.pieces]
        + [(round(piece.offset_s, 9), -1) for event in events for piece in event.pieces]
    )
    return max(np.cumsum([change for _, change in changes]))


@pytest.fixture(scope="module")
def paper_plans():
    return drawn(load_yaml(SceneConfig, RECIPES / "paper.yaml"))


@pytest.mark.slow
def test_number_of_events(paper_plans):
    counts = Counter(plan.n_wanted for plan in paper_plans)
    assert set(counts) == set(range(1, 11))
    assert all(count / N_PLANS == pytest.approx(0.1, abs=0.012) for count in counts.values())  # 4 standard errors
    # clips of one second always find room
    assert all(len(plan.events) == plan.n_wanted and plan.left_out == 0 for plan in paper_plans[:9000])


@pytest.mark.slow
def test_pools_levels_and_backgrounds(paper_plans):
    events = [event for plan in paper_plans for event in plan.events]
    general = share(event.clip_id.startswith("talk") for event in events)
    assert general == pytest.approx(0.2, abs=0.01)
    snr_db = [event.level_db - plan.background.level_db for plan in paper_plans for event in plan.events]
    assert stats.kstest(snr_db, stats.uniform(6, 24).cdf).statistic < 1.95 / np.sqrt(len(snr_db)) + 1e-3
    assert all(plan.background is not None for plan in paper_plans)
    source_s = [plan.background.pieces[0].source_s for plan in paper_plans]
    assert stats.kstest(source_s, stats.uniform(0, 20).cdf).statistic < 0.02


@pytest.mark.slow
def test_repeats_and_fragments(paper_plans):
    events = [event for plan in paper_plans for event in plan.events]
    repeated = [event for event in events if len({piece.source_s for piece in event.pieces}) < len(event.pieces)]
    split = [event for event in events if len({piece.source_s for piece in event.pieces}) > 1]
    assert len(repeated) / len(events) == pytest.approx(0.1, abs=0.01)
    assert len(split) / len(events) == pytest.approx(0.1, abs=0.01)
    for some in (repeated, split):
        assert share(len(event.pieces) == 2 for event in some) == pytest.approx(0.5, abs=0.04)
        assert {len(event.pieces) for event in some} == {2, 3}
    for event in split:  # the fragments are the whole, cut
        pieces = sorted(event.pieces, key=lambda piece: piece.source_s)
        assert sum(piece.duration_s for piece in pieces) == pytest.approx(1.0)
        for piece, following in pairwise(pieces):
            assert piece.source_s + piece.duration_s == pytest.approx(following.source_s, abs=1e-6)
        assert min(piece.duration_s for piece in pieces) >= 0.25 - 1e-9


@pytest.mark.slow
def test_pieces_of_one_event_never_overlap_and_polyphony_is_kept(paper_plans):
    for plan in paper_plans:
        assert most_at_once(plan.events) <= 3
        for event in plan.events:
            assert most_at_once([event]) == 1
            assert event.onset_s >= 0
            assert event.offset_s <= plan.duration_s + 1e-9


@pytest.mark.slow
def test_onsets_are_anywhere_alike():
    config = SceneConfig(n_events=Constant(1), repeat=RepeatConfig(0.0), split=SplitConfig(0.0))
    onsets_s = [plan.events[0].onset_s for plan in drawn(config)]
    assert stats.kstest(onsets_s, stats.uniform(0, 9).cdf).statistic < 0.02


def test_free_onsets_are_those_that_trying_finds():
    rng = np.random.default_rng(0)
    for _ in range(300):
        spans = [(start, start + int(rng.integers(1, 20))) for start in rng.integers(0, 45, size=rng.integers(0, 8))]
        own, taken = spans[:1], spans[1:]
        duration, most = int(rng.integers(1, 30)), int(rng.integers(1, 4))
        expected = []
        for onset in range(0, 60 - duration + 1):
            moments = range(onset, onset + duration)
            crowd = max(sum(first <= m < last for first, last in spans) for m in moments)
            if crowd < most and not any(first < onset + duration and onset < last for first, last in own):
                expected.append(onset)
        free = free_onsets(taken, own, duration, 60, most)
        assert [onset for low, high in free for onset in range(low, high + 1)] == expected


@pytest.mark.slow
def test_drawn_times_follow_their_distributions():
    config = SceneConfig(
        n_events=Constant(1),
        repeat=RepeatConfig(0.0),
        split=SplitConfig(0.0),
        event_s=Uniform((0.5, 1.5)),
        source_s=Uniform((0.0, 1.0)),
        onset_s=TruncatedNormal((5.0, 1.0, 2.0, 8.0)),
    )
    events = [plan.events[0].pieces[0] for plan in drawn(config, event_s=4.0)]
    for values, expected in (
        ([piece.duration_s for piece in events], stats.uniform(0.5, 1.0)),
        ([piece.source_s for piece in events], stats.uniform(0.0, 1.0)),
        ([piece.onset_s for piece in events], stats.truncnorm(-3, 3, 5, 1)),
    ):
        assert stats.kstest(values, expected.cdf).statistic < 0.02


@pytest.mark.slow
def test_effects_are_drawn_as_often_as_asked():
    config = SceneConfig(
        n_events=Constant(3),
        peak_db=Uniform((-20.0, -5.0)),
        filter=FilterConfig(share=0.3),
        effects=EffectsConfig(
            speed=Sometimes(0.2, Choice((0.9, 1.1))),
            stretch=Sometimes(0.1, Uniform((0.8, 1.25))),
            pitch_semitones=Sometimes(0.05, Uniform((-2.0, 2.0))),
            filter=FilterConfig(share=0.5, band_limit_share=0.4),
            codec=CodecConfig(share=0.25, kbps=Uniform((24.0, 64.0))),
        ),
        room=RoomConfig(share=0.15),
    )
    plans = drawn(config, 4000)
    effects = [event.effects for plan in plans for event in plan.events]
    expected = {
        0.2: [effect.speed != 1 for effect in effects],
        0.1: [effect.stretch != 1 for effect in effects],
        0.05: [effect.pitch_semitones != 0 for effect in effects],
        0.5: [effect.filter is not None for effect in effects],
        0.4 * 0.5: [effect.filter is not None and effect.filter.band_limit_hz is not None for effect in effects],
        0.25: [effect.codec is not None for effect in effects],
        0.15: [plan.events[0].effects.room is not None for plan in plans],
        0.3: [plan.filter is not None for plan in plans],
    }
    for wanted, found in expected.items():
        assert np.mean(found) == pytest.approx(wanted, abs=4 * np.sqrt(wanted * (1 - wanted) / len(found)))
    backgrounds = [plan.background.effects for plan in plans]
    assert all(effect.speed == effect.stretch == 1 and effect.room is None for effect in backgrounds)
    codecs = Counter(effect.codec.name for effect in effects if effect.codec)
    assert all(count / codecs.total() == pytest.approx(1 / 3, abs=0.04) for count in codecs.values())
    assert stats.kstest([plan.peak_db for plan in plans], stats.uniform(-20, 15).cdf).statistic < 0.031


@pytest.mark.parametrize(
    ("power", "cap", "dogs"), [(1.0, None, 8 / 14), (0.0, None, 1 / 3), (0.5, 4, 2 / (4 + 2**0.5))]
)
@pytest.mark.slow
def test_labels_are_balanced_as_asked(power, cap, dogs):
    config = SceneConfig(n_events=Constant(1), label_power=power, label_cap=cap)
    found = share(plan.events[0].clip_id.startswith("dog") for plan in drawn(config))
    assert found == pytest.approx(dogs, abs=0.02)


@pytest.mark.slow
def test_single_scenes_and_their_unlabelled_clips():
    clips, measures = made_library()
    clips, measures.lengths_s["x"] = [*clips, clip("x", "")], 1.0
    config = replace(MINI_SCENES, single_share=0.4, unlabelled_share=0.25)
    drawer = SceneDrawer(clips, measures, config)
    plans = [drawer.draw(0, index) for index in range(5000)]
    assert share(plan.background is not None for plan in plans) == pytest.approx(0.7, abs=0.03)
    assert share(plan.events[0].clip_id == "x" for plan in plans) == pytest.approx(0.4 * 0.25, abs=0.02)


@pytest.mark.slow
def test_plans_do_not_depend_on_order_workers_or_the_order_of_the_library():
    config = load_yaml(SceneConfig, RECIPES / "degraded.yaml")
    forwards = [plan_to_json(plan) for plan in drawn(config, 60, seed=7)]
    clips, measures = made_library()
    drawer = SceneDrawer(clips[::-1], measures, config)
    assert [plan_to_json(drawer.draw(7, index)) for index in reversed(range(60))][::-1] == forwards
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(_line, range(60), chunksize=1) == forwards
    assert [plan_to_json(plan) for plan in drawn(config, 60, seed=8)] != forwards


def _line(index):
    clips, measures = made_library()
    return plan_to_json(SceneDrawer(clips, measures, load_yaml(SceneConfig, RECIPES / "degraded.yaml")).draw(7, index))


@pytest.mark.parametrize("recipe", sorted(path.name for path in RECIPES.glob("*.yaml")))
def test_plans_survive_json(recipe):
    for plan in drawn(load_yaml(SceneConfig, RECIPES / recipe), 200):
        line = plan_to_json(plan)
        assert "\n" not in line
        assert plan_from_json(line) == plan


@pytest.mark.parametrize(
    "line", ["", "{", "[]", "{}", '{"duration_s":1.0}', '{"duration_s":1,"background":3,"events":[]}']
)
def test_what_is_no_plan_is_an_error(line):
    with pytest.raises(ConfigError, match="plan"):
        plan_from_json(line)


def test_shipped_recipes_mean_what_they_say():
    pools = (SourcePool(0.8), SourcePool(0.2, ("general",)))
    assert load_yaml(SceneConfig, RECIPES / "paper.yaml") == SceneConfig(pools=pools)
    assert load_yaml(SceneConfig, RECIPES / "mini.yaml") == MINI_SCENES
    assert SceneConfig().n_events == Integers((1, 10))


def test_damaged_and_silent_clips_are_left_out_and_counted(library):
    library.add("silent", np.zeros(48_000))
    library.add("empty", np.zeros(0))
    missing = replace(library.clips[0], clip_id="gone", label="gone")
    clips = [*library.clips, missing, replace(missing, clip_id="lost")]
    drawer = SceneDrawer(clips, library, SceneConfig())
    assert drawer.skipped == {"missing or damaged": 2, "silent or empty": 2}
    used = {placement.clip_id for index in range(300) for placement in drawer.draw(0, index).placements}
    assert used == {clip.clip_id for clip in clips} - {"silent", "empty", "gone", "lost"}


def test_no_events(library):
    backgrounds = [clip for clip in library.clips if clip.kind == "background"]
    with pytest.raises(ConfigError, match="no labelled event that can be used; a scene needs at least one"):
        SceneDrawer(backgrounds, library, SceneConfig())
    nameless = [replace(clip, label="") for clip in library.clips]
    with pytest.raises(ConfigError, match="no labelled event"):
        SceneDrawer(nameless, library, SceneConfig())
    gone = [*backgrounds, replace(library.clips[-1], clip_id="gone")]
    with pytest.raises(ConfigError, match="can be used \\(1 missing or damaged\\)"):
        SceneDrawer(gone, library, SceneConfig())


def test_no_backgrounds(library):
    events = [clip for clip in library.clips if clip.kind == "event"]
    with pytest.raises(ConfigError, match="no background that can be used; add some or set background_share to 0"):
        SceneDrawer(events, library, SceneConfig())
    plan = SceneDrawer(events, library, SceneConfig(background_share=0.0)).draw(0, 0)
    assert plan.background is None
    scene = render(plan, library, library.labels)
    assert scene.levels[0].snr_db == pytest.approx(plan.events[0].level_db - plan.background_db, abs=0.01)


def test_no_speech_to_lay_over(library):
    with pytest.raises(ConfigError, match=r"no speech or music; add some or set overlay\.share to 0"):
        SceneDrawer(library.clips, library, SceneConfig(overlay=OverlayConfig(share=0.1)))


def test_pools_that_the_library_does_not_have(library):
    config = SceneConfig(pools=(SourcePool(0.8), SourcePool(0.2, ("generl",))))
    with pytest.raises(ConfigError, match=r"pool of generl has no labelled event; .* sources are effects, general"):
        SceneDrawer(library.clips, library, config)
    with pytest.raises(ConfigError, match="name a source twice"):
        SceneDrawer(
            library.clips, library, SceneConfig(pools=(SourcePool(0.8, ("general",)), SourcePool(0.2, ("general",))))
        )


def test_no_impulse_responses(library, tmp_path):
    with pytest.raises(ConfigError, match="no impulse response"):
        SceneDrawer(library.clips, library, SceneConfig(room=RoomConfig(share=0.1, impulse_responses=tmp_path)))


def test_an_event_longer_than_the_scene_is_cut(library):
    library.add("long", np.random.default_rng(0).normal(0, 0.1, 30 * 48_000))
    clips = [clip for clip in library.clips if clip.clip_id in ("long", "wind0")]
    config = SceneConfig(duration_s=4.0, n_events=Constant(1), max_event_s=60.0, repeat=RepeatConfig(0.0))
    plan = SceneDrawer(clips, library, replace(config, split=SplitConfig(0.0))).draw(0, 0)
    [piece] = plan.events[0].pieces
    assert (piece.onset_s, piece.duration_s) == (0.0, 4.0)
    assert 0 <= piece.source_s <= 26
    assert len(render(plan, library, library.labels).waveform) == 4 * 48_000


def test_an_impossible_polyphony_leaves_events_out_and_counts_them(library):
    library.add("long", np.random.default_rng(0).normal(0, 0.1, 9 * 48_000))
    clips = [clip for clip in library.clips if clip.clip_id in ("long", "wind0")]
    config = SceneConfig(n_events=Constant(50), max_polyphony=1, split=SplitConfig(0.0), repeat=RepeatConfig(0.0))
    plan = SceneDrawer(clips, library, config).draw(0, 0)
    assert (plan.n_wanted, len(plan.events), plan.left_out) == (50, 1, 49)


def test_an_onset_that_never_fits_is_given_up(library):
    config = SceneConfig(n_events=Constant(3), onset_s=Constant(1000.0))
    plan = SceneDrawer(library.clips, library, config).draw(0, 0)
    assert plan.events == ()
    assert plan.left_out >= 3
    assert render(plan, library, library.labels).events == ()


def test_a_scene_shorter_than_every_clip(library):
    plan = SceneDrawer(library.clips, library, SceneConfig(duration_s=0.05)).draw(0, 0)
    assert len(render(plan, library, library.labels).waveform) == 2400


@pytest.mark.parametrize("numbers", [(-1, 0), (0, -1)])
def test_negative_numbers(library, numbers):
    with pytest.raises(ConfigError, match="must be 0 or greater"):
        SceneDrawer(library.clips, library, SceneConfig()).draw(*numbers)


def test_a_missing_file_of_responses_is_told(library):
    with pytest.raises(AudioError, match="nowhere: no such file or folder"):
        SceneDrawer(library.clips, library, SceneConfig(room=RoomConfig(impulse_responses=Path("nowhere"))))
