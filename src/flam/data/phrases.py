"""Phrase sets: how people say each sound, which sounds it must not match, and which broader words also fit it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from flam.core import ConfigError, from_mapping, parse_yaml, read_text
from flam.library.source_library import SourceClip

MAX_PHRASE_WORDS = 13
# words that two labels may share without being alike
GENERIC_WORDS = frozenset(
    ("sound", "noise", "hit", "game", "video", "creature", "the", "of", "a", "and", "in", "on", "breaking", "falling")
)


@dataclass(frozen=True)
class PhraseSet:
    """The texts of one sound class.

    Parameters
    ----------
    label : str
        the class name, itself a text of the class
    phrases : tuple[str, ...]
        further texts that mean the same sound
    near_misses : tuple[str, ...]
        labels of similar sounds that must not match
    parents : tuple[str, ...]
        broader texts that are correct too; some are labels
    """

    label: str
    phrases: tuple[str, ...]
    near_misses: tuple[str, ...]
    parents: tuple[str, ...]


@dataclass(frozen=True)
class _Entry:
    phrases: tuple[str, ...]
    near: tuple[str, ...]
    parents: tuple[str, ...]


def load_phrases(folder: str | Path) -> dict[str, PhraseSet]:
    """Read every ``*.yaml`` of a folder into phrase sets that do not contradict each other.

    Parameters
    ----------
    folder : str | Path
        each file maps labels to ``phrases``, ``near`` (labels of any of the files) and ``parents``

    Returns
    -------
    dict[str, PhraseSet]
        dict of label to PhraseSet, in the order of file names and of the lines within

    Raises
    ------
    ConfigError
        no files, not YAML, a label, key or phrase that does not fit, or two labels claiming one text

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "bells.yaml").write_text(
    ...     "gong: {phrases: [gong hit], near: [doorbell], parents: [percussion]}\\n"
    ...     "doorbell: {phrases: [ding-dong], near: [gong], parents: []}\\n"
    ... )
    >>> load_phrases(folder)["gong"].phrases
    ('gong hit',)
    """
    paths = sorted(Path(folder).glob("*.yaml"))
    if not paths:
        raise ConfigError(f"{folder}: holds no *.yaml phrase file; name the folder of the phrase files")
    sets: dict[str, PhraseSet] = {}
    origins: dict[str, Path] = {}
    for path in paths:
        for label, mapping in _read(path).items():
            if not isinstance(label, str):
                raise ConfigError(f"{path}: label {label!r} is not text; put it in quotes")
            if label in sets:
                raise ConfigError(f"{path}: label {label!r} is already in {origins[label]}; keep one of the two")
            entry = from_mapping(_Entry, mapping, f"{path}: {label}")
            sets[label] = PhraseSet(label, entry.phrases, entry.near, entry.parents)
            origins[label] = path
    for label, problem in _problems(sets):
        raise ConfigError(f"{origins[label]}: {label}: {problem}")
    return sets


def ancestors(sets: dict[str, PhraseSet], label: str) -> frozenset[str]:
    """Every broader text of a label: its parents, their parents, and so on.

    Examples
    --------
    >>> sets = {
    ...     "dog": PhraseSet("dog", ("hound",), (), ("animal",)),
    ...     "bark": PhraseSet("bark", ("woof",), (), ("dog",)),
    ... }
    >>> sorted(ancestors(sets, "bark"))
    ['animal', 'dog']
    """
    found: set[str] = set()
    waiting = list(sets[label].parents)
    while waiting:
        text = waiting.pop()
        if text not in found:
            found.add(text)
            waiting.extend(sets[text].parents if text in sets else ())
    return frozenset(found)


def related_to(label: str, labels: Sequence[str], phrase_sets: Mapping[str, PhraseSet]) -> np.ndarray:
    """Find the labels that may be true of a sound of one label, which need not be among them.

    Two labels are related where they share a telling word or one is the other's broader text, unless a phrase set
    names one as a near miss of the other.

    Returns
    -------
    np.ndarray
        (K,) bool array

    Examples
    --------
    >>> related_to("dog bark", ["dog bark", "dog growl", "siren"], {}).tolist()
    [True, True, False]
    """
    words, parents, near = _words(label), _parents(label, phrase_sets), _near(label, phrase_sets)
    return np.array(
        [
            not (other in near or label in _near(other, phrase_sets))
            and (other in parents or label in _parents(other, phrase_sets) or bool(words & _words(other)))
            for other in labels
        ],
        dtype=bool,
    )


def heard_in(
    background: SourceClip | None, prompts: Sequence[str], phrase_sets: Mapping[str, PhraseSet]
) -> frozenset[str]:
    """Find the prompts that a background may fulfil, so that nobody can say whether a detection in it is wrong.

    They are its label, what is related to it, and what its caption speaks of.

    Examples
    --------
    >>> cafe = SourceClip("c", Path("c"), "cafe", "a cafe with people talking", "background", "c", "", "mine", "CC0")
    >>> heard_in(cafe, ["speech", "train"], {"speech": PhraseSet("speech", ("people talking",), (), ())})
    frozenset({'speech'})
    """
    if background is None:
        return frozenset()
    related = related_to(background.label, prompts, phrase_sets)
    caption = f" {background.caption} "
    heard = set()
    for prompt, is_related in zip(prompts, related, strict=True):
        texts = [prompt, *(phrase_sets[prompt].phrases if prompt in phrase_sets else ())]
        if is_related or any(f" {text} " in caption for text in texts):
            heard.add(prompt)
    return frozenset(heard)


def read_paraphrases(path: str | Path) -> dict[str, tuple[str, ...]]:
    """Read other ways to say labels, from a YAML mapping of label to list of texts.

    Raises
    ------
    ConfigError
        The file can't be read, or is not such a mapping.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "homely.yaml"
    >>> _ = path.write_text("speech: [a chat over the fence]")
    >>> read_paraphrases(path)
    {'speech': ('a chat over the fence',)}
    """
    texts = parse_yaml(read_text(path, ConfigError), str(path))
    if not isinstance(texts, dict) or not all(
        isinstance(label, str) and isinstance(ways, list) and ways and all(isinstance(way, str) for way in ways)
        for label, ways in texts.items()
    ):
        raise ConfigError(f"{path}: must map each label to a list of texts; write one 'label: [text, text]' per line")
    return {label: tuple(ways) for label, ways in texts.items()}


def _read(path: Path) -> dict[Any, Any]:
    content = parse_yaml(read_text(path, ConfigError), str(path))
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: does not hold a mapping; write one 'label: {{phrases, near, parents}}' per sound")
    return content


def _problems(sets: dict[str, PhraseSet]) -> Iterator[tuple[str, str]]:
    owners: dict[str, list[str]] = {}
    broader = {label: ancestors(sets, label) for label in sets}
    for label, phrase_set in sets.items():
        yield from ((label, problem) for problem in _own_problems(phrase_set))
        for text in (label, *phrase_set.phrases):
            owners.setdefault(text.casefold(), []).append(label)
    for text, labels in owners.items():
        for first, second in combinations(labels, 2):
            if first not in broader[second] and second not in broader[first]:
                yield second, f"{text!r} is also a text of {first!r}; only a label and its parent may share a text"
    for label, phrase_set in sets.items():
        for parent in phrase_set.parents:
            if parent not in sets and parent.casefold() in owners:
                owner = owners[parent.casefold()][0]
                yield label, f"parent {parent!r} is a phrase of {owner!r}; name the label {owner!r} or another word"
        correct = _texts(sets, {label} | broader[label])
        for near in phrase_set.near_misses:
            if near not in sets:
                yield label, f"near miss {near!r} is not a label of these files; use one or remove it"
            elif near in broader[label] or label in broader[near]:
                yield label, f"near miss {near!r} is broader or narrower than the label; name a different sound"
            elif shared := correct & _texts(sets, {near}):
                yield (
                    label,
                    f"near miss {near!r} shares the text {min(shared)!r} with the label or its parents; drop one",
                )


def _own_problems(phrase_set: PhraseSet) -> Iterator[str]:
    if not phrase_set.phrases:
        yield "has no phrases; write at least one"
    texts = [text.casefold() for text in (phrase_set.label, *phrase_set.phrases)]
    for index, text in enumerate(texts):
        if text in texts[:index]:
            yield f"phrase {text!r} repeats the label or another phrase; remove it"
        if not 1 <= len(text.split()) <= MAX_PHRASE_WORDS:
            yield f"phrase {text!r} has {len(text.split())} words, not 1 to {MAX_PHRASE_WORDS}; shorten or remove it"
    if phrase_set.label in phrase_set.parents:
        yield "is its own parent; remove it from parents"


def _texts(sets: dict[str, PhraseSet], labels: set[str]) -> set[str]:
    texts = {label.casefold() for label in labels}
    return texts.union(*({p.casefold() for p in sets[label].phrases} for label in labels if label in sets))


def _words(label: str) -> set[str]:
    return set(label.replace(",", "").split()) - GENERIC_WORDS


def _parents(label: str, phrase_sets: Mapping[str, PhraseSet]) -> tuple[str, ...]:
    return phrase_sets[label].parents if label in phrase_sets else ()


def _near(label: str, phrase_sets: Mapping[str, PhraseSet]) -> tuple[str, ...]:
    return phrase_sets[label].near_misses if label in phrase_sets else ()
