"""Phrase sets: how people say each sound, which sounds it must not match, and which broader words also fit it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from flam.core import ConfigError, from_mapping, parse_yaml, read_text

MAX_PHRASE_WORDS = 13


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
