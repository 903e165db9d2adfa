"""How well a system understands words: other ways to say a sound, and sounds that are nearly the same."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from flam.benchmark.benchmark import Item, OtherTexts
from flam.benchmark.metrics import METRICS, Figure
from flam.benchmark.results import Result, figure_of, score_table, wilson
from flam.core import FrameScores
from flam.evaluation.auroc import frame_auroc

TRAINING_CLIPS = (1, 5, 15)  # of a label: from so many on, a group of its own


def paraphrase_result(items: Sequence[Item], scores: Mapping[str, FrameScores], texts: OtherTexts) -> Result:
    """Judge frame scores of labels and of other words for them; labels that never sound don't count.

    Parameters
    ----------
    items, scores
        As of ``frame_result``; the scores are of labels and of all other words.
    texts : OtherTexts
        Label to other words for it.

    Examples
    --------
    >>> from flam.core import Event, TimeGrid
    >>> from pathlib import Path
    >>> items = [Item("a", Path("a.wav"), 2.0, (Event(1.0, 2.0, "dog"),))]
    >>> both = FrameScores(np.array([[0.2, 0.9], [0.9, 0.3]], np.float32), ("dog", "hound"), TimeGrid(10, 10), 0, 20)
    >>> figures = paraphrase_result(items, {"a": both}, OtherTexts({"dog": ("hound",)})).figures
    >>> figures["label_auroc"].value, figures["paraphrase_auroc"].value
    (1.0, 0.0)
    """
    named = [
        replace(
            item,
            events=tuple(
                replace(event, prompt=text)
                for event in item.events
                for text in (event.prompt, *texts.of_label.get(event.prompt, ()))
            ),
            not_judged=item.not_judged.union(*(texts.of_label.get(label, ()) for label in item.not_judged)),
        )
        for item in items
    ]
    area = frame_auroc(score_table(named, scores))
    sounding = {label: ways for label, ways in texts.of_label.items() if label not in area.left_out}
    figures = {
        "label_auroc": figure_of(area.of_groups([[label] for label in sounding])),
        "paraphrase_auroc": figure_of(area.of_groups(list(sounding.values()))),
    }
    per_prompt = {label: figure_of(area.of_groups([ways])) for label, ways in sounding.items()}
    n_texts = sum(map(len, sounding.values()))
    notes = (f"{len(sounding)} of {len(texts.of_label)} labels sound here, with {n_texts} other texts",)
    return Result(figures, per_prompt, notes)


def near_miss_result(
    items: Sequence[Item], audio_features: np.ndarray, text_features: Mapping[str, np.ndarray], texts: OtherTexts
) -> Result:
    """Share of pairs of a clip and a near miss in which the clip is closer to its own label.

    Over all pairs, over labels weighed alike, and by how many clips of their label training may hear.

    Parameters
    ----------
    items : Sequence[Item]
        Clips, whose ``prompt`` is their label.
    audio_features : np.ndarray
        (A, D) float array, of the clips.
    text_features : Mapping[str, np.ndarray]
        Text to (D,) vector, of labels and near misses.
    texts : OtherTexts
        Label to its near misses.
    """
    right: dict[str, list[np.ndarray]] = {}
    for item, features in zip(items, audio_features, strict=True):
        others = np.stack([text_features[text] for text in texts.of_label[item.prompt]])
        right.setdefault(item.prompt, []).append(text_features[item.prompt] @ features > others @ features)
    pairs = {label: np.concatenate(each) for label, each in right.items()}
    n_clips = [texts.n_training_clips.get(label, 0) for label in pairs]
    group = np.searchsorted(TRAINING_CLIPS, n_clips, side="right")
    groups = [
        [each for each, own in zip(pairs.values(), group, strict=True) if own == number]
        for number in range(len(TRAINING_CLIPS) + 1)
    ]
    shares = [
        float(np.concatenate(list(pairs.values())).mean()),
        float(np.mean([each.mean() for each in pairs.values()])),
        *(float(np.concatenate(each).mean()) if each else math.nan for each in groups),
    ]
    figures = {metric.key: Figure(share) for metric, share in zip(METRICS["near misses"], shares, strict=True)}
    sizes = ", ".join(str(sum(map(len, each))) for each in groups)
    notes = (f"{sum(map(len, pairs.values()))} pairs of {len(pairs)} labels; by number of training clips: {sizes}",)
    per_prompt = {label: wilson(int(each.sum()), len(each)) for label, each in pairs.items()}
    return Result(figures, per_prompt, notes)
