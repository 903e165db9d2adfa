"""Prompts that fire for nothing get a higher threshold, the others none of their own."""

from pathlib import Path

import numpy as np

from flam.core import FrameScores, TimeGrid
from flam.data.phrases import PhraseSet
from flam.detection.config import DetectionConfig, PromptSettings
from flam.library.source_library import SourceClip
from flam.training.mini.thresholds import prompt_thresholds

GRID = TimeGrid(48_000, 3840)


class NoiseBank:
    sample_rate = 48_000

    def __contains__(self, clip_id):
        return True

    def n_samples(self, clip_id):
        return 35 * 48_000 if clip_id == "air" else 48_000

    def waveform(self, clip_id):
        return np.random.default_rng(len(clip_id)).normal(0, 0.1, self.n_samples(clip_id)).astype(np.float32)

    def spans_s(self, clip_id):
        return [(0.0, self.n_samples(clip_id) / 48_000)]


class FixedDetector:
    """Gives each prompt one score everywhere."""

    config = DetectionConfig(threshold=0.5)
    everywhere = {"quiet": 0.1, "nervous": 0.65, "mad": 0.97, "tone": 0.97, "sound": 0.97, "often": 0.65, "rare": 0.65}  # noqa: RUF012

    def score(self, audio, prompts):
        n_samples = len(audio[0])
        scores = np.tile([self.everywhere[prompt] for prompt in prompts], (GRID.n_frames(n_samples), 1))
        return FrameScores(scores.astype(np.float32), tuple(prompts), GRID, 0, n_samples)


def test_only_what_fires_for_nothing_is_raised():
    clips = [
        SourceClip("beep", Path("beep"), "tone", "", "event", "beep", "", "made", "CC0"),
        SourceClip("air", Path("air"), "air", "", "background", "air", "", "made", "CC0"),
    ]
    phrases = {"tone": PhraseSet("tone", (), (), ("sound",))}
    prompts = ["quiet", "nervous", "mad", "tone", "sound"]
    raised = prompt_thresholds(
        FixedDetector(), clips, NoiseBank(), phrases, prompts, thresholds=(0.5, 0.7, 0.9), n_scenes=2
    )
    # every scene holds the tone, which is also a sound; the mad one is given the highest there is
    assert raised == {"nervous": PromptSettings(threshold=0.7), "mad": PromptSettings(threshold=0.9)}


def test_a_prompt_that_would_lose_more_than_it_spares_keeps_its_threshold():
    labels = ["often"] * 12 + ["rare"] + [f"other {number}" for number in range(8)]
    clips = [
        SourceClip(f"{label} {number}", Path("-"), label, "", "event", f"{number}", "", "made", "CC0")
        for number, label in enumerate(labels)
    ]
    clips.append(SourceClip("air", Path("air"), "air", "", "background", "air", "", "made", "CC0"))
    raised = prompt_thresholds(
        FixedDetector(), clips, NoiseBank(), {}, ["often", "rare"], thresholds=(0.5, 0.7), n_scenes=12
    )
    # both fire in every scene; more than half of the scenes hold the one, fewer than half the other
    assert raised == {"rare": PromptSettings(threshold=0.7)}
