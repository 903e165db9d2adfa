"""Metrics of whole clips: retrieval and zero-shot classification.

Radford et al., "Learning transferable visual models from natural language supervision", ICML 2021, for the templates;
Elizalde et al., "CLAP: Learning audio concepts from natural language supervision", ICASSP 2023, for sounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

TEMPLATES = ("{}", "the sound of {}", "this is a sound of {}", "a recording of {}")


@dataclass(frozen=True)
class RetrievalScores:
    """How high the right answers stand.

    Parameters
    ----------
    recall_at_k : dict[int, float]
        share of queries with a right answer among the first k, by k
    map_at_10 : float
        mean over queries of the average precision among the first 10
    median_rank : float
        median over queries of the rank of the first right answer, 1 is the top
    n_queries : int
        queries
    """

    recall_at_k: dict[int, float]
    map_at_10: float
    median_rank: float
    n_queries: int


@dataclass(frozen=True)
class Retrieval:
    """Both ways: captions as queries for clips, clips as queries for captions."""

    text_to_audio: RetrievalScores
    audio_to_text: RetrievalScores


def retrieval(similarities: np.ndarray, clip_of_caption: np.ndarray, ks: tuple[int, ...] = (1, 5, 10)) -> Retrieval:
    """Rank clips for each caption and captions for each clip.

    The measures are those of Manning, Raghavan and Schütze, "Introduction to information retrieval", 2008, chapter 8.
    Among answers of equal similarity wrong ones stand first, so that a model that says the same of all finds nothing.
    Average precision at 10 is the sum of precisions at right answers within 10, over the lesser of 10 and the number
    of right answers.

    Parameters
    ----------
    similarities : np.ndarray
        (A, C) float array, finite
    clip_of_caption : np.ndarray
        (C,) int array, the right clip of each caption; every clip has at least one
    ks : tuple[int, ...], default (1, 5, 10)
        ranks at which recall is counted

    Raises
    ------
    ValueError
        similarities that are not finite, captions of other clips, clips without captions

    Examples
    --------
    >>> similarities = np.array([[0.9, 0.1, 0.3], [0.2, 0.4, 0.8]])
    >>> found = retrieval(similarities, np.array([0, 0, 1]))
    >>> found.text_to_audio.recall_at_k[1], found.audio_to_text.recall_at_k[1], found.audio_to_text.median_rank
    (0.6666666666666666, 1.0, 1.0)
    """
    n_clips = _check(similarities, clip_of_caption)
    is_right = clip_of_caption == np.arange(n_clips)[:, None]
    return Retrieval(_scores(similarities.T, is_right.T, ks), _scores(similarities, is_right, ks))


def _check(similarities: np.ndarray, clip_of_caption: np.ndarray) -> int:
    n_clips, n_captions = similarities.shape
    if not np.isfinite(similarities).all():
        raise ValueError(f"{int((~np.isfinite(similarities)).sum())} similarities are not finite; embed again")
    if clip_of_caption.shape != (n_captions,):
        raise ValueError(f"{n_captions} columns of similarities for clips of {len(clip_of_caption)} captions")
    missing = np.setdiff1d(np.arange(n_clips), clip_of_caption)
    additional = np.setdiff1d(clip_of_caption, np.arange(n_clips))
    if len(missing) or len(additional):
        raise ValueError(
            f"captions do not fit {n_clips} clips: clips without a caption {missing.tolist()[:5]}, captions of clips "
            f"that are not there {additional.tolist()[:5]}"
        )
    return n_clips


def _scores(similarities: np.ndarray, is_right: np.ndarray, ks: tuple[int, ...]) -> RetrievalScores:
    """Of (Q, N) similarities of queries and answers."""
    best, precision_10 = np.empty(len(similarities)), np.empty(len(similarities))
    for q, (row, right) in enumerate(zip(similarities, is_right, strict=True)):
        wrong = np.sort(row[~right])
        n_ahead = len(wrong) - np.searchsorted(wrong, np.sort(row[right])[::-1], side="left")
        ranks = n_ahead + np.arange(1, len(n_ahead) + 1)
        best[q] = ranks[0]
        precision_10[q] = (np.arange(1, len(ranks) + 1) / ranks)[ranks <= 10].sum() / min(10, len(ranks))
    return RetrievalScores(
        {k: float(np.mean(best <= k)) for k in ks}, float(precision_10.mean()), float(np.median(best)), len(best)
    )


@dataclass(frozen=True)
class ZeroShot:
    """Answers to one question: which class is it?

    Parameters
    ----------
    labels : tuple[str, ...]
        K class names
    confusion : np.ndarray
        (K, K) int array, clips by true class (row) and class named (column)
    """

    labels: tuple[str, ...]
    confusion: np.ndarray

    @property
    def accuracy(self) -> float:
        """Share of clips named rightly (top-1)."""
        return float(np.trace(self.confusion) / self.confusion.sum())

    @property
    def per_label(self) -> dict[str, float]:
        """Share of each class's clips named rightly; NaN for a class without clips."""
        sizes, right = self.confusion.sum(axis=1), np.diag(self.confusion)
        return {label: float(right[k] / sizes[k]) if sizes[k] else float("nan") for k, label in enumerate(self.labels)}


