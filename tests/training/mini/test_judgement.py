"""The figures of a finished model: a perfect detector gets perfect ones, a deaf one does not."""

from pathlib import Path

import numpy as np

from flam.core import FrameScores, TimeGrid
from flam.detection.config import DetectionConfig
from flam.synth.source_library import SourceClip
from flam.training.mini.judgement import judge

GRID = TimeGrid(48_000, 3840)


class ToneBank:
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
    return judge(detector, clips, ToneBank(), n_scenes=4, n_prompts=50, seed=0)


def test_a_detector_that_hears_everything():
    figures = judged(ToneDetector())
    assert figures["n_prompts"] == 3
    assert figures["n_events"] > 10
    assert figures["frame_auroc"] > 0.98
    assert figures["expected_calibration_error"] < 0.02
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
