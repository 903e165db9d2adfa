"""How well a finished model understands words: other ways to say a sound, and sounds that are nearly the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from flam.core import ConfigError, Event, TimeGrid, read_text
from flam.data.bank import WaveformBank
from flam.data.phrases import PhraseSet
from flam.detection.detector import Detector
from flam.evaluation.auroc import auroc
from flam.synth.source_library import SourceClip


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
            [
                grid.frame_labels([(e.onset_s, e.offset_s) for e in events if e.prompt == label], len(features))
                for features, events in scenes
            ]
        )
        if not truth.any():
            continue
        cosines = frames @ detector.embed_text([label, *ways]).text_features.cpu().numpy().T
        areas = [auroc(cosines[:, column], truth) for column in range(cosines.shape[1])]
        by_label.append(areas[0])
        by_other.append(float(np.mean(areas[1:])))
    return {
        "n_labels": len(by_label),
        "label_auroc": round(float(np.mean(by_label)), 4),
        "paraphrase_auroc": round(float(np.mean(by_other)), 4),
    }


def near_miss_figures(
    detector: Detector, clips: Sequence[SourceClip], bank: WaveformBank, phrase_sets: Mapping[str, PhraseSet]
) -> dict[str, Any]:
    """Share of (clip, near miss) pairs in which the clip is closer to its own label than to the near miss.

    Labels weigh alike, however many clips they have.
    """
    shares: dict[str, list[float]] = {}
    for clip in clips:
        near = phrase_sets[clip.label].near_misses if clip.label in phrase_sets else ()
        if not near or clip.kind == "background":
            continue
        features = detector.embed_audio((bank.waveform(clip.clip_id), bank.sample_rate))
        cosines = detector.embed_text([clip.label, *near]).text_features.cpu().numpy() @ features
        shares.setdefault(clip.label, []).append(float((cosines[0] > cosines[1:]).mean()))
    return {
        "n_clips": sum(len(values) for values in shares.values()),
        "n_labels": len(shares),
        "right_above_near_miss": round(float(np.mean([np.mean(values) for values in shares.values()])), 4),
    }
