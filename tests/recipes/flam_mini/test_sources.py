"""What the recipe starts from: the teacher's windows of clips, sounds of our own, pairs of texts."""

import json

import numpy as np
import pytest

from flam.core import ConfigError
from flam.data.texts import ontology_pairs
from flam.library.source_library import read_manifest
from flam.procedural.built_in import built_in_library
from flam.training.tasks.teacher_head import ClipWindows, WindowDrawer
from recipes.flam_mini.made_sounds import is_made, make_sounds
from recipes.flam_mini.teacher import Teacher


def test_windows_are_drawn_by_label_and_clip(tmp_path):
    clip_ids = np.array(["a", "a", "a", "b", "c", "other"])
    windows = ClipWindows(clip_ids, np.zeros((6, 2), np.float16))
    windows.save(tmp_path / "windows.npz")
    loaded = ClipWindows.load(tmp_path / "windows.npz")
    assert loaded.clip_ids.tolist() == clip_ids.tolist()
    # label 0 has clips a and b, label 2 has c: drawn as sqrt(2) to 1
    places, labels = WindowDrawer(loaded, {"a": 0, "b": 0, "c": 2}).draw(20_000, np.random.default_rng(0))
    share = np.bincount(places, minlength=6) / 20_000
    of_label_0 = 2**0.5 / (2**0.5 + 1)
    expected = [of_label_0 / 6] * 3 + [of_label_0 / 2, 1 - of_label_0, 0]
    np.testing.assert_allclose(share, expected, atol=0.015)
    assert set(zip(clip_ids[places], labels, strict=True)) == {("a", 0), ("b", 0), ("c", 2)}


def test_made_sounds_are_a_library_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setattr("recipes.flam_mini.made_sounds.speak", lambda *_: np.full(4800, 0.1, np.float32))
    monkeypatch.setattr(
        "recipes.flam_mini.made_sounds.built_in_library",
        lambda n, seed: built_in_library(n, seed, ["rain", "door slam"]),
    )
    clips = read_manifest(make_sounds(tmp_path, n_takes=1, n_sentences=2))
    assert sorted((clip.label, clip.kind) for clip in clips) == [
        ("door slam", "event"),
        ("rain", "background"),
        ("rain", "event"),
        ("speech", "speech"),
        ("speech", "speech"),
    ]
    assert all(clip.path.exists() and is_made(clip) for clip in clips)


def test_an_ontology_gives_pairs(tmp_path):
    kinds = [
        {"id": "a", "name": "Bell", "description": "It rings. Loudly.", "child_ids": ["b"], "restrictions": []},
        {"id": "b", "name": "Chime, gong (big)", "description": "", "child_ids": [], "restrictions": []},
    ]
    path = tmp_path / "ontology.json"
    path.write_text(json.dumps(kinds))
    assert sorted(ontology_pairs(path)) == [
        ("bell", "It rings"),
        ("bell", "Loudly"),
        ("chime", "gong big"),
        ("chime, gong big", "bell"),
        ("chime, gong big", "gong big"),
    ]
    path.write_text("[{}]")
    with pytest.raises(ConfigError, match="not an ontology"):
        ontology_pairs(path)


def test_a_teacher_that_is_not_there_is_a_clear_error(tmp_path):
    with pytest.raises(ConfigError, match=r"no such teacher|ai-edge-litert"):
        Teacher(tmp_path / "missing.tflite")
