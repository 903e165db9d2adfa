"""Questions to a language model whose answers are checked, corrected, remembered, and counted where they fail."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from types import TracebackType

from flam.core import ConfigError, OutputError
from flam.library.gather import FEWEST_WORDS, MOST_WORDS
from flam.scenes.captions.endpoint import ChatEndpoint, NoAnswerError

_THOUGHTS = re.compile(r"<think>.*?</think>", re.DOTALL | re.IGNORECASE)
_PREFIX = re.compile(r"^(?:caption|answer|description)\s*:\s*", re.IGNORECASE)
_CHATTER = re.compile(
    r"\b(?:i'?m sorry|i am sorry|i can'?t|i cannot|as an ai|language model|sure|certainly|here is|here'?s"
    r"|captions?|file ?names?|audio (?:file|clip)|metadata|unknown|untitled)\b",
    re.IGNORECASE,
)
_ODD = re.compile(r"[^\w\s,'’\-]|_")


class AnswerMemory:
    """A file of answers, each written at once and whole.

    Parameters
    ----------
    path : str | Path
        is made where it does not exist; ``:memory:`` keeps nothing

    Raises
    ------
    ConfigError
        the file is something else, or can't be opened

    Examples
    --------
    >>> with AnswerMemory(":memory:") as memory:
    ...     key = answer_key("some-model", "prompt", "label: siren")
    ...     memory.keep(key, "a siren wailing")
    ...     memory.recall(key), memory.recall("another")
    ('a siren wailing', None)
    """

    def __init__(self, path: str | Path):
        self._path = path
        try:
            self._connection = sqlite3.connect(path, timeout=60.0, isolation_level=None)
            self._connection.execute("CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer TEXT NOT NULL)")
        except sqlite3.Error as error:
            raise ConfigError(f"{path}: can't be used as a memory of answers ({error}); name another file") from error

    def __enter__(self) -> AnswerMemory:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._connection.close()

    def recall(self, key: str) -> str | None:
        """The answer kept under a key."""
        row = self._connection.execute("SELECT answer FROM answers WHERE key = ?", (key,)).fetchone()
        return None if row is None else row[0]

    def keep(self, key: str, answer: str) -> None:
        """Keep an answer.

        Raises
        ------
        OutputError
            it can't be written
        """
        try:
            self._connection.execute("INSERT OR REPLACE INTO answers VALUES (?, ?)", (key, answer))
        except sqlite3.Error as error:
            raise OutputError(f"{self._path}: can't be written ({error}); make space") from error


def answer_key(*parts: str) -> str:
    """A key that differs whenever model, prompt, settings or question do."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


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


@dataclass(frozen=True)
class Question:
    """What a model is asked: the message, and what tells why an answer to it can't be used (None for one that can)."""

    message: str
    problem: Callable[[str], str | None]


@dataclass
class AnswerCounts:
    """How questions ended: from memory, by the model, unusable in the end, or without any answer; and why."""

    remembered: int = 0
    answered: int = 0
    unusable: int = 0
    unanswered: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


def prompt_text(name: str) -> str:
    """A prompt of the package: "clip" or "mixture".

    Examples
    --------
    >>> prompt_text("clip").splitlines()[0][:46]
    'You write captions for short sound recordings.'
    """
    return (resources.files("flam.scenes.captions") / "prompts" / f"{name}.txt").read_text(encoding="utf-8")


def answers(
    questions: Iterable[Question], prompt: str, endpoint: ChatEndpoint, memory: AnswerMemory, counts: AnswerCounts
) -> Iterator[tuple[Question, str | None]]:
    """Ask many questions at a time; an answer is in the memory before it is given on.

    Once ``give_up_after`` questions in a row got no answer at all, the rest is not asked.

    Parameters
    ----------
    questions : Iterable[Question]
        each is asked unless its answer is remembered
    prompt : str
        the system prompt
    endpoint : ChatEndpoint
        whom to ask, and where answers are kept
    memory : AnswerMemory
        whom to ask, and where answers are kept
    counts : AnswerCounts
        is counted up

    Returns
    -------
    Iterator[tuple[Question, str | None]]
        iterator of (question, answer), in no particular order; None for a question that got no usable answer

    Raises
    ------
    ConfigError
        the endpoint refuses: wrong address, key or model
    """
    config, waiting, silent_in_a_row = endpoint.config, iter(questions), 0
    running: dict[Future[str], tuple[Question, str]] = {}
    with ThreadPoolExecutor(config.concurrency) as pool:
        try:
            while True:
                while len(running) < 2 * config.concurrency and (question := next(waiting, None)) is not None:
                    key = answer_key(config.model, repr(config.temperature), prompt, question.message)
                    known = memory.recall(key)
                    if known is not None and question.problem(known) is None:
                        counts.remembered += 1
                        yield question, known
                    elif silent_in_a_row >= config.give_up_after:
                        counts.unanswered += 1
                        yield question, None
                    else:
                        running[pool.submit(_asked, question, prompt, endpoint)] = question, key
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    question, key = running.pop(future)
                    answer, silent = _outcome(future, counts)
                    silent_in_a_row = silent_in_a_row + 1 if silent else 0
                    if answer is not None:
                        memory.keep(key, answer)
                    yield question, answer
        except BaseException:
            endpoint.stop()
            pool.shutdown(cancel_futures=True)
            for future, (_, key) in running.items():  # answers that came meanwhile are paid for
                if not future.cancelled() and future.exception() is None:
                    memory.keep(key, future.result())
            raise


def _outcome(future: Future[str], counts: AnswerCounts) -> tuple[str | None, bool]:
    """The answer, and whether the endpoint was silent; counted."""
    try:
        answer = future.result()
    except _UnusableError as error:
        counts.unusable += 1
        counts.reasons[str(error)] += 1
        return None, False
    except NoAnswerError as error:
        counts.unanswered += 1
        counts.reasons[str(error)] += 1
        return None, True
    counts.answered += 1
    return answer, False


class _UnusableError(Exception):
    """The model's last answer could not be used."""


def _asked(question: Question, prompt: str, endpoint: ChatEndpoint) -> str:
    """An answer without a problem; the model is asked again, with what is wrong, where one has."""
    messages = [{"role": "system", "content": prompt}, {"role": "user", "content": question.message}]
    problem = ""
    for _ in range(endpoint.config.attempts):
        reply = endpoint.ask(messages)
        answer = tidied(reply)
        found = question.problem(answer)
        if found is None:
            return answer
        problem = found
        messages[2:] = [
            {"role": "assistant", "content": reply[:1000]},
            {"role": "user", "content": f"That can't be used: it {problem}. Answer again, with the text alone."},
        ]
    raise _UnusableError(problem)
