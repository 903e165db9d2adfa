"""Scene captions reworded by a language model, which may lose no sound and no count."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

from flam.scenes.captions.answers import AnswerCounts, Question, answers, prompt_text
from flam.scenes.captions.check import caption_problem
from flam.scenes.captions.endpoint import ChatEndpoint
from flam.scenes.captions.memory import AnswerMemory

WORDS_MORE = 10
STEM_LETTERS = 4
_OTHER_WORDS = """
    a an the and or of in on at by to with from is are be being been heard while then finally twice times three four
    five six many more again background sound sounds person people someone into off out over under behind
"""
_NOT_SOUNDS = frozenset(_OTHER_WORDS.split())
_TIMES = ("twice", "three times", "four times", "five times", "six times", "many times", "again")


def reword(
    captions: Sequence[tuple[str, Sequence[str]]], endpoint: ChatEndpoint, memory: AnswerMemory
) -> tuple[list[str], AnswerCounts]:
    """Have scene captions reworded; where no usable answer comes, a caption stays as it is.

    Parameters
    ----------
    captions : Sequence[tuple[str, Sequence[str]]]
        each with the phrases of its sounds, as ``mixture_caption`` was given them
    endpoint : ChatEndpoint
        whom to ask, and where answers are kept
    memory : AnswerMemory
        whom to ask, and where answers are kept

    Returns
    -------
    tuple[list[str], AnswerCounts]
        the captions in the same order, and how the questions ended

    Raises
    ------
    ConfigError
        the endpoint refuses: wrong address, key or model
    """
    counts = AnswerCounts()
    questions = {caption: Question(caption, partial(_problem, caption, phrases)) for caption, phrases in captions}
    ended = answers(questions.values(), prompt_text("mixture"), endpoint, memory, counts)
    reworded = {question.message: answer for question, answer in ended if answer is not None}
    return [reworded.get(caption, caption) for caption, _ in captions], counts


def _problem(caption: str, phrases: Sequence[str], text: str) -> str | None:
    """Why a rewording can't be used: it is no caption, or lacks a sound or a count."""
    problem = caption_problem(text, len(caption.split()) + WORDS_MORE)
    return problem or missing_sound(text, phrases) or missing_count(text, caption)


def missing_sound(text: str, phrases: Sequence[str]) -> str | None:
    """Which sound a text does not name: it must hold the beginning of one of the words of each phrase.

    Examples
    --------
    >>> missing_sound("a dog barks as rain pours", ["a dog barking", "rain falling", "a siren"])
    "does not name 'a siren'"
    """
    beginnings = _beginnings(text)
    for phrase in phrases:
        wanted = _beginnings(phrase)
        if wanted and not wanted & beginnings:
            return f"does not name {phrase!r}"
    return None


def missing_count(text: str, caption: str) -> str | None:
    """Which count of a caption a text lacks.

    Examples
    --------
    >>> missing_count("a dog barks and rain falls", "a dog barks twice while rain falls")
    "does not say 'twice'"
    """
    for times in _TIMES:
        if len(re.findall(rf"\b{times}\b", text)) < len(re.findall(rf"\b{times}\b", caption)):
            return f"does not say {times!r}"
    return None


def _beginnings(text: str) -> set[str]:
    words = re.findall(r"[^\W\d_]+", text.lower())
    return {word[:STEM_LETTERS] for word in words if word not in _NOT_SOUNDS}
