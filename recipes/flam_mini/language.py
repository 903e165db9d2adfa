"""How well a finished model understands words: other ways to say a sound, and sounds that are nearly the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from flam.core import ConfigError, Event, TimeGrid, read_text, spans_by_prompt
from flam.data.phrases import PhraseSet
from flam.detection.detector import Detector
from flam.evaluation.auroc import auroc
from flam.library.bank import WaveformBank
from flam.library.source_library import SourceClip

TRAINING_CLIPS = (1, 5, 15)  # from so many on, a group of its own


def read_paraphrases(path: str | Path) -> dict[str, list[str]]:
    """Label to other ways of saying it, from a YAML mapping of lists.

    Raises
    ------
    ConfigError : not such a mapping
    """
    texts = yaml.safe_load(read_text(path, ConfigError))
    if not isinstance(texts, dict) or not all(isinstance(ways, list) and ways for ways in texts.values()):
        raise ConfigError(f"{path}: must map each label to a list of texts")
    return texts


def paraphrase_figures(
    scenes: Sequence[tuple[np.ndarray, Sequence[Event]]],
    detector: Detector,
    grid: TimeGrid,
    paraphrases: Mapping[str, Sequence[str]],
) -> dict[str, float]:
    """Frame AUROC when sounds are asked for by their labels, and by other words; labels that never sound don't count.

    Parameters
    ----------
    scenes : (T, D) frame features and the events of each
    paraphrases : label to other ways of saying it
    """
    frames = np.concatenate([features for features, _ in scenes])
    by_label, by_other = [], []
    for label, ways in paraphrases.items():
        truth = np.concatenate(
            [grid.frame_labels(spans_by_prompt(events).get(label, ()), len(features)) for features, events in scenes]
        )
        if not truth.any():
            continue
        cosines = frames @ np.asarray(detector.embed_text([label, *ways]).text_features).T
        areas = [auroc(cosines[:, column], truth) for column in range(cosines.shape[1])]
        by_label.append(areas[0])
        by_other.append(float(np.mean(areas[1:])))
    return {
        "n_labels": len(by_label),
        "label_auroc": round(float(np.mean(by_label)), 4),
        "paraphrase_auroc": round(float(np.mean(by_other)), 4),
    }


def near_miss_figures(
    detector: Detector,
    clips: Sequence[SourceClip],
    bank: WaveformBank,
    phrase_sets: Mapping[str, PhraseSet],
    n_trained: Mapping[str, int],
) -> dict[str, Any]:
    """Share of (clip, near miss) pairs in which the clip is closer to its own label than to the near miss.

    Over all pairs, over labels weighed alike however many clips they have, and over pairs by how many clips of their
    label the model was trained on.

    Parameters
    ----------
    clips : held-out clips
    n_trained : label to number of training clips; a label that is not there has none
    """
    labels: list[str] = []
    right: list[np.ndarray] = []
    for clip in clips:
        near = phrase_sets[clip.label].near_misses if clip.label in phrase_sets else ()
        if not near or clip.kind == "background":
            continue
        features = detector.embed_audio((bank.waveform(clip.clip_id), bank.sample_rate))
        cosines = np.asarray(detector.embed_text([clip.label, *near]).text_features) @ features
        labels.append(clip.label)
        right.append(cosines[0] > cosines[1:])
    by_label = [
        np.mean([each.mean() for each, name in zip(right, labels, strict=True) if name == label])
        for label in set(labels)
    ]
    groups = np.searchsorted(TRAINING_CLIPS, [n_trained.get(label, 0) for label in labels], side="right")
    by_training_clips = []
    for group, least in enumerate((0, *TRAINING_CLIPS)):
        chosen = [right[place] for place in np.flatnonzero(groups == group)]
        if chosen:
            pairs = np.concatenate(chosen)
            by_training_clips.append({"from": least, "n_pairs": len(pairs), "right": round(float(pairs.mean()), 4)})
    return {
        "n_clips": len(labels),
        "n_labels": len(by_label),
        "n_pairs": sum(len(each) for each in right),
        "right_above_near_miss": round(float(np.concatenate(right).mean()), 4),
        "labels_weighed_alike": round(float(np.mean(by_label)), 4),
        "by_training_clips": by_training_clips,
    }
