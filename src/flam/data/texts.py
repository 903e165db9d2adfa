"""Texts for labels: pairs that mean the same, and several ways to say a label, drawn anew in each step."""

from __future__ import annotations

import gzip
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

from flam.core import ConfigError, read_text
from flam.data.phrases import PhraseSet, related_to
from flam.library.source_library import SourceClip
from flam.model.text import LightTextEncoder, TextTokens, tokenize

# of places, people, manners and recordings
_FILLERS = (
    "in the background|in the distance|nearby|far away|outside|inside|outdoors|indoors|at night|in the morning|"
    "in a room|in a house|in the kitchen|in a shop|in a garage|in a large hall|in the street|in the city|in the garden|"
    "in a park|in a field|in the woods|on a hill|on the road|by the river|at the coast|at home|next door|from above|"
    "behind a wall|through a window|somewhere|here|there|on the left|"
    "somebody|someone|a man|a woman|a child|people|two people|his|her|it|he|she|they|"
    "loudly|softly|quietly|slowly|quickly|suddenly|again and again|repeatedly|several times|once|twice|for a while|"
    "then stops|starts|begins|goes on|happens|passes by|comes closer|and goes|is heard|can be heard|we hear|muffled|"
    "clear|with echo|with reverb|big|small|little|old|new|very|loud|quiet|soft|heavy|light|short|long|single|many|some|"
    "a lot of|one|three|various|continuous|constant|intermittent|low|high|deep|"
    "recording of|sound of|the noise of|sounds like|close up|high quality|stereo|field recording|sound effect|recorded|"
    "is|are|being|was|with|and|of|the|a|an"
)
FILLERS = tuple(_FILLERS.split("|"))


def reworded(text: str, rng: np.random.Generator, drop_share: float = 0.1, filled_share: float = 0.3) -> str:
    """A text, its words left out at ``drop_share`` but never all, and at ``filled_share`` one or two fillers more.

    The tower does not see the order of words, so fillers go to the end.

    Examples
    --------
    >>> reworded("a dog barks", np.random.default_rng(0), drop_share=0.0, filled_share=1.0)
    'a dog barks low'
    """
    words = text.split()
    kept = [word for word in words if rng.random() >= drop_share] or words
    if rng.random() < filled_share:
        kept += [str(filler) for filler in rng.choice(FILLERS, size=rng.integers(1, 3))]
    return " ".join(kept)


def read_pairs(path: str | Path) -> list[tuple[str, str]]:
    """Pairs of texts from a tab-separated file, gzipped or not: the first two columns of each line.

    Raises
    ------
    ConfigError
        the file can't be read or a line has fewer than two columns
    """
    opener = gzip.open if str(path).endswith(".gz") else open
    pairs = []
    try:
        with opener(path, "rt", encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                columns = line.rstrip("\n").split("\t")
                if len(columns) < 2:
                    raise ConfigError(f"{path}, line {number}: {line!r} has no second column")
                pairs.append((columns[0], columns[1]))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: can't be read as pairs of texts ({error})") from error
    return pairs


def ontology_pairs(path: str | Path) -> list[tuple[str, str]]:
    """Pairs from an ontology in the form of AudioSet's JSON: name and description, name and its parts, kind and parent.

    Raises
    ------
    ConfigError
        the file can't be read or lacks a key
    """
    try:
        kinds = {kind["id"]: kind for kind in json.loads(read_text(path, ConfigError))}
        pairs = []
        for kind in kinds.values():
            name = _plain(kind["name"])
            pairs += [(name, sentence.strip(" .")[:200]) for sentence in kind["description"].split(". ")]
            first, *others = (part.strip() for part in name.split(","))
            pairs += [pair for other in others for pair in ((first, other), (name, other))]
            if "abstract" not in kind["restrictions"]:
                pairs += [(_plain(kinds[child]["name"]), name) for child in kind["child_ids"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path}: not an ontology like AudioSet's: {type(error).__name__} {error}") from error
    return [pair for pair in pairs if all(pair)]


def _plain(name: str) -> str:
    return name.replace("(", "").replace(")", "").lower()


class TokenizedTexts:
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
        self._table = TokenizedTexts(tokenizer, [text for texts in self.ways for text in texts])
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
