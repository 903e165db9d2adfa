"""Thresholds of single prompts: those that often fire where nothing sounds like them must be surer than the others."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from flam.core import Event, FrameScores
from flam.data.phrases import PhraseSet
from flam.detection.binarize import binarize
from flam.detection.config import PromptSettings
from flam.detection.detector import Detector
from flam.library.bank import WaveformBank
from flam.library.source_library import SourceClip
from flam.scenes.plan import SceneDrawer
from flam.scenes.render import Renderer
from flam.training.mini.judgement import JUDGED_SCENES, heard_in
from flam.training.mini.texts import related_labels


def prompt_thresholds(
    detector: Detector,
    clips: Sequence[SourceClip],
    bank: WaveformBank,
    phrase_sets: Mapping[str, PhraseSet],
    prompts: Sequence[str],
    thresholds: Sequence[float] = (0.99, 0.994, 0.995, 0.996, 0.997),
    most_false_per_minute: float = 0.06,
    n_scenes: int = 120,
    seed: int = 7,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, PromptSettings]:
    """The lowest threshold at which each prompt has few enough false alarms, for prompts that need a higher one.

    Scenes are those of the judgement, from training clips. What sounds in a scene, what is related to it and what its
    background may hold is no false alarm. A prompt for which the higher threshold would cost more sounds than it spares
    false alarms keeps the detector's own.

    Parameters
    ----------
    clips : training clips alone; the figures of a model are measured on others
    thresholds : to choose from, rising; the highest is taken where even that is not enough
    most_false_per_minute : of each prompt; 50 prompts together then have 3
    """
    drawer, by_id = SceneDrawer(clips, bank, JUDGED_SCENES), {clip.clip_id: clip for clip in clips}
    renderer = Renderer(bank, {clip.clip_id: clip.label for clip in clips})
    labels = sorted({clip.label for clip in clips if clip.label})
    related = related_labels([*prompts, *labels], phrase_sets)[: len(prompts), len(prompts) :]
    fulfilled_by = {
        label: {prompt for prompt, is_related in zip(prompts, related[:, row], strict=True) if is_related}
        for row, label in enumerate(labels)
    }
    n_false, n_found = (np.zeros((len(thresholds), len(prompts))) for _ in range(2))
    minutes = np.zeros(len(prompts))
    for index in range(n_scenes):
        plan = drawer.draw(seed, index)
        scene = renderer.render(plan)
        scores = detector.score((scene.waveform, bank.sample_rate), prompts)
        background = None if plan.background is None else by_id[plan.background.clip_id]
        present = {by_id[placement.clip_id].label for placement in plan.events}
        expected = heard_in(background, prompts, phrase_sets).union(
            *(fulfilled_by.get(label, ()) for label in present), present
        )
        judged = [column for column, prompt in enumerate(prompts) if prompt not in expected]
        minutes[judged] += scores.end_s / 60
        for row, threshold in enumerate(thresholds):
            for event in _events(detector, scores, threshold):
                n_false[row, prompts.index(event.prompt)] += event.prompt not in expected
                n_found[row, prompts.index(event.prompt)] += event.prompt in present
        progress(index + 1, n_scenes)
    few = n_false <= most_false_per_minute * minutes
    few[-1] = True
    chosen, columns = few.argmax(axis=0), np.arange(len(prompts))
    own = min(int(np.searchsorted(thresholds, detector.config.threshold)), len(thresholds) - 1)
    spared, lost = (counts[own] - counts[chosen, columns] for counts in (n_false, n_found))
    return {
        prompt: PromptSettings(threshold=thresholds[row])
        for prompt, row, pays in zip(prompts, chosen.tolist(), (spared >= lost).tolist(), strict=True)
        if thresholds[row] > detector.config.threshold and pays
    }


def _events(detector: Detector, scores: FrameScores, threshold: float) -> list[Event]:
    return list(binarize([scores], dataclasses.replace(detector.config, threshold=threshold, prompts={})))
