"""The texts of a training run: several ways to say each label, and which labels may be true of each other's sounds."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import torch
from tokenizers import Tokenizer

from flam.data.phrases import PhraseSet
from flam.model.text import TextTokens
from flam.synth.source_library import SourceClip
from flam.training.mini.text_pretraining import TokenTable

GENERIC_WORDS = {
    "sound",
    "noise",
    "hit",
    "game",
    "video",
    "creature",
    "the",
    "of",
    "a",
    "and",
    "in",
    "on",
    "breaking",
    "falling",
}


class LabelTexts:
    """One text per label and step, drawn from the label's own name, its phrases and its clips' captions.

    Parameters
    ----------
    labels : the label list; row k of everything belongs to label k
    clips : whose captions are used
    phrase_sets : ways to say labels; a label without one is said by its name and captions alone
    tokenizer : of the text tower
    withheld : labels that are never trained, neither as right nor as wrong: new words for the model
    """

    def __init__(
        self,
        labels: Sequence[str],
        clips: Sequence[SourceClip],
        phrase_sets: Mapping[str, PhraseSet],
        tokenizer: Tokenizer,
        withheld: Collection[str] = (),
    ):
        self.labels = list(labels)
        ways: list[list[str]] = []
        captions: dict[str, set[str]] = {}
        for clip in clips:
            if clip.caption:
                captions.setdefault(clip.label, set()).add(clip.caption)
        for label in self.labels:
            phrases = phrase_sets[label].phrases if label in phrase_sets else ()
            ways.append(sorted({label, f"the sound of {label}", *phrases, *captions.get(label, ())}))
        self.ways = ways
        self._table = TokenTable(tokenizer, [text for texts in ways for text in texts])
        self._starts = np.cumsum([0, *(len(texts) for texts in ways)])
        self._names = np.array(
            [start + texts.index(label) for start, texts, label in zip(self._starts, ways, self.labels, strict=False)]
        )
        self.related = torch.from_numpy(related_labels(self.labels, phrase_sets))
        self.trained = torch.tensor([label not in withheld for label in self.labels])

    def draw(self, rng: np.random.Generator, name_share: float = 0.25) -> TextTokens:
        """Tokens of one text per label: the label itself with probability ``name_share``, else any of its texts."""
        chosen = self._starts[:-1] + rng.integers(np.diff(self._starts))
        chosen = np.where(rng.random(len(self.labels)) < name_share, self._names, chosen)
        return self._table.rows(chosen)


def related_labels(labels: Sequence[str], phrase_sets: Mapping[str, PhraseSet]) -> np.ndarray:
    """(K, K) bool array, True where label j may be true of a sound of label i, so that j is no wrong answer for it.

    Two labels are related where they share a telling word or one is the other's broader text, unless a phrase set
    names one as a near miss of the other.

    >>> related_labels(["dog bark", "dog growl", "siren"], {}).astype(int).tolist()
    [[1, 1, 0], [1, 1, 0], [0, 0, 1]]
    """
    words = [set(label.replace(",", "").split()) - GENERIC_WORDS for label in labels]
    parents = [set(phrase_sets[label].parents) if label in phrase_sets else set() for label in labels]
    near = [set(phrase_sets[label].near_misses) if label in phrase_sets else set() for label in labels]
    related = np.eye(len(labels), dtype=bool)
    for i, first in enumerate(labels):
        for j, second in enumerate(labels):
            is_near_miss = second in near[i] or first in near[j]
            is_family = second in parents[i] or first in parents[j]
            related[i, j] |= not is_near_miss and (is_family or bool(words[i] & words[j]))
    return related
