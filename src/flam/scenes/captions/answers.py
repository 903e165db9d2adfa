"""Questions to a language model whose answers are checked, corrected, remembered, and counted where they fail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from importlib import resources

from flam.scenes.captions.check import tidied
from flam.scenes.captions.endpoint import ChatEndpoint, NoAnswerError
from flam.scenes.captions.memory import AnswerMemory, answer_key


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
        what the model is told first
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
    """An answer without a problem; the model is told what is wrong with one that has."""
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
