"""Bad libraries and impossible recipes: an error that says what to do, or a count, never a hang."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flam.core import AudioError, ConfigError
from flam.scenes.distributions import Constant
from flam.scenes.effects import RoomConfig
from flam.scenes.plan import SceneDrawer
from flam.scenes.render import render
from flam.scenes.scene_config import OverlayConfig, Pool, RepeatConfig, SceneConfig, SplitConfig


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
    config = SceneConfig(pools=(Pool(0.8), Pool(0.2, ("generl",))))
    with pytest.raises(ConfigError, match=r"pool of generl has no labelled event; .* sources are effects, general"):
        SceneDrawer(library.clips, library, config)
    with pytest.raises(ConfigError, match="name a source twice"):
        SceneDrawer(library.clips, library, SceneConfig(pools=(Pool(0.8, ("general",)), Pool(0.2, ("general",)))))


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
