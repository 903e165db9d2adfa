"""Captions of scenes: by rule, or reworded by a language model that may lose no sound."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from flam.core import ConfigError, Event
from flam.library.source_library import SourceClip
from flam.scenes.captions.answers import AnswerCounts, AnswerMemory, Question, answers, caption_problem, prompt_text
from flam.scenes.captions.endpoint import ChatEndpoint
from flam.scenes.captions.english import Clause, clause

WORDS_MORE = 10
STEM_LETTERS = 4
_OTHER_WORDS = """
    a an the and or of in on at by to with from is are be being been heard while then finally twice times three four
    five six many more again background sound sounds person people someone into off out over under behind
"""
_NOT_SOUNDS = frozenset(_OTHER_WORDS.split())
_TIMES = ("twice", "three times", "four times", "five times", "six times", "many times", "again")


@dataclass(frozen=True)
class _Run:
    """A sound that occurs so many times before another begins."""

    phrase: str
    onset_s: float
    offset_s: float
    count: int


def mixture_caption(
    events: Sequence[Event],
    background: str | None = None,
    phrases: Mapping[str, str] | None = None,
    merge_gap_s: float = 0.5,
) -> str:
    """Tell a scene in one sentence without its capital and full stop.

    Parameters
    ----------
    events : Sequence[Event]
        in any order; ``prompt`` is the label
    background : str | None, optional
        label of what sounds throughout; None for nothing
    phrases : Mapping[str, str] | None, optional
        how to say a label: "a dog barking" for "dog bark"; labels that are missing are said as they are
    merge_gap_s : float, default 0.5
        events of one label that are closer are one occurrence

    Raises
    ------
    ConfigError
        neither event nor background

    Examples
    --------
    >>> barks = [Event(1.0, 1.4, "dog bark"), Event(3.0, 3.3, "dog bark")]
    >>> phrases = {"dog bark": "a dog barking", "rain": "rain falling"}
    >>> mixture_caption(barks, "rain", phrases)
    'a dog barks twice while rain falls'
    >>> mixture_caption([*barks, Event(5.0, 6.0, "glass breaking")], "rain", phrases)
    'a dog barks twice, then glass breaks, with rain falling in the background'
    """
    said = {} if phrases is None else phrases
    ground = None if background is None else clause(said.get(background) or background)
    runs = _runs(events, said, merge_gap_s)
    if not runs:
        if ground is None:
            raise ConfigError("a scene without event and background has no caption; give one of them")
        return ground.told()
    text = _told_in_order(runs)
    if ground is None:
        return text
    if len(runs) == 1 and not ground.action[0].endswith(" heard"):
        return f"{text} while {ground.told()}"
    return f"{text}{',' if len(runs) > 1 else ''} with {ground.participle} in the background"


def label_phrases(clips: Iterable[SourceClip]) -> dict[str, str]:
    """For each label, the caption that most of its clips have.

    Examples
    --------
    >>> from pathlib import Path
    >>> texts = ("a dog barking", "a dog barking", "a hound")
    >>> label_phrases([SourceClip(str(i), Path(), "dog", t, "event", "", "", "", "") for i, t in enumerate(texts)])
    {'dog': 'a dog barking'}
    """
    captions: dict[str, Counter[str]] = {}
    for clip in clips:
        if clip.label and clip.caption:
            captions.setdefault(clip.label, Counter())[clip.caption] += 1
    return {label: min(counts, key=lambda text: (-counts[text], text)) for label, counts in captions.items()}


def _runs(events: Sequence[Event], said: Mapping[str, str], merge_gap_s: float) -> list[_Run]:
    occurrences: list[_Run] = []
    last_of: dict[str, int] = {}
    for event in sorted(events, key=lambda event: (event.onset_s, event.offset_s, event.prompt)):
        phrase = said.get(event.prompt) or event.prompt
        last = last_of.get(phrase)
        if last is not None and event.onset_s - occurrences[last].offset_s < merge_gap_s:
            run = occurrences[last]
            occurrences[last] = _Run(phrase, run.onset_s, max(run.offset_s, event.offset_s), 1)
        else:
            last_of[phrase] = len(occurrences)
            occurrences.append(_Run(phrase, event.onset_s, event.offset_s, 1))
    runs = _joined(occurrences, next_only=True)
    often = Counter(run.phrase for run in runs)
    return runs if max(often.values(), default=0) <= 2 else _joined(occurrences, next_only=False)


def _joined(occurrences: Sequence[_Run], next_only: bool) -> list[_Run]:
    """Occurrences of one sound as one run: those that follow each other, or all of them."""
    runs: list[_Run] = []
    for one in occurrences:
        place = next((i for i in range(len(runs) - 1, -1, -1) if runs[i].phrase == one.phrase), None)
        if place is None or (next_only and place != len(runs) - 1):
            runs.append(one)
        else:
            run = runs[place]
            runs[place] = _Run(run.phrase, run.onset_s, max(run.offset_s, one.offset_s), run.count + 1)
    return runs


def _told_in_order(runs: Sequence[_Run]) -> str:
    clauses: dict[str, Clause] = {}
    text, before = "", ""
    n_then = sum(not _at_once(one, other) for one, other in pairwise(runs))
    for place, run in enumerate(runs):
        again = run.phrase in clauses
        told = clauses.setdefault(run.phrase, clause(run.phrase)).told(run.count, again)
        if place == 0:
            text = told
        elif _at_once(runs[place - 1], run):
            joint = "and" if before == "while" else "while"
            text, before = f"{text} {joint} {told}", "while"
        else:
            n_then -= 1
            text, before = f"{text}, {'and finally' if n_then == 0 and place > 2 else 'then'} {told}", "then"
    return text


def _at_once(one: _Run, other: _Run) -> bool:
    """Whether the shorter of two lies within the other for at least half of its length."""
    shared_s = min(one.offset_s, other.offset_s) - max(one.onset_s, other.onset_s)
    return shared_s > 0 and shared_s >= 0.5 * min(one.offset_s - one.onset_s, other.offset_s - other.onset_s)


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
