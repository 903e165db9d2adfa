"""The figures of a finished model on held-out recordings: long scenes with many prompts, and ambience alone."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from flam.core import Event, FrameScores, spans_by_prompt
from flam.data.phrases import PhraseSet
from flam.data.texts import related_to
from flam.detection.binarize import binarize
from flam.detection.config import DetectionConfig
from flam.detection.detector import Detector
from flam.evaluation.auroc import auroc
from flam.evaluation.calibration import calibration_error
from flam.evaluation.detections import DetectionCounts, count_detections, joined
from flam.evaluation.operating_point import operating_point
from flam.library.bank import WaveformBank
from flam.library.source_library import SourceClip
from flam.scenes.distributions import Integers, Uniform
from flam.scenes.effects import EffectsConfig
from flam.scenes.scene_config import RepeatConfig
from flam.scenes.stream import SceneStream
from recipes.flam_mini.language import near_miss_figures, paraphrase_figures, read_paraphrases
from recipes.flam_mini.pool import MINI_SCENES

THRESHOLDS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.985, 0.99, 0.994, 0.997)
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
    """Frame scores of one recording, what is really in it, and the prompts that nobody can judge in it.

    Parameters
    ----------
    unsure : prompts that its background may fulfil, see ``heard_in``
    """

    scores: FrameScores
    events: tuple[Event, ...]
    unsure: frozenset[str]

    def truth(self, prompt: str) -> np.ndarray:
        """(T,) bool, frames in which a prompt sounds."""
        return self.scores.grid.frame_labels(spans_by_prompt(self.events).get(prompt, ()), len(self.scores.scores))


def judge(
    detector: Detector,
    clips: Sequence[SourceClip],
    bank: WaveformBank,
    phrase_sets: Mapping[str, PhraseSet],
    n_scenes: int,
    n_prompts: int,
    seed: int,
) -> dict[str, Any]:
    """All figures as one mapping, ready to be written as JSON.

    Scenes last 30 s, with 4 to 8 events 12 to 24 dB above a real ambience; prompts are the labels with most held-out
    clips. Ambience is every held-out background, asked for the same prompts. Prompts that a recording's background may
    fulfil don't count in it. Events of one prompt that the detector would join count as one.

    Parameters
    ----------
    clips : held-out clips alone
    """
    prompts, scenes = _judged_scenes(clips, bank, n_scenes, n_prompts, seed)
    in_scenes = [
        JudgedRecording(
            detector.score((waveform, bank.sample_rate), prompts), events, heard_in(background, prompts, phrase_sets)
        )
        for waveform, events, background in scenes
    ]
    in_ambience = [
        JudgedRecording(
            detector.score((bank.waveform(clip.clip_id), bank.sample_rate), prompts),
            (),
            heard_in(clip, prompts, phrase_sets),
        )
        for clip in clips
        if clip.kind == "background"
    ]
    frames = [_frames(in_scenes, prompt) for prompt in prompts]
    areas = [auroc(scores, truth) for scores, truth in frames if truth.any() and not truth.all()]
    all_scores, all_truth = (np.concatenate(parts) for parts in zip(*frames, strict=True))
    return {
        "n_scenes": n_scenes,
        "n_prompts": len(prompts),
        "n_events": sum(event.prompt not in scene.unsure for scene in in_scenes for event in scene.events),
        "frame_auroc": round(float(np.mean(areas)), 4),
        "expected_calibration_error": round(calibration_error(all_scores[:, None], all_truth[:, None]), 4),
        "operating_point": {
            **_at_threshold(detector.config, in_scenes, in_ambience),
            **_in_detail(detector.config, in_scenes),
        },
        "thresholds": [
            _at_threshold(dataclasses.replace(detector.config, threshold=threshold, prompts={}), in_scenes, in_ambience)
            for threshold in THRESHOLDS
        ],
    }


def judge_words(
    detector: Detector,
    clips: Sequence[SourceClip],
    bank: WaveformBank,
    phrase_sets: Mapping[str, PhraseSet],
    paraphrases: Sequence[Path],
    n_trained: Mapping[str, int],
    n_scenes: int,
    seed: int,
) -> dict[str, Any]:
    """How well other words for a sound do, in the same scenes, and how often a near miss is told from it.

    Parameters
    ----------
    paraphrases : files of texts, each judged by itself
    n_trained : label to number of training clips
    """
    prompts, scenes = _judged_scenes(clips, bank, n_scenes, n_prompts=50, seed=seed)
    embedded = [(detector.embed_frames((waveform, bank.sample_rate)), events) for waveform, events, _ in scenes]
    figures: dict[str, Any] = {}
    for path in paraphrases:
        ways = {label: texts for label, texts in read_paraphrases(path).items() if label in prompts}
        figures[path.stem] = paraphrase_figures(embedded, detector, detector.grid, ways)
    return {**figures, "near_misses": near_miss_figures(detector, clips, bank, phrase_sets, n_trained)}


def heard_in(
    background: SourceClip | None, prompts: Sequence[str], phrase_sets: Mapping[str, PhraseSet]
) -> frozenset[str]:
    """Prompts that a background may fulfil: its label, what is related to it, and what its caption speaks of."""
    if background is None:
        return frozenset()
    related = related_to(background.label, prompts, phrase_sets)
    caption = f" {background.caption} "
    heard = set()
    for prompt, is_related in zip(prompts, related, strict=True):
        texts = [prompt, *(phrase_sets[prompt].phrases if prompt in phrase_sets else ())]
        if is_related or any(f" {text} " in caption for text in texts):
            heard.add(prompt)
    return frozenset(heard)


def _judged_scenes(
    clips: Sequence[SourceClip], bank: WaveformBank, n_scenes: int, n_prompts: int, seed: int
) -> tuple[list[str], list[tuple[np.ndarray, tuple[Event, ...], SourceClip | None]]]:
    """The prompts, and waveform, events and background of each scene."""
    counts = Counter(clip.label for clip in clips if clip.kind != "background" and clip.label)
    prompts = [label for label, _ in counts.most_common(n_prompts)]
    by_id = {clip.clip_id: clip for clip in clips}
    scenes = []
    for plan, scene in SceneStream(clips, bank, JUDGED_SCENES, seed).first(n_scenes):
        background = None if plan.background is None else by_id[plan.background.clip_id]
        scenes.append((scene.waveform, tuple(event for event in scene.events if event.prompt in prompts), background))
    return prompts, scenes


def _frames(recordings: Sequence[JudgedRecording], prompt: str) -> tuple[np.ndarray, np.ndarray]:
    """Scores and truth of one prompt in all frames of the recordings where it can be judged."""
    judged = [recording for recording in recordings if prompt not in recording.unsure]
    column = recordings[0].scores.prompts.index(prompt)
    scores = [recording.scores.scores[:, column] for recording in judged]
    return np.concatenate(scores), np.concatenate([recording.truth(prompt) for recording in judged])


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


def _in_detail(config: DetectionConfig, scenes: Sequence[JudgedRecording]) -> dict[str, Any]:
    """How sure the recall is, and how it falls for short events: below 0.6 s, to 1.5 s, to 5 s, from 5 s on."""
    pairs = [_judged(config, scene) for scene in scenes]
    detections, events = zip(*pairs, strict=True)
    point = operating_point(detections, events, [scene.scores.end_s for scene in scenes])
    return {
        "recall_interval": [round(point.recall.low, 3), round(point.recall.high, 3)],
        "recall_by_length": [round(recall.value, 3) for recall in point.recall_by_length],
        "n_by_length": list(point.n_by_length),
    }


def _judged(config: DetectionConfig, recording: JudgedRecording) -> tuple[list[Event], list[Event]]:
    """What is detected and what is there, of the prompts that can be judged in a recording."""
    detections = [event for event in binarize([recording.scores], config) if event.prompt not in recording.unsure]
    events = [event for event in recording.events if event.prompt not in recording.unsure]
    return detections, joined(events, lambda prompt: config.rule(prompt).merge_gap_s)


def _count(config: DetectionConfig, recordings: Sequence[JudgedRecording]) -> DetectionCounts:
    total = DetectionCounts(0, 0, 0, (), 0.0)
    for recording in recordings:
        total += count_detections(*_judged(config, recording), recording.scores.end_s)
    return total
