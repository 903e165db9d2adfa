"""The figures of a finished model on held-out recordings: long scenes with many prompts, and ambience alone."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from flam.core import Event, FrameScores
from flam.data.bank import WaveformBank
from flam.detection.binarize import binarize
from flam.detection.config import DetectionConfig
from flam.detection.detector import Detector
from flam.evaluation.auroc import macro_auroc
from flam.evaluation.calibration import calibration_error
from flam.evaluation.detections import DetectionCounts, count_detections
from flam.synth.distributions import Integers, Uniform
from flam.synth.effects import EffectsConfig
from flam.synth.plan import SceneDrawer
from flam.synth.render import Renderer
from flam.synth.scene_config import RepeatConfig
from flam.synth.source_library import SourceClip
from flam.training.mini.pool import MINI_SCENES

THRESHOLDS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99)
JUDGED_SCENES = dataclasses.replace(
    MINI_SCENES,
    duration_s=30.0,
    background_share=1.0,
    single_share=0.0,
    n_events=Integers((4, 8)),
    snr_db=Uniform((12.0, 24.0)),
    max_event_s=8.0,
    repeat=RepeatConfig(share=0.2),
    peak_db=Uniform((-12.0, -1.0)),
    effects=EffectsConfig(),
)


@dataclass(frozen=True)
class JudgedRecording:
    """Frame scores of one recording and what is really in it."""

    scores: FrameScores
    events: tuple[Event, ...]


def judge(
    detector: Detector, clips: Sequence[SourceClip], bank: WaveformBank, n_scenes: int, n_prompts: int, seed: int
) -> dict[str, Any]:
    """All figures as one mapping, ready to be written as JSON.

    Scenes last 30 s, with 4 to 8 events 12 to 24 dB above a real ambience; prompts are the labels with most held-out
    clips. Ambience is every held-out background, asked for the same prompts.

    Parameters
    ----------
    clips : held-out clips alone
    """
    counts = Counter(clip.label for clip in clips if clip.kind != "background" and clip.label)
    prompts = [label for label, _ in counts.most_common(n_prompts)]
    drawer = SceneDrawer(clips, bank, JUDGED_SCENES)
    renderer = Renderer(bank, {clip.clip_id: clip.label for clip in clips})
    scenes, ambience = [], []
    for index in range(n_scenes):
        scene = renderer.render(drawer.draw(seed, index))
        scores = detector.score((scene.waveform, bank.sample_rate), prompts)
        scenes.append(JudgedRecording(scores, tuple(event for event in scene.events if event.prompt in prompts)))
    for clip in clips:
        if clip.kind == "background":
            asked = [prompt for prompt in prompts if prompt != clip.label]
            scores = detector.score((bank.waveform(clip.clip_id), bank.sample_rate), asked)
            ambience.append(JudgedRecording(scores, ()))
    frame_scores = np.concatenate([recording.scores.scores for recording in scenes])
    frame_truth = np.concatenate([_truth(recording) for recording in scenes])
    return {
        "score": detector.config.score,
        "n_scenes": n_scenes,
        "n_prompts": len(prompts),
        "n_events": sum(len(recording.events) for recording in scenes),
        "frame_auroc": round(macro_auroc(frame_scores, frame_truth), 4),
        "expected_calibration_error": round(calibration_error(frame_scores, frame_truth), 4),
        "thresholds": [
            _at_threshold(dataclasses.replace(detector.config, threshold=threshold), scenes, ambience)
            for threshold in THRESHOLDS
        ],
    }


def _truth(recording: JudgedRecording) -> np.ndarray:
    scores = recording.scores
    spans_s: dict[str, list[tuple[float, float]]] = {prompt: [] for prompt in scores.prompts}
    for event in recording.events:
        spans_s[event.prompt].append((event.onset_s, event.offset_s))
    return np.stack([scores.grid.frame_labels(spans, len(scores.scores)) for spans in spans_s.values()], axis=1)


def _at_threshold(
    config: DetectionConfig, scenes: Sequence[JudgedRecording], ambience: Sequence[JudgedRecording]
) -> dict[str, float | None]:
    in_scenes, in_ambience = _count(config, scenes), _count(config, ambience)
    errors_s = in_scenes.onset_errors_s
    return {
        "threshold": config.threshold,
        "recall": round(in_scenes.recall, 3),
        "false_alarms_per_minute": round(in_scenes.false_alarms_per_minute, 2),
        "median_onset_error_s": round(float(np.median(errors_s)), 3) if errors_s else None,
        "ambience_false_alarms_per_minute": round(in_ambience.false_alarms_per_minute, 2),
    }


def _count(config: DetectionConfig, recordings: Sequence[JudgedRecording]) -> DetectionCounts:
    total = DetectionCounts(0, 0, 0, (), 0.0)
    for recording in recordings:
        detections = list(binarize([recording.scores], config))
        total += count_detections(detections, recording.events, recording.scores.end_s)
    return total
