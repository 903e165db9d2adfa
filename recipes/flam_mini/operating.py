"""The operating point that ships with a model: its curve of false alarms, and how each kind of sound becomes events."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from flam.benchmark import Item
from flam.benchmark.library_benchmarks import asked_prompts
from flam.benchmark.operating_point import n_false_alarms
from flam.benchmark.recipes import ScenesRecipe
from flam.benchmark.results import score_table
from flam.core import FrameScores
from flam.data.phrases import PhraseSet, heard_in
from flam.detection.config import DetectionConfig, FalseAlarmCurve
from flam.detection.detector import Detector
from flam.detection.kinds import SoundKind
from flam.evaluation.table import ScoreTable
from flam.library.bank import WaveformBank
from flam.library.source_library import SourceClip
from flam.scenes.effects.recorder import RecorderConfig, draw_recorder, record
from flam.scenes.stream import SceneStream
from recipes.flam_mini.kinds import label_seconds, texts_by_kind

LOGITS = np.arange(1.5, 12.01, 0.5)
FEWEST_ALARMS = 8
SEED = 11  # other scenes than those that the model is evaluated on


def false_alarm_curve(config: DetectionConfig, table: ScoreTable, scores: Mapping[str, FrameScores]) -> FalseAlarmCurve:
    """False alarms of one prompt in an hour at each threshold, as far as there are enough to count.

    Parameters
    ----------
    config : DetectionConfig
        Score, smoothing and kinds that are already settled for the prompts of the scores.
    table : ScoreTable
        Scores and truth.
    scores : Mapping[str, FrameScores]
        Of the table's recordings.
    """
    prompt_hours = float(table.durations_s @ table.judged.sum(axis=1)) / 3600
    thresholds: list[float] = []
    rates: list[float] = []
    for logit in LOGITS:
        threshold = 1 / (1 + float(np.exp(-logit)))
        n_alarms = n_false_alarms(table, scores, with_threshold(config, threshold))
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


def curve_scores(
    detector: Detector,
    clips: Sequence[SourceClip],
    bank: WaveformBank,
    phrase_sets: Mapping[str, PhraseSet],
    recipe: ScenesRecipe,
) -> tuple[ScoreTable, dict[str, FrameScores]]:
    """Scores of scenes such as a benchmark mixes, each second one through a drawn recorder.

    Parameters
    ----------
    clips : Sequence[SourceClip]
        Held-out clips.
    recipe : ScenesRecipe
        How scenes are drawn, how many, and how many of the labels are asked for; its seed is not used.
    """
    prompts = asked_prompts(clips, {clip.clip_id: clip.label for clip in clips}, recipe.n_prompts)
    stream, rng = SceneStream(clips, bank, recipe.scene, SEED), np.random.default_rng(SEED)
    items: list[Item] = []
    scores: dict[str, FrameScores] = {}
    for number, (_, scene) in enumerate(stream.first(recipe.n_scenes)):
        waveform = scene.waveform
        if number % 2:
            waveform = record(waveform, bank.sample_rate, draw_recorder(rng, RecorderConfig()))
        not_judged = heard_in(stream.background(number), prompts, phrase_sets)
        events = tuple(event for event in scene.events if event.prompt in set(prompts) - not_judged)
        items.append(Item(str(number), Path(str(number)), events=events, not_judged=not_judged))
        scores[str(number)] = detector.score((waveform, bank.sample_rate), prompts)
    return score_table(items, scores), scores


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
