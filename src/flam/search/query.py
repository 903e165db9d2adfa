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
from flam.search.scores import cosines_of_scores


@dataclass(frozen=True, eq=False)
class Query:
    """One sound to find.

    Parameters
    ----------
    label : str
        The prompt, or the name of an example; what results are called by.
    texts : TextFeatures
        Vectors of length 1, scales and biases of the prompt and of other words for it; the highest score counts.
    rivals : TextFeatures
        Those of sounds that must not be mistaken for it: where one scores higher, the query scores 0; may be empty.
    method : {"unbiased", "approximate", "posterior"}
        Kind of score.
    rule : EventRule
        When scores make a span.
    """

    label: str
    texts: TextFeatures
    rivals: TextFeatures
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
