"""The operating point that ships with a model: its curve of false alarms, and how each kind of sound becomes events."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from flam.data.phrases import PhraseSet
from flam.detection.config import DetectionConfig, FalseAlarmCurve
from flam.detection.detector import Detector
from flam.detection.kinds import SoundKind
from flam.library.bank import WaveformBank
from flam.library.source_library import SourceClip
from flam.scenes.effects.recorder import RecorderConfig, draw_recorder, record
from recipes.flam_mini.judgement import JudgedRecording, _judged_scenes, heard_in
from recipes.flam_mini.kinds import label_seconds, texts_by_kind
from recipes.flam_mini.robustness import operating

LOGITS = np.arange(1.5, 12.01, 0.5)
FEWEST_ALARMS = 8


def false_alarm_curve(config: DetectionConfig, recordings: Sequence[JudgedRecording]) -> FalseAlarmCurve:
    """False alarms of one prompt in an hour at each threshold, as far as there are enough to count.

    Parameters
    ----------
    config : score, smoothing and kinds that are already settled for the recordings' prompts
    """
    prompt_hours = sum((len(r.scores.prompts) - len(r.unsure)) * r.scores.end_s / 3600 for r in recordings)
    thresholds: list[float] = []
    rates: list[float] = []
    for logit in LOGITS:
        threshold = 1 / (1 + float(np.exp(-logit)))
        n_alarms = operating(with_threshold(config, threshold), recordings).counts.n_false_alarms
        rate = n_alarms / prompt_hours
        if n_alarms < FEWEST_ALARMS:
            break
        if not rates or rate < rates[-1]:
            thresholds.append(round(threshold, 6))
            rates.append(round(rate, 4))
    return FalseAlarmCurve(tuple(thresholds), tuple(rates), round(prompt_hours, 1))


def with_threshold(config: DetectionConfig, threshold: float) -> DetectionConfig:
    """The same rules at another threshold; low thresholds keep their share of the high one."""
    prompts = {
        prompt: dataclasses.replace(
            own,
            threshold=None,
            low_threshold=None if own.low_threshold is None else own.low_threshold / config.threshold * threshold,
        )
        for prompt, own in config.prompts.items()
    }
    low = config.low_threshold
    return dataclasses.replace(
        config,
        threshold=threshold,
        low_threshold=None if low is None else low / config.threshold * threshold,
        prompts=prompts,
    )


def curve_recordings(
    detector: Detector,
    clips: Sequence[SourceClip],
    bank: WaveformBank,
    phrase_sets: Mapping[str, PhraseSet],
    n_scenes: int,
    n_prompts: int = 50,
    seed: int = 11,
) -> list[JudgedRecording]:
    """Scenes of held-out clips, each second one through a drawn recorder, asked for the most frequent labels."""
    prompts, scenes = _judged_scenes(clips, bank, n_scenes, n_prompts, seed)
    rng = np.random.default_rng(seed)
    recordings = []
    for number, (waveform, events, background) in enumerate(scenes):
        if number % 2:
            waveform = record(waveform, bank.sample_rate, draw_recorder(rng, RecorderConfig()))
        scores = detector.score((waveform, bank.sample_rate), prompts)
        recordings.append(JudgedRecording(scores, events, heard_in(background, prompts, phrase_sets)))
    return recordings


def kinds_of_sound(
    clips: Sequence[SourceClip], bank: WaveformBank, settings: Mapping[str, SoundKind]
) -> dict[str, SoundKind]:
    """The kinds of a recipe with the labels of training clips as their examples.

    Parameters
    ----------
    settings : "hit", "call" and "steady", whose own texts are replaced
    """
    texts = texts_by_kind(label_seconds(clips, bank), Counter(clip.label for clip in clips))
    return {name: dataclasses.replace(kind, texts=texts[name]) for name, kind in settings.items() if texts[name]}
