"""From cosines to the scores of detection, and from a score back to the cosine that reaches it."""

from __future__ import annotations

import numpy as np

from flam.core import ScoreMethod
from flam.detection.backends.base import TextFeatures
from flam.detection.scores import score

ROUNDING = 6e-8


def highest_score(values: np.ndarray, texts: TextFeatures, method: ScoreMethod) -> np.ndarray:
    """The highest score that any of K texts has in each frame.

    Parameters
    ----------
    values : numpy.ndarray
        (T, X) float32 frames along the axes that are kept.
    texts : TextFeatures
        Of K texts, one at least, along the same axes.
    method : {"unbiased", "approximate", "posterior"}
        Kind of score.

    Returns
    -------
    numpy.ndarray
        (T,) float32.
    """
    return score(values, texts, method).max(axis=1)


def cosines_of_scores(scores: np.ndarray, texts: TextFeatures, method: ScoreMethod) -> np.ndarray:
    """The cosine at which each of K texts reaches a score.

    Parameters
    ----------
    scores : numpy.ndarray
        (K,) in [0, 1].
    texts : TextFeatures
        Of K texts.
    method : {"unbiased", "approximate", "posterior"}
        Kind of score.

    Returns
    -------
    numpy.ndarray
        (K,) float64; minus infinity for 0, infinity for a score that no cosine reaches.

    Examples
    --------
    >>> texts = TextFeatures(np.eye(1), np.array([10.0]), np.array([-8.0]))
    >>> cosines_of_scores(np.array([0.5]), texts, "posterior").round(4)
    array([0.8])
    """
    # scores are float32: one just below may round up to a threshold
    scores = np.asarray(scores, np.float64) - ROUNDING
    scale, bias = (np.asarray(part, np.float64) for part in texts[1:])
    with np.errstate(divide="ignore", invalid="ignore"):
        if method == "unbiased":
            # Eq. 7 of the paper solved for sigmoid(h)
            ratio = scores / (1 - scores)
            prior = 1 / (1 + np.exp(-bias))
            logits = np.where(ratio * prior < 1, _logit(np.minimum(ratio * prior, 1.0)), np.inf) - bias
        else:
            logits = _logit(scores) - (bias if method == "posterior" else 0.0)
        return np.where(scores <= 0, -np.inf, logits / scale)


def _logit(probability: np.ndarray) -> np.ndarray:
    return np.log(probability) - np.log1p(-probability)
