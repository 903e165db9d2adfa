"""Captions of library clips: by a language model where one is named, else or where it fails by rule."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from flam.core.progress import Progress
from flam.library.clip_table import LibraryRow, SourceLibrary, with_caption
from flam.library.gather import MOST_WORDS, plain_words
from flam.scenes.captions.answers import (
    AnswerCounts,
    AnswerMemory,
    Question,
    answers,
    caption_problem,
    prompt_text,
    tidied,
)
from flam.scenes.captions.endpoint import ChatEndpoint
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


@dataclass
class CaptionCounts:
    """Where captions came from, how many clips have none, and how the questions to the model ended.

    A question may serve many clips of which the same is known.
    """

    given: int = 0
    model: int = 0
    rule: int = 0
    none: int = 0
    questions: AnswerCounts = field(default_factory=AnswerCounts)


def caption_library(
    library: SourceLibrary,
    endpoint: ChatEndpoint | None = None,
    memory: AnswerMemory | None = None,
    replace_given: bool = False,
    progress: Progress | None = None,
) -> tuple[SourceLibrary, CaptionCounts]:
    """Give every usable clip a caption, if anything is known of it.

    Parameters
    ----------
    library : SourceLibrary
        the table; captions that were written by rule or by a model before are written again
    endpoint : ChatEndpoint | None, optional
        the model to ask; None for the rule alone
    memory : AnswerMemory | None, optional
        where its answers are kept; None for this call only
    replace_given : bool, default False
        also for clips that came with a caption, which then serves as a note
    progress : Progress | None, optional
        called with (questions ended, questions in all)

    Returns
    -------
    tuple[SourceLibrary, CaptionCounts]
        the library with its captions, and how they came about

    Raises
    ------
    ConfigError
        the endpoint refuses: wrong address, key or model

    Examples
    --------
    >>> caption_library(SourceLibrary([]))[1].none
    0
    """
    counts = CaptionCounts()
    wanted = [row for row in library.rows if row.is_usable and (replace_given or row.caption_from != "given")]
    written = _by_model(wanted, endpoint, memory, counts, progress) if endpoint is not None else {}
    wanted_ids = {row.clip.clip_id for row in wanted}
    rows = []
    for row in library.rows:
        if row.clip.clip_id in wanted_ids:
            row = _captioned(row, written.get(_notes(row)), endpoint, counts)
        elif row.is_usable:
            counts.given += 1
        rows.append(row)
    return SourceLibrary(rows), counts


def _captioned(row: LibraryRow, answer: str | None, endpoint: ChatEndpoint | None, counts: CaptionCounts) -> LibraryRow:
    if answer is not None and endpoint is not None:
        counts.model += 1
        return with_caption(row, answer, endpoint.config.model)
    if row.caption_from == "given":
        counts.given += 1
        return row
    by_rule = rule_caption(row.clip.clip_id, row.clip.label, row.about)
    if by_rule is None:
        counts.none += 1
        return with_caption(row, "", "")
    counts.rule += 1
    return with_caption(row, by_rule, "rule")


def _by_model(
    rows: list[LibraryRow],
    endpoint: ChatEndpoint,
    memory: AnswerMemory | None,
    counts: CaptionCounts,
    progress: Progress | None,
) -> dict[str, str]:
    """Captions by the notes they were written from."""
    notes = sorted({note for row in rows if (note := _notes(row))})
    questions = (Question(note, caption_problem) for note in notes)
    written: dict[str, str] = {}
    kept = AnswerMemory(":memory:") if memory is None else memory
    ended = answers(questions, prompt_text("clip"), endpoint, kept, counts.questions)
    for number, (question, answer) in enumerate(ended, start=1):
        if answer is not None:
            written[question.message] = answer
        if progress is not None:
            progress(number, len(notes))
    return written


def _notes(row: LibraryRow) -> str:
    """The notes on a clip that the model is given; empty where nothing is known."""
    path = PurePosixPath(row.clip.clip_id)
    told = {
        "label": row.clip.label,
        "caption": row.clip.caption if row.caption_from == "given" else "",
        "file name": plain_words(path.name),
        "folder": plain_words(path.parent.name),
        "written of it": row.about,
    }
    if not any(value for key, value in told.items() if key != "folder"):
        return ""
    return "\n".join(f"{key}: {' '.join(value.split())}" for key, value in told.items() if value)
