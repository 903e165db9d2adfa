"""Captions and scenes from a library: every recording is heard, scenes are what the renderer made."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from flam.audio import write_audio
from flam.core import ConfigError, TimeGrid, from_mapping
from flam.data.clip_source import ClipSource, ManifestConfig, ProceduralConfig
from flam.data.scene_source import ScenesConfig, SceneSource
from flam.library.scan import scan_library
from flam.scenes.plan import SceneDrawer
from flam.scenes.render import render
from flam.scenes.scene_config import SceneConfig

RATE = 48_000
COLUMNS = ["id", "file", "label", "caption", "kind", "group", "source", "licence"]


@pytest.fixture
def manifest(tmp_path):
    """Noise bursts: three events, the first with two captions, a background that nobody described, a broken file."""
    rows = [
        ("a1", "a.wav", "bell", "a small bell", "event"),
        ("a2", "a.wav", "bell", "a bell rings", "event"),
        ("b", "b.wav", "bell", "", "event"),
        ("c", "c.wav", "unlabelled", "something creaks", "event"),
        ("d", "d.wav", "unlabelled", "", "background"),
        ("e", "broken.wav", "siren", "", "event"),
    ]
    for number, name in enumerate("abcd"):
        burst = np.random.default_rng(number).uniform(-0.5, 0.5, RATE if name == "d" else RATE // 4)
        write_audio(tmp_path / f"{name}.wav", burst, RATE)
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    with open(tmp_path / "manifest.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows([*row, row[0], "here", "CC0"] for row in rows)
    return tmp_path / "manifest.csv"


def test_a_recording_has_all_its_captions_and_comes_once_an_epoch(manifest):
    source = ClipSource(ManifestConfig(manifest).clips()[:5], None, RATE // 4, RATE, (0,))
    clips = [source.clip(ordinal, np.random.default_rng(0)) for ordinal in range(3)]
    captions = {clip.captions for clip in clips}
    assert captions == {("a small bell", "a bell rings"), ("bell",), ("something creaks",)}


def test_training_and_held_out_parts_are_the_whole(manifest):
    ids = {
        part: {clip.clip_id for clip in ManifestConfig(manifest, part, held_out_share=0.5).clips()}
        for part in ("all", "training", "held_out")
    }
    assert ids["training"] | ids["held_out"] == ids["all"] == {"a1", "a2", "b", "c", "d", "e"}
    assert not ids["training"] & ids["held_out"]
    with pytest.raises(ConfigError, match="holds no clip"):
        ManifestConfig(manifest, "held_out").clips()


@pytest.mark.parametrize("measured", [False, True])
def test_scenes_are_what_the_renderer_makes(manifest, tmp_path, measured):
    library, bank = ManifestConfig(manifest), tmp_path / "bank"
    if measured:  # then clips are read from their files
        scan_library([manifest], tmp_path / "library.csv")
        library, bank = ManifestConfig(tmp_path / "library.csv"), None
    config = ScenesConfig(library, bank, scene=SceneConfig(background_share=0.5), seed=3)
    clips, waveforms = config.clips_and_waveforms()
    assert "e" not in {clip.clip_id for clip in clips}
    source = SceneSource(clips, waveforms, config.scene, 2 * RATE, RATE, config.seed)
    label_of = {"a1": "bell", "a2": "bell", "b": "bell", "c": "something creaks"}
    labelled = [replace(clip, label=label_of.get(clip.clip_id, "")) for clip in clips]
    drawer = SceneDrawer(labelled, waveforms, SceneConfig(background_share=0.5, duration_s=2.0))
    grid = TimeGrid(RATE, 4_800)
    seen = set()
    for number in range(30):
        clip = source.clip(number, np.random.default_rng(0))
        scene = render(drawer.draw(3, number), waveforms, label_of)
        assert np.array_equal(clip.waveform, scene.waveform)
        for label in set(label_of.values()):
            spans_s = [span for sound in clip.sounds if sound.label == label for span in sound.spans_s]
            expected = [(event.onset_s, event.offset_s) for event in scene.events if event.prompt == label]
            assert np.array_equal(grid.frame_labels(spans_s, 20), grid.frame_labels(expected, 20))
        seen |= {(sound.label, sound.texts) for sound in clip.sounds}
    bells = (
        {"a small bell", "bell"} if measured else {"a small bell", "a bell rings", "bell"}
    )  # a table lists files once
    assert seen == {("bell", (bell,)) for bell in bells} | {("something creaks", ("something creaks",))}
    assert source.label_captions["bell"] == bells


def test_a_bank_is_built_once(manifest, tmp_path):
    config = ScenesConfig(ManifestConfig(manifest), tmp_path / "bank")
    config.clips_and_waveforms()
    built = (tmp_path / "bank" / "samples.i16").stat().st_mtime_ns
    config.clips_and_waveforms()
    assert (tmp_path / "bank" / "samples.i16").stat().st_mtime_ns == built


def test_a_measured_table_is_a_manifest_too(manifest, tmp_path):
    scan_library([manifest], tmp_path / "library.csv")
    clips = ManifestConfig(tmp_path / "library.csv").clips()
    assert {clip.clip_id for clip in clips} == {"a1", "b", "c", "d"}
    source = ClipSource(clips, None, RATE, RATE, (0,))
    captions = {source.clip(ordinal, np.random.default_rng(0)).captions for ordinal in range(3)}
    assert captions == {("a small bell",), ("bell",), ("something creaks",)}


def test_a_manifest_without_bank_is_no_table(manifest):
    with pytest.raises(ConfigError, match="flam library scan"):
        ScenesConfig(ManifestConfig(manifest)).clips_and_waveforms()


def test_a_described_background_sounds_throughout():
    clips, takes = ProceduralConfig(n_takes=1, labels=("rain", "door slam")).clips_and_waveforms()
    source = SceneSource(clips, takes, SceneConfig(background_share=1.0), RATE, RATE, 0)
    for number in range(5):
        sounds = {sound.label: sound for sound in source.clip(number, np.random.default_rng(0)).sounds}
        assert sounds["rain"].spans_s[0] == (0.0, 1.0)
        assert sounds["door slam"].texts[0] != ""


def test_scenes_come_at_the_rate_of_the_model():
    clips, takes = ProceduralConfig(n_takes=1, labels=("rain", "door slam")).clips_and_waveforms()
    clip = SceneSource(clips, takes, SceneConfig(), 16_000, 16_000, 0).clip(0, np.random.default_rng(0))
    assert clip.waveform.shape == (16_000,)


@pytest.mark.parametrize(
    "section",
    [{}, {"bank": "b"}, {"manifest": {"path": "m"}, "procedural": {}}, {"bank": "b", "procedural": {}}],
)
def test_scenes_need_exactly_one_library(section):
    with pytest.raises(ConfigError, match="either a manifest or procedural"):
        from_mapping(ScenesConfig, section)


def test_a_library_of_which_nothing_is_said_is_refused(manifest):
    silent = [clip for clip in ManifestConfig(manifest).clips() if clip.clip_id == "d"]
    with pytest.raises(ConfigError, match="caption or a label"):
        ClipSource(silent, None, RATE, RATE, (0,))