def zero_shot(similarities: np.ndarray, answers: Sequence[str], labels: Sequence[str]) -> ZeroShot:
    """Name each clip by its most similar class; the first of equally similar ones.

    Parameters
    ----------
    similarities : np.ndarray
        (N, K) float array, finite, of clips and classes
    answers : Sequence[str]
        N true class names
    labels : Sequence[str]
        K class names, in column order

    Raises
    ------
    ValueError
        shapes that do not fit, no clips, similarities that are not finite, answers that are no label

    Examples
    --------
    >>> similarities = np.array([[0.9, 0.1], [0.4, 0.2], [0.3, 0.7]])
    >>> named = zero_shot(similarities, ["dog", "cat", "cat"], ["dog", "cat"])
    >>> round(named.accuracy, 3), named.per_label, named.confusion.tolist()
    (0.667, {'dog': 1.0, 'cat': 0.5}, [[1, 0], [1, 1]])
    """
    if len(answers) == 0 or similarities.shape != (len(answers), len(labels)):
        raise ValueError(
            f"similarities of shape {similarities.shape} for {len(answers)} clips and {len(labels)} labels; "
            "each clip needs a row and each label a column"
        )
    if not np.isfinite(similarities).all():
        raise ValueError(f"{int((~np.isfinite(similarities)).sum())} similarities are not finite; embed again")
    column = {label: k for k, label in enumerate(labels)}
    unknown = sorted(set(answers) - column.keys())
    if unknown or len(column) < len(labels):
        raise ValueError(
            f"answers that are no label: {unknown[:5]}; labels given twice: "
            f"{sorted({label for label in labels if list(labels).count(label) > 1})[:5]}"
        )
    true = np.array([column[answer] for answer in answers])
    cells = true * len(labels) + similarities.argmax(axis=1)
    return ZeroShot(tuple(labels), np.bincount(cells, minlength=len(labels) ** 2).reshape(len(labels), len(labels)))


def fill_templates(labels: Sequence[str], templates: Sequence[str] = TEMPLATES) -> list[str]:
    """The texts of each label, one label after another; underscores of file names become spaces.

    Examples
    --------
    >>> fill_templates(["dog_bark", "siren"], ("{}", "the sound of {}"))
    ['dog bark', 'the sound of dog bark', 'siren', 'the sound of siren']
    """
    without = [template for template in templates if template.count("{}") != 1]
    if without or not templates:
        raise ValueError(f"templates {without} need one {{}} each, where the label goes; at least one template")
    return [template.replace("{}", label.replace("_", " ")) for label in labels for template in templates]


def average_templates(text_features: np.ndarray, n_templates: int) -> np.ndarray:
    """(K * n_templates, D) features of ``fill_templates`` to (K, D), one unit vector per label: their mean's direction.

    Examples
    --------
    >>> average_templates(np.array([[1.0, 0.0], [0.0, 1.0]]), 2).round(3).tolist()
    [[0.707, 0.707]]
    """
    if n_templates < 1 or len(text_features) % n_templates:
        raise ValueError(f"{len(text_features)} text features for {n_templates} templates each; they do not divide")
    means = text_features.reshape(-1, n_templates, text_features.shape[1]).mean(axis=1)
    return means / np.linalg.norm(means, axis=1, keepdims=True)
