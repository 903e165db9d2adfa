"""A caption by rule, from what is known of a clip: nothing is invented, and where nothing is known there is none."""

from __future__ import annotations

import itertools
from pathlib import PurePosixPath

from flam.library.words import MOST_WORDS, plain_words
from flam.scenes.captions.check import caption_problem, tidied
from flam.scenes.captions.english import indefinite, is_mass, is_plural

FEWEST_WORDS_OF_DESCRIPTION = 3
MOST_WORDS_OF_NAME = 7
FEWEST_SAME_LETTERS, MOST_SAME_LETTERS = 3, 4


def rule_caption(clip_id: str, label: str, about: str) -> str | None:
    """A caption of 2 to 13 words: a short description, else the label, else the words of the file name.

    Parameters
    ----------
    clip_id : str
        its last part is the file's name
    label : str
        class of the clip, may be empty
    about : str
        what people wrote of it; the part before the first semicolon or full stop may serve as a whole

    Returns
    -------
    str | None
        None where there is neither description nor label nor a word in the name

    Examples
    --------
    >>> rule_caption("a/DogBark_03", "", "")
    'dog bark'
    >>> rule_caption("a/0017", "thunder", "")
    'the sound of thunder'
    >>> rule_caption("a/x1", "", "A dog barking behind a fence. Recorded in 2012 with a cheap microphone.")
    'A dog barking behind a fence'
    >>> rule_caption("a/0017", "", "") is None
    True
    """
    description = tidied(about.split(";")[0].split(". ")[0])
    if len(description.split()) >= FEWEST_WORDS_OF_DESCRIPTION and caption_problem(description) is None:
        return description
    named, called = plain_words(label), plain_words(PurePosixPath(clip_id).name)
    n_words = len(called.split())
    if len(named.split()) < 2 and 2 <= n_words <= MOST_WORDS_OF_NAME and (not named or _share_word(named, called)):
        named = called
    named = " ".join((named or called).split()[:MOST_WORDS])
    if not named:
        return None
    caption = named if len(named.split()) > 1 else _of_one_word(named)
    return caption if caption_problem(caption) is None else None


def _of_one_word(word: str) -> str:
    if word.endswith("ing") or is_plural(word) or is_mass(word):
        return f"the sound of {word}"
    return f"the sound of {indefinite(word)}"


def _share_word(one: str, other: str) -> bool:
    """Whether a word of one begins like a word of the other: "dogs" and "dog bark"."""
    for word, named in itertools.product(one.split(), other.split()):
        n_letters = min(len(word), len(named), MOST_SAME_LETTERS)
        if n_letters >= FEWEST_SAME_LETTERS and word[:n_letters] == named[:n_letters]:
            return True
    return False
