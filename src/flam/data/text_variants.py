"""Several ways to say each label, drawn anew in each step, and which labels may be true of each other's sounds."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import torch
from tokenizers import Tokenizer

from flam.data.phrases import PhraseSet
from flam.library.source_library import SourceClip
from flam.model.text import LightTextEncoder, TextTokens, tokenize

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


class TokenTable:
    """Texts encoded once; batches are then gathered by row number."""

    def __init__(self, tokenizer: Tokenizer, texts: Sequence[str], max_tokens: int = 24):
        self.texts = list(texts)
        self._tokens = tokenize(tokenizer, self.texts, max_tokens, LightTextEncoder.pad_id)

    def rows(self, rows: np.ndarray) -> TextTokens:
        """Tokens of the texts with these numbers, cut to the longest of them."""
        ids, mask = self._tokens.ids[rows], self._tokens.mask[rows]
        longest = int(mask.sum(dim=1).max())
        return TextTokens(ids[:, :longest], mask[:, :longest])


class TextVariants:
    """One text per name and step, drawn from all ways to say it.

    Parameters
    ----------
    names : Sequence[str]
        row k of everything belongs to name k, which is itself among its ways
    ways : Sequence[Collection[str]]
        texts of each name
    tokenizer : Tokenizer
        of the text tower
    """

    def __init__(self, names: Sequence[str], ways: Sequence[Collection[str]], tokenizer: Tokenizer):
        self.ways = [sorted({name, *texts}) for name, texts in zip(names, ways, strict=True)]
        self._table = TokenTable(tokenizer, [text for texts in self.ways for text in texts])
        self._starts = np.cumsum([0, *(len(texts) for texts in self.ways)])
        self._names = np.array(
            [start + texts.index(name) for start, texts, name in zip(self._starts, self.ways, names, strict=False)]
        )

    def draw(self, rng: np.random.Generator, name_share: float = 0.25) -> TextTokens:
        """Tokens of one text per name: the name itself with probability ``name_share``, else any of its ways."""
        chosen = self._starts[:-1] + rng.integers(np.diff(self._starts))
        chosen = np.where(rng.random(len(self._names)) < name_share, self._names, chosen)
        return self._table.rows(chosen)


class LabelVariants(TextVariants):
    """The ways to say each label: its own name, its phrases and its clips' captions.

    Parameters
    ----------
    labels : Sequence[str]
        the label list; row k of everything belongs to label k
    clips : Sequence[SourceClip]
        whose captions are used
    phrase_sets : Mapping[str, PhraseSet]
        ways to say labels; a label without one is said by its name and captions alone
    tokenizer : Tokenizer
        of the text tower
    withheld : Collection[str], default ()
        labels that are never trained, neither as right nor as wrong: new words for the model
    classes : Sequence[str] | None, optional
        what the teacher calls its classes, in the order of its scores; None where they are not to be trained

    Attributes
    ----------
    near_misses
        the ways to say what some label must not be taken for, labels and others
    near
        (K, M) bool tensor, True where near miss m must not match the sounds of label k
    near_label
        (M,) int tensor, the row of the label list that a near miss is, K for none
    """

    def __init__(
        self,
        labels: Sequence[str],
        clips: Sequence[SourceClip],
        phrase_sets: Mapping[str, PhraseSet],
        tokenizer: Tokenizer,
        withheld: Collection[str] = (),
        classes: Sequence[str] | None = None,
    ):
        self.labels = list(labels)
        ways: list[set[str]] = []
        captions: dict[str, set[str]] = {}
        for clip in clips:
            if clip.caption:
                captions.setdefault(clip.label, set()).add(clip.caption)
        for label in self.labels:
            ways.append({f"the sound of {label}", *_phrases(label, phrase_sets), *captions.get(label, ())})
        super().__init__(self.labels, ways, tokenizer)
        self.related = torch.from_numpy(related_labels(self.labels, phrase_sets))
        self.trained = torch.tensor([label not in withheld for label in self.labels])
        near = [set(phrase_sets[label].near_misses) if label in phrase_sets else set() for label in self.labels]
        names = sorted(set().union(*near) - set(withheld))
        self.near_misses = TextVariants(names, [_phrases(name, phrase_sets) for name in names], tokenizer)
        self.near = torch.tensor([[name in missed for name in names] for missed in near], dtype=torch.bool)
        row_of = {label: row for row, label in enumerate(self.labels)}
        self.near_label = torch.tensor([row_of.get(name, len(self.labels)) for name in names], dtype=torch.long)
        self.classes = None if classes is None else class_variants(classes, phrase_sets, tokenizer)


def class_variants(classes: Sequence[str], phrase_sets: Mapping[str, PhraseSet], tokenizer: Tokenizer) -> TextVariants:
    """The ways to say a tagger's classes, such as "Chicken, rooster": the name, its first part, phrases of either."""
    names = [name.replace("(", "").replace(")", "").lower() for name in classes]
    ways = []
    for name in names:
        said = {name, name.split(",")[0]}
        ways.append(said.union(*(_phrases(way, phrase_sets) for way in said)))
    return TextVariants(names, ways, tokenizer)


def _phrases(label: str, phrase_sets: Mapping[str, PhraseSet]) -> tuple[str, ...]:
    return phrase_sets[label].phrases if label in phrase_sets else ()


def related_labels(labels: Sequence[str], phrase_sets: Mapping[str, PhraseSet]) -> np.ndarray:
    """(K, K) bool array, True where label j may be true of a sound of label i, so that j is no wrong answer for it.

    Two labels are related where they share a telling word or one is the other's broader text, unless a phrase set
    names one as a near miss of the other.

    Examples
    --------
    >>> related_labels(["dog bark", "dog growl", "siren"], {}).astype(int).tolist()
    [[1, 1, 0], [1, 1, 0], [0, 0, 1]]
    """
    return np.stack([related_to(label, labels, phrase_sets) for label in labels]) | np.eye(len(labels), dtype=bool)


def related_to(label: str, labels: Sequence[str], phrase_sets: Mapping[str, PhraseSet]) -> np.ndarray:
    """(K,) bool array, the row of ``related_labels`` that belongs to one label, which need not be among the others."""
    words, parents, near = _words(label), _parents(label, phrase_sets), _near(label, phrase_sets)
    return np.array(
        [
            not (other in near or label in _near(other, phrase_sets))
            and (other in parents or label in _parents(other, phrase_sets) or bool(words & _words(other)))
            for other in labels
        ],
        dtype=bool,
    )


def _words(label: str) -> set[str]:
    return set(label.replace(",", "").split()) - GENERIC_WORDS


def _parents(label: str, phrase_sets: Mapping[str, PhraseSet]) -> tuple[str, ...]:
    return phrase_sets[label].parents if label in phrase_sets else ()


def _near(label: str, phrase_sets: Mapping[str, PhraseSet]) -> tuple[str, ...]:
    return phrase_sets[label].near_misses if label in phrase_sets else ()
