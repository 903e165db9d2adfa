"""Labels: which texts are true of a sound, and of each frame of a clip."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from flam.core import TimeGrid
from flam.data.clip import Sound
from flam.data.phrases import PhraseSet, ancestors
from flam.losses import FrameLabels

PADDING_ID = -1
ClipSounds = Sequence[Sound] | None


def normalised(text: str) -> str:
    """Lower case, with single spaces.

    Examples
    --------
    >>> normalised("  A Dog\\n barks ")
    'a dog barks'
    """
    return " ".join(text.lower().split())


@lru_cache(maxsize=1 << 16)  # phrases are asked for in every batch
def text_id(text: str) -> int:
    """Number of a text, 0 or greater, below 2**63: equal for texts that are equal once normalised; -1 for no text.

    Examples
    --------
    >>> text_id("A dog  barks") == text_id("a dog barks"), text_id(" ")
    (True, -1)
    """
    words = normalised(text)
    if not words:
        return PADDING_ID
    return int.from_bytes(hashlib.blake2b(words.encode(), digest_size=8).digest(), "big") >> 1


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


def label_frames(clips: Sequence[ClipSounds], texts: LabelTexts, grid: TimeGrid, n_frames: int) -> FrameLabels:
    """Everything that is known of the clips, against any text.

    A frame is active where a sound covers at least half of it, see ``TimeGrid.frame_labels``. A clip in which a text is
    both true of one sound and unsure of another counts as true.

    Parameters
    ----------
    clips : Sequence[ClipSounds]
        the sounds of B clips; None for a clip that can't be read
    texts : LabelTexts
        which texts are true of a sound, and which may be
    grid : TimeGrid
        the frames, T of them
    n_frames : int
        the frames, T of them

    Examples
    --------
    >>> labels = label_frames([[Sound("siren", (), ((0.0, 0.6),))], None], LabelTexts({}, {}), TimeGrid(10, 10), 2)
    >>> labels.clip.tolist(), labels.active.tolist(), labels.clip_valid.tolist()
    ([0], [[True, False]], [True, False])
    """
    rows: list[tuple[int, int]] = []
    active: list[np.ndarray] = []
    unsure: list[tuple[int, int]] = []
    for row, sounds in enumerate(clips):
        true: dict[int, np.ndarray] = {}
        doubtful: set[int] = set()
        for sound in sounds or ():
            frames = grid.frame_labels(sound.spans_s, n_frames)
            for text in texts.true_texts(sound):
                number = text_id(text)
                true[number] = true[number] | frames if number in true else frames
            doubtful |= texts.unsure_ids(sound)
        rows += [(row, number) for number in true]
        active += true.values()
        unsure += [(row, number) for number in sorted(doubtful - true.keys())]
    return FrameLabels(
        *_columns(rows),
        torch.from_numpy(np.stack(active)) if active else torch.zeros(0, n_frames, dtype=torch.bool),
        *_columns(unsure),
        torch.tensor([sounds is not None for sounds in clips], dtype=torch.bool),
    )


def choose_texts(
    clips: Sequence[ClipSounds], texts: LabelTexts, per_clip: int, rngs: Sequence[np.random.Generator]
) -> tuple[list[str], Tensor]:
    """The texts to ask for: one for each of up to ``per_clip`` sounds of every clip, clip by clip, none twice.

    Parameters
    ----------
    clips : Sequence[ClipSounds]
        the sounds of B clips; None for a clip that can't be read
    texts : LabelTexts
        texts of each sound
    per_clip : int
        texts drawn for a clip at most
    rngs : Sequence[np.random.Generator]
        one for each clip, so that what is drawn for a clip does not depend on the others

    Returns
    -------
    tuple[list[str], Tensor]
        K = B * per_clip texts, the unused ones "", and their (K,) int64 ids
    """
    chosen: dict[int, str] = {}
    for sounds, rng in zip(clips, rngs, strict=True):
        by_label = {sound.label: sound for sound in sounds or ()}
        candidates = [by_label[label] for label in sorted(by_label)]
        for pick in rng.permutation(len(candidates))[:per_clip]:
            text = texts.draw(candidates[pick], rng)
            chosen.setdefault(text_id(text), text)
    n_empty = len(clips) * per_clip - len(chosen)
    return [*chosen.values(), *[""] * n_empty], torch.tensor([*chosen, *[PADDING_ID] * n_empty], dtype=torch.int64)


def _columns(pairs: Sequence[tuple[int, int]]) -> tuple[Tensor, Tensor]:
    columns = torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2)
    return columns[:, 0], columns[:, 1]
