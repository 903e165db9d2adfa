"""The figures of a finished model: a perfect detector gets perfect ones, a deaf one does not."""

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from flam.core import ConfigError, Event, FrameScores, TimeGrid
from flam.data.phrases import PhraseSet, load_phrases
from flam.detection.config import DetectionConfig
from flam.library.source_library import SourceClip
from flam.library.stores import ClipStore
from flam.model.flam import TextFeatures
from recipes.flam_mini.judgement import heard_in, judge
from recipes.flam_mini.language import near_miss_figures, paraphrase_figures, read_paraphrases

GRID = TimeGrid(48_000, 3840)


class ToneBank(ClipStore):
    """Each label is a tone of its own frequency; the ambience is faint noise."""

    sample_rate = 48_000
    frequencies_hz = (("low", 1000.0), ("middle", 2000.0), ("high", 4000.0))  # about equally loud to the ear

    def n_samples(self, clip_id):
        return 35 * 48_000 if clip_id == "air" else 2 * 48_000

    def waveform(self, clip_id):
        if clip_id == "air":
            return np.random.default_rng(0).normal(0, 0.1, self.n_samples(clip_id)).astype(np.float32)
        time_s = np.arange(self.n_samples(clip_id)) / 48_000
        return (0.14 * np.sin(2 * np.pi * dict(self.frequencies_hz)[clip_id] * time_s)).astype(np.float32)

    def spans_s(self, clip_id):
        return [(0.0, self.n_samples(clip_id) / 48_000)]

    def level_db(self, clip_id):
        return -20.0


class ToneDetector:
    """Hears a tone by its share of a frame's power."""

    config = DetectionConfig(median_s=0.0)
    deaf = False

    def score(self, audio, prompts):
        waveform, _ = audio
        n_frames = GRID.n_frames(len(waveform))
        frames = np.pad(waveform, (0, n_frames * 3840 - len(waveform))).reshape(n_frames, 3840)
        power = np.abs(np.fft.rfft(frames, axis=1)) ** 2
        bins = [round(dict(ToneBank.frequencies_hz)[prompt] * 3840 / 48_000) for prompt in prompts]
        share = np.stack([power[:, b - 1 : b + 2].sum(axis=1) / power.sum(axis=1) for b in bins], axis=1)
        scores = np.zeros_like(share) if self.deaf else (share > 0.02).astype(np.float32)
        return FrameScores(scores.astype(np.float32), tuple(prompts), GRID, 0, len(waveform))


def judged(detector):
    labels = ["low", "middle", "high"]
    clips = [SourceClip(name, Path(name), name, "", "event", name, "", "made", "CC0") for name in labels]
    clips.append(SourceClip("air", Path("air"), "air", "", "background", "air", "", "made", "CC0"))
    return judge(detector, clips, ToneBank(), {}, n_scenes=4, n_prompts=50, seed=0)


def test_a_detector_that_hears_everything():
    figures = judged(ToneDetector())
    assert figures["n_prompts"] == 3
    assert figures["n_events"] > 10
    assert figures["frame_auroc"] > 0.98
    assert figures["expected_calibration_error"] < 0.02
    point = figures["operating_point"]
    assert 0 < sum(point["n_by_length"]) <= figures["n_events"]  # joined events are one
    assert all(recall > 0.95 for recall, n in zip(point["recall_by_length"], point["n_by_length"], strict=True) if n)
    assert point["recall_interval"][0] <= point["recall"] <= point["recall_interval"][1]
    for row in figures["thresholds"]:
        assert row["recall"] > 0.95
        assert row["false_alarms_per_minute"] < 1
        assert row["median_onset_error_s"] <= 0.08
        assert row["ambience_false_alarms_per_minute"] == 0


def test_a_deaf_detector():
    deaf = ToneDetector()
    deaf.deaf = True
    figures = judged(deaf)
    assert figures["frame_auroc"] == 0.5
    assert {row["recall"] for row in figures["thresholds"]} == {0.0}


def test_what_a_background_may_hold_is_not_judged_in_it():
    storm = SourceClip("s", Path("s"), "thunder", "a thunderstorm with rain", "background", "s", "", "made", "CC0")
    cafe = SourceClip("c", Path("c"), "cafe", "a cafe with people talking", "background", "c", "", "made", "CC0")
    phrases = {
        "speech": PhraseSet("speech", ("people talking",), (), ()),
        "storm": PhraseSet("storm", (), (), ("thunder",)),
    }
    prompts = ["rain", "thunder", "storm", "speech", "train"]
    assert heard_in(storm, prompts, phrases) == {"rain", "thunder", "storm"}
    assert heard_in(cafe, prompts, phrases) == {"speech"}
    assert heard_in(None, prompts, phrases) == frozenset()


class WordDetector:
    """Knows three words, each a direction of its own; clips lie where their label is."""

    grid = GRID
    places: ClassVar = {"dog": (1.0, 0.0), "hound": (0.8, 0.6), "cat": (0.0, 1.0)}

    def embed_text(self, texts):
        return TextFeatures(torch.tensor([self.places[text] for text in texts]), torch.ones(1), torch.zeros(1))

    def embed_audio(self, audio):
        return np.array(self.places["dog"], np.float32)


def test_word_figures_by_hand(tmp_path):
    frames = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.6, 0.8]], np.float32)
    scenes = [(frames, [Event(0.0, 0.16, "dog")])]
    (tmp_path / "ways.yaml").write_text("dog: [hound]\ncat: [dog]\n")
    figures = paraphrase_figures(scenes, WordDetector(), GRID, read_paraphrases(tmp_path / "ways.yaml"))
    # frames 0 and 1 score 0.8 for hound, frame 3 0.96, frame 2 0.6: half of the four pairs are in order
    assert figures == {"n_labels": 1, "label_auroc": 1.0, "paraphrase_auroc": 0.5}
    clip = SourceClip("d", Path("d"), "dog", "", "event", "d", "", "made", "CC0")
    phrases = {"dog": PhraseSet("dog", (), ("cat", "hound"), ())}

    class Bank(ToneBank):
        def waveform(self, clip_id):
            return np.zeros(48_000, np.float32)

    cat = SourceClip("o", Path("o"), "cat", "", "event", "o", "", "made", "CC0")
    phrases["cat"] = PhraseSet("cat", (), ("dog",), ())  # this detector hears a dog in every clip
    figures = near_miss_figures(WordDetector(), [clip, clip, cat], Bank(), phrases, {"dog": 7})
    assert figures == {
        "n_clips": 3,
        "n_labels": 2,
        "n_pairs": 5,
        "right_above_near_miss": 0.8,
        "labels_weighed_alike": 0.5,
        "by_training_clips": [
            {"from": 0, "n_pairs": 1, "right": 0.0},
            {"from": 5, "n_pairs": 4, "right": 1.0},
        ],
    }
    (tmp_path / "ways.yaml").write_text("- dog\n")
    with pytest.raises(ConfigError, match="map each label"):
        read_paraphrases(tmp_path / "ways.yaml")


@pytest.mark.parametrize("name", ["paraphrases.yaml", "more_paraphrases.yaml"])
@pytest.mark.slow
def test_the_shipped_paraphrases_are_in_no_phrase_set(name):
    root = Path(__file__).parents[3]
    known = {
        text.lower()
        for phrases in load_phrases(root / "configs" / "phrases").values()
        for text in (phrases.label, *phrases.phrases, *phrases.parents)
    }
    ways = read_paraphrases(root / "recipes" / "flam_mini" / "paraphrases" / name)
    assert len(ways) == 50
    assert not known & {text.lower() for texts in ways.values() for text in texts}
