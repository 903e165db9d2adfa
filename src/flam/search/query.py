"""What is searched for, settled to numbers: vectors, how their cosines become scores, and when scores make a span."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from flam.core import ScoreMethod
from flam.detection import DetectionConfig
from flam.detection.backends.base import TextFeatures
from flam.detection.config import EventRule
from flam.detection.prompt_file import PromptList
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


@dataclass(frozen=True, eq=False)
class Query:
    """One sound to find.

    Parameters
    ----------
    label : str
        The prompt, or the name of an example; what results are called by.
    texts : TextFeatures
        Vectors of length 1, scales and biases of the prompt and of other words for it; the highest score counts.
    suppress : TextFeatures
        Those of sounds that must not be mistaken for it: where one scores higher, the query scores 0; may be empty.
    method : {"unbiased", "approximate", "posterior"}
        Kind of score.
    rule : EventRule
        When scores make a span.
    """

    label: str
    texts: TextFeatures
    suppress: TextFeatures
    method: ScoreMethod
    rule: EventRule

    @property
    def min_cosines(self) -> np.ndarray:
        """The cosine at which a frame reaches the threshold, for each of the vectors."""
        thresholds = np.full(len(self.texts.logit_bias), self.rule.threshold)
        return cosines_of_scores(thresholds, self.texts, self.method)

    def with_threshold(self, threshold: float) -> Query:
        """The query with another threshold, the low one in the same proportion."""
        low = self.rule.low_threshold / self.rule.threshold * threshold
        return replace(self, rule=replace(self.rule, threshold=threshold, low_threshold=low))


def prompt_queries(
    prompts: PromptList,
    suppress: Sequence[str],
    embed_text: Callable[[Sequence[str]], TextFeatures],
    config: DetectionConfig,
) -> list[Query]:
    """Queries of prompts, to be found as ``detect`` finds them.

    Parameters
    ----------
    prompts : PromptList
        Prompts with other words for them and sounds that must not be mistaken for them.
    suppress : sequence of str
        Sounds that must not be mistaken for any of them.
    embed_text : callable
        Of the archive's model.
    config : DetectionConfig
        Thresholds and durations.
    """
    return [
        Query(
            entry.prompt,
            as_arrays(embed_text(list(entry.texts))),
            as_arrays(embed_text([*suppress, *entry.negatives])),
            config.score,
            config.rule(entry.prompt),
        )
        for entry in prompts.prompts
    ]


def as_arrays(texts: TextFeatures) -> TextFeatures:
    """What a model says of texts, in float32."""
    return TextFeatures(*(np.asarray(part, np.float32) for part in texts))
