"""What a caption must be: 2 to 13 plain words, no file name, no id, no chatter around it."""

from __future__ import annotations

import re

from flam.library.words import FEWEST_WORDS, MOST_WORDS

_THOUGHTS = re.compile(r"<think>.*?</think>", re.DOTALL | re.IGNORECASE)
_PREFIX = re.compile(r"^(?:caption|answer|description)\s*:\s*", re.IGNORECASE)
_CHATTER = re.compile(
    r"\b(?:i'?m sorry|i am sorry|i can'?t|i cannot|as an ai|language model|sure|certainly|here is|here'?s"
    r"|captions?|file ?names?|audio (?:file|clip)|metadata|unknown|untitled)\b",
    re.IGNORECASE,
)
_ODD = re.compile(r"[^\w\s,'’\-]|_")


def tidied(answer: str) -> str:
    """An answer without thoughts, quotation marks, the word "Caption:", a last full stop or doubled spaces.

    Examples
    --------
    >>> tidied('<think>a dog...</think> Caption: "A dog barking  twice."')
    'A dog barking twice'
    """
    text = _PREFIX.sub("", " ".join(_THOUGHTS.sub(" ", answer).split()).strip("\"'`*“”‘’ "))
    return text.strip("\"'`*“”‘’ ").rstrip(". ")


def caption_problem(text: str, most_words: int = MOST_WORDS) -> str | None:
    """Why a text can't be a caption, in words that tell its author; None for one that can.

    Examples
    --------
    >>> caption_problem("a dog barking twice") is None
    True
    >>> caption_problem("dog_bark_01.wav")
    "contains '_', as file names do"
    >>> caption_problem("thunder")
    'has 1 word, not 2 to 13'
    """
    if odd := _ODD.search(text):
        return f"contains {odd.group()!r}, as file names do" if odd.group() in "_./\\" else f"contains {odd.group()!r}"
    words = text.split()
    if not FEWEST_WORDS <= len(words) <= most_words:
        return f"has {len(words)} word{'' if len(words) == 1 else 's'}, not {FEWEST_WORDS} to {most_words}"
    if number := next((word for word in words if any(character.isdigit() for character in word)), None):
        return f"contains {number!r}, a number or an id; write numbers as words"
    if chatter := _CHATTER.search(text):
        return f"says {chatter.group()!r} instead of what is heard"
    if longest := next((word for word in words if len(word) > 24), None):
        return f"contains {longest!r}, which is no word"
    return None
