"""The demo scenes: repeatable, exactly labelled, and the bundled files are what the code makes."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import flam
from flam.annotations import read_events
from flam.audio import a_weighted_rms_db, read_audio
from flam.core import ConfigError
from flam.procedural import GENERATORS, SAMPLE_RATE
from flam.scenes import demo
from flam.scenes.demo import CLASSES, ROOM_TONE, SCENES, SPEECH, DemoScene, DemoSound, render_demo, write_demo

BUNDLED = Path(flam.__file__).parent / "assets" / "demo"
needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")


def test_scenes_fit_and_know_their_sounds():
    for scene in SCENES.values():
        assert scene.background == ROOM_TONE or GENERATORS[scene.background].kind == "background"
        for placement in scene.placements:
            assert placement.label == SPEECH or CLASSES.get(placement.label, placement.label) in GENERATORS
            assert placement.onset_s + placement.duration_s <= scene.duration_s


def test_render_is_repeatable_and_seeds_differ(monkeypatch):
    placements = (DemoSound(0.5, "dog bark", 1.0), DemoSound(1.0, "siren", 1.5))
    monkeypatch.setitem(SCENES, "test", DemoScene(3, 3.0, "wind", 0.2, placements))
    first, events = render_demo("test")
    again, same_events = render_demo("test", seed=3)
    other, _ = render_demo("test", seed=99)
    np.testing.assert_array_equal(first, again)
    assert events == same_events
    assert not np.array_equal(first, other)
    assert np.abs(first).max() == pytest.approx(demo.PEAK)


def test_labels_are_exact_and_levels_as_planned(monkeypatch):
    placements = (DemoSound(1.0, "smoke alarm", 1.0, 20.0, 1.0), DemoSound(3.5, "car horn", 1.0, 14.0, 1.0))
    monkeypatch.setitem(SCENES, "test", DemoScene(0, 6.0, ROOM_TONE, 0.2, placements))
    waveform, events = render_demo("test")
    quiet_db = a_weighted_rms_db(waveform[: SAMPLE_RATE - 10], SAMPLE_RATE)
    assert [event.prompt for event in events] == ["smoke alarm", "car horn"]
    for event, placement in zip(events, placements, strict=True):
        assert event.onset_s == placement.onset_s
        assert event.offset_s <= placement.onset_s + placement.duration_s
        first, end = round(event.onset_s * SAMPLE_RATE), round(event.offset_s * SAMPLE_RATE)
        just_after = waveform[first : first + SAMPLE_RATE // 20]
        assert a_weighted_rms_db(just_after, SAMPLE_RATE) > quiet_db + 6
        assert a_weighted_rms_db(waveform[first:end], SAMPLE_RATE) == pytest.approx(
            quiet_db + placement.snr_db, abs=1.5
        )


@pytest.mark.parametrize(("name", "seed"), [("moon", 0), ("nature", -1)])
def test_bad_requests_are_refused(name, seed):
    with pytest.raises(ConfigError, match=f"{name}|{seed}"):
        render_demo(name, seed)


@pytest.mark.parametrize("name", sorted(SCENES))
def test_bundled_recording_matches_its_labels(name):
    scene = SCENES[name]
    waveform = read_audio(BUNDLED / f"{name}.ogg", SAMPLE_RATE)
    assert len(waveform) == scene.duration_s * SAMPLE_RATE
    [track] = read_events(BUNDLED / f"{name}.txt", "audacity")
    placed = sorted((placement.onset_s, placement.label) for placement in scene.placements)
    labelled = [(event.onset_s, event.prompt) for event in track.events if event.prompt != scene.background]
    assert labelled == placed
    assert all(event.offset_s <= scene.duration_s for event in track.events)


def test_bundled_files_are_small():
    assert sum(path.stat().st_size for path in BUNDLED.iterdir()) < 1_500_000


@pytest.mark.slow
def test_bundled_recording_is_what_the_code_makes():
    bundled = read_audio(BUNDLED / "nature.ogg", SAMPLE_RATE)
    made, _ = render_demo("nature")
    assert np.corrcoef(bundled, made)[0, 1] > 0.95


@needs_espeak
def test_written_demo_reads_back(tmp_path, monkeypatch):
    scene = DemoScene(0, 3.0, "rain", 0.3, (DemoSound(0.5, SPEECH, words="good morning"),))
    monkeypatch.setattr(demo, "SCENES", {"tiny": scene})
    [path] = write_demo(tmp_path / "new")
    _, events = render_demo("tiny")
    [track] = read_events(path.with_suffix(".txt"), "audacity")
    assert [event.prompt for event in track.events] == ["rain", SPEECH]
    assert [event.offset_s for event in track.events] == pytest.approx([event.offset_s for event in events], abs=1e-6)
    assert len(read_audio(path, SAMPLE_RATE)) == 3 * SAMPLE_RATE
