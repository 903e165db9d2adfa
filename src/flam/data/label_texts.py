"""Which texts are true of a sound, and which may be."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from flam.data.clip import Sound
from flam.data.phrases import PhraseSet, ancestors
from flam.data.texts import PADDING_ID, normalised, text_id


class LabelTexts:
    """Knows the texts of labels from phrase sets and from the captions of a library.

    True of a sound are its label, the phrases of its label and its own texts. It may also be described by a broader or
    narrower label or by what was said of another recording of the same label: such texts are unsure, neither true nor
    false.

    Parameters
    ----------
    phrase_sets : Mapping[str, PhraseSet]
        ways to say labels, as ``flam.data.phrases.load_phrases`` gives them
    label_captions : Mapping[str, Collection[str]]
        captions of recordings by label
    name_share : float, default 0.25
        how often a label is said by its own name

    Examples
    --------
    >>> bark = PhraseSet("bark", ("woof",), (), ("dog",))
    >>> texts = LabelTexts({"bark": bark, "dog": PhraseSet("dog", ("hound",), (), ())}, {})
    >>> sound = Sound("bark", ("a small dog",), ((0.0, 1.0),))
    >>> texts.true_texts(sound)
    ('bark', 'woof', 'a small dog')
    >>> texts.unsure_ids(sound) == {text_id("dog"), text_id("hound")}
    True
    """

    def __init__(
        self,
        phrase_sets: Mapping[str, PhraseSet],
        label_captions: Mapping[str, Collection[str]],
        name_share: float = 0.25,
    ):
        self._sets = dict(phrase_sets)
        self._name_share = name_share
        self._owners: dict[str, set[str]] = {}
        self._relatives: dict[str, set[str]] = {}
        for label, phrase_set in self._sets.items():
            for text in (label, *phrase_set.phrases):
                self._owners.setdefault(normalised(text), set()).add(label)
            for broader in ancestors(self._sets, label):
                self._relatives.setdefault(label, set()).add(broader)
                self._relatives.setdefault(broader, set()).add(label)
        self._caption_ids: dict[str, set[int]] = {}
        for label, captions in label_captions.items():
            self._caption_ids.setdefault(normalised(label), set()).update(map(text_id, captions))
        self._unsure: dict[str, frozenset[int]] = {}

    def true_texts(self, sound: Sound) -> tuple[str, ...]:
        """The texts that are true of a sound, its label first, none twice."""
        owner = self._owner(sound.label)
        phrases = () if owner is None else (owner, *self._sets[owner].phrases)
        unique: dict[int, str] = {}
        for text in (sound.label, *phrases, *sound.texts):
            unique.setdefault(text_id(text), text)
        unique.pop(PADDING_ID, None)
        return tuple(unique.values())

    def unsure_ids(self, sound: Sound) -> frozenset[int]:
        """Ids of the texts that may be true of a sound as well; some may be among its true ones."""
        label = normalised(sound.label)
        if label not in self._unsure:
            owners = self._owners.get(label, set())
            related = owners.union(*(self._relatives.get(owner, set()) for owner in owners))
            texts = related.union(*(self._sets[name].phrases for name in related if name in self._sets))
            self._unsure[label] = frozenset(map(text_id, texts)) | self._caption_ids.get(label, set())
        return self._unsure[label] - set(map(text_id, self.true_texts(sound)))

    def draw(self, sound: Sound, rng: np.random.Generator) -> str:
        """One text of a sound: its label with probability ``name_share``, else any of its true texts."""
        texts = self.true_texts(sound)
        return texts[0] if rng.random() < self._name_share else texts[int(rng.integers(len(texts)))]

    def _owner(self, label: str) -> str | None:
        """The one phrase set that a label belongs to, by its name or as one of its phrases."""
        owners = self._owners.get(normalised(label), set())
        named = {owner for owner in owners if normalised(owner) == normalised(label)}
        candidates = named or owners
        return next(iter(candidates)) if len(candidates) == 1 else None
