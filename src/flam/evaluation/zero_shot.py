"""Naming clips by the nearest of class texts that the model was never trained to tell apart.

Radford et al., "Learning transferable visual models from natural language supervision", ICML 2021, for the templates;
Elizalde et al., "CLAP: Learning audio concepts from natural language supervision", ICASSP 2023, for sounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

TEMPLATES = ("{}", "the sound of {}", "this is a sound of {}", "a recording of {}")


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
