"""What is asked of recordings: prompts with their features, and the operating point that they have together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flam.core import ModelError
from flam.detection.backends.base import TextFeatures
from flam.detection.config import DetectionConfig
from flam.detection.operating_point import operating_point
from flam.detection.prompt_file import PromptList

# Plain texts, or what a prompts file says of each: alternatives, negatives, thresholds and fitted probabilities.
Prompts = Sequence[str] | PromptList
Embed = Callable[[Sequence[str]], TextFeatures]


@dataclass(frozen=True, eq=False)
class Question:
    """Prompts that are ready to be found in any number of recordings.

    Parameters
    ----------
    prompts : sequence of str or PromptList
        What to find; of a list with alternatives and negatives the scores of all its texts are made and combined.
    suppress : tuple of str
        Texts that suppress them.
    texts, suppress_texts : TextFeatures
        Features of the texts of the prompts and of ``suppress``.
    config : DetectionConfig
        Kind of score, silence, and how scores become events.
    """

    prompts: Prompts
    suppress: tuple[str, ...]
    texts: TextFeatures
    suppress_texts: TextFeatures
    config: DetectionConfig


def ask(embed: Embed, prompts: Prompts, suppress: Sequence[str], config: DetectionConfig) -> Question:
    """Embed prompts and settle their operating point.

    Raises
    ------
    ModelError
        An empty prompt, one string instead of several, or a prompt that is suppressed as well.
    """
    scored = prompts.texts if isinstance(prompts, PromptList) else prompts
    texts, suppress_texts = embed(scored), embed(suppress)
    for prompt in scored:
        if prompt in suppress:
            raise ModelError(f"prompt {prompt!r} is asked for and suppressed; take it out of one of the two")
    return Question(prompts, tuple(suppress), texts, suppress_texts, settled(embed, prompts, config))


def settled(embed: Embed, prompts: Prompts, config: DetectionConfig) -> DetectionConfig:
    """Settle thresholds and smoothing for these prompts together, see ``flam.detection.operating_point``."""
    if isinstance(prompts, PromptList):
        config, prompts = prompts.configure(config), prompts.names
    return operating_point(config, prompts, lambda texts: embed(texts).text_features)
