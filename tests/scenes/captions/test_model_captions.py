"""Captions by a language model: every clip gets one or is counted, and no question is asked twice."""

import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from flam.core import ConfigError, Event
from flam.library.clip_table import LibraryRow, SourceLibrary
from flam.library.measure import Measures
from flam.library.source_library import SourceClip
from flam.scenes.captions.answers import AnswerCounts, AnswerMemory, Question, answers, caption_problem, prompt_text
from flam.scenes.captions.clips import caption_library
from flam.scenes.captions.endpoint import ChatEndpoint, EndpointConfig
from flam.scenes.captions.mixture import mixture_caption, reword

# what a server says that is asked too much: too many at a time, nothing at all, another page
FAULTS = [(429, b"slow down", {}), (200, None, {}), b"<html>busy</html>"]


def row(clip_id, label="", caption="", about="", status="ok", kind="event"):
    clip = SourceClip(clip_id, Path(f"/{clip_id}.wav"), label, caption, kind, clip_id, "", "made", "CC0")
    measures = Measures(48000, 1, 480, 0.01, -20.0, -22.0, -3.0, 0.0, 0.0, ((0.0, 0.01),), 900.0, 2000.0, "0f")
    return LibraryRow(clip, about, "given" if caption else "", status, "", measures, 1, 1, "1")


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_ends_the_run(serve, endpoint, status):
    server = serve(lambda message, number: (status, b'{"error": "model not found"}', {}))
    with pytest.raises(ConfigError, match=f"{status} .*model not found.*check url, model and key"):
        caption_library(SourceLibrary([row(f"a/{number}", "siren") for number in range(3)]), endpoint(server))
    assert len(server.requests) == 1  # one question: the same is known of all three clips


def test_a_model_is_told_what_is_wrong_with_its_answer(serve, endpoint):
    wrong = ["siren_01.wav", " ".join(["siren"] * 20), 'Caption: "A siren wails."']
    server = serve(lambda message, number: wrong[number - 1])
    library, counts = caption_library(SourceLibrary([row("sirens/siren_01", "siren")]), endpoint(server))
    assert (library.rows[0].clip.caption, library.rows[0].caption_from) == ("A siren wails", "some-model")
    assert (counts.model, counts.questions.answered, counts.questions.unusable) == (1, 1, 0)
    told = [request["messages"][-1]["content"] for _, _, request in server.requests]
    assert told[0] == "label: siren\nfile name: siren\nfolder: sirens"
    assert "contains '_', as file names do" in told[1]
    assert "has 20 words, not 2 to 13" in told[2]
    assert server.requests[0][2]["messages"][0]["content"] == prompt_text("clip")


def test_every_clip_ends_with_a_caption_or_is_counted(serve, endpoint):
    """A model that is unreliable in every way at once."""

    def unreliable(message, number):
        if "gone" in message:
            return 200, None, {}
        if "stubborn" in message:
            return "stubborn_sound.wav"
        if "flaky" in message:
            return FAULTS[number - 1] if number < 4 else "something flaky heard"
        if "slow" in message and number == 1:
            time.sleep(0.8)
        return f"the sound of {message.split(': ')[1].split()[0]}"

    labels = ["gone", "stubborn", "flaky", "slow", "dog", "rain"]
    rows = [row(f"a/{label} {letter}x", f"{label} noise") for label in labels for letter in "ab"]
    rows += [row("a/given", caption="a thing as it was given"), row("a/0001"), row("a/broken", "x", status="silent")]
    server = serve(lambda message, number: unreliable(message, number))
    library, counts = caption_library(SourceLibrary(rows), endpoint(server))
    captions = {r.clip.clip_id: (r.clip.caption, r.caption_from) for r in library.rows}
    assert captions["a/gone ax"] == ("gone noise", "rule")
    assert captions["a/stubborn bx"] == ("stubborn noise", "rule")
    assert captions["a/flaky ax"] == ("something flaky heard", "some-model")
    assert captions["a/slow ax"][1] == captions["a/dog bx"][1] == "some-model"
    assert captions["a/given"] == ("a thing as it was given", "given")
    assert captions["a/0001"] == captions["a/broken"] == ("", "")
    assert (counts.given, counts.model, counts.rule, counts.none) == (1, 8, 4, 1)
    questions = counts.questions
    assert (questions.answered, questions.unusable, questions.unanswered) == (4, 1, 1)
    assert sum(questions.reasons.values()) == 2
    assert [r.clip.clip_id for r in library.rows] == [r.clip.clip_id for r in rows]


def test_questions_are_asked_at_the_same_time_but_not_too_many(serve, endpoint):
    def slow(message, number):
        time.sleep(0.05)
        return "a sound heard"

    server = serve(slow)
    rows = [row(f"a/{number}", f"label {'x' * number}") for number in range(1, 21)]
    caption_library(SourceLibrary(rows), endpoint(server, concurrency=5))
    assert 2 <= server.most_at_once <= 5


def test_answers_are_remembered_by_model_prompt_and_notes(serve, endpoint, tmp_path):
    server = serve(lambda message, number: "a sound heard")
    library = SourceLibrary([row("yard/1", "dog bark"), row("farm/1", "dog bark"), row("yard/2", "siren")])
    with AnswerMemory(tmp_path / "answers.sqlite") as memory:
        first, counts = caption_library(library, endpoint(server), memory)
        assert (counts.questions.answered, counts.questions.remembered) == (3, 0)
    with AnswerMemory(tmp_path / "answers.sqlite") as memory:
        again, counts = caption_library(library, endpoint(server), memory)
        assert (counts.questions.answered, counts.questions.remembered) == (0, 3)
        assert again.rows == first.rows
        assert len(server.requests) == 3
        other = ChatEndpoint(EndpointConfig(server.url, "other-model", backoff_s=0.01))
        assert caption_library(library, other, memory)[1].questions.answered == 3
        question = Question("label: dog bark\nfolder: yard", caption_problem)
        counts = AnswerCounts()
        assert list(answers([question], "another prompt", endpoint(server), memory, counts)) == [
            (question, "a sound heard")
        ]
        assert (counts.answered, counts.remembered) == (1, 0)


def test_a_run_that_was_killed_goes_on_with_what_was_answered(serve, endpoint, tmp_path):
    kill_after = threading.Event()

    def answer(message, number):
        with server.lock:
            n_asked = len(server.requests)
        if n_asked > 12 and not kill_after.is_set():
            kill_after.set()
            time.sleep(20)
        return f"the sound {message.split()[-1]}"

    server = serve(answer)
    code = f"""
from flam.scenes.captions.answers import *
from flam.scenes.captions.answers import caption_problem
from flam.scenes.captions.endpoint import *
from flam.scenes.captions.answers import AnswerMemory
endpoint = ChatEndpoint(EndpointConfig({server.url!r}, "some-model", concurrency=1))
questions = [Question("label " + chr(97 + n // 26) + chr(97 + n % 26), caption_problem) for n in range(40)]
list(answers(questions, "p", endpoint, AnswerMemory({str(tmp_path / "answers.sqlite")!r}), AnswerCounts()))
"""
    process = subprocess.Popen([sys.executable, "-c", code])
    assert kill_after.wait(60)
    process.kill()
    process.wait()
    questions = [Question(f"label {chr(97 + n // 26)}{chr(97 + n % 26)}", caption_problem) for n in range(40)]
    counts = AnswerCounts()
    with AnswerMemory(tmp_path / "answers.sqlite") as memory:
        found = dict(answers(questions, "p", endpoint(server), memory, counts))
    assert {q.message: a for q, a in found.items()} == {
        q.message: f"the sound {q.message.split()[-1]}" for q in questions
    }
    assert 11 <= counts.remembered <= 12  # the next question goes out before an answer is kept
    assert counts.answered == 40 - counts.remembered


def test_an_endpoint_that_is_gone_is_not_asked_forever(endpoint):
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    rows = [row(f"a/{number}", f"label {chr(97 + number // 26)}{chr(97 + number % 26)}x") for number in range(199)]
    gone = endpoint(url, give_up_after=5, attempts=2, concurrency=2)
    library, counts = caption_library(SourceLibrary(rows), gone)
    assert (counts.rule, counts.questions.unanswered) == (199, 199)
    assert sum(counts.questions.reasons.values()) < 12  # those that were asked at all
    assert all(r.caption_from == "rule" for r in library.rows)


def test_a_stopped_run_does_not_wait_for_pauses(serve, endpoint):
    server = serve(lambda message, number: (503, b"", {}) if "busy" in message else "a siren heard")
    patient = endpoint(server, backoff_s=30, concurrency=2)
    questions = [Question("busy", caption_problem), Question("ready", caption_problem)]
    running = answers(questions, "p", patient, AnswerMemory(":memory:"), AnswerCounts())
    assert next(running)[1] == "a siren heard"
    start = time.monotonic()
    running.close()
    assert time.monotonic() - start < 5


def test_a_memory_that_is_something_else_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("not a database at all, but a text of some length " * 20)
    with pytest.raises(ConfigError, match="can't be used as a memory"):
        AnswerMemory(tmp_path / "notes.txt")


def test_scenes_are_reworded_but_lose_nothing(serve, endpoint):
    phrases = {"dog": "a dog barking", "siren": "a siren wailing", "rain": "rain falling"}
    twice = mixture_caption([Event(1, 2, "dog"), Event(4, 5, "dog")], "rain", phrases)
    forgetful = mixture_caption([Event(1, 2, "siren"), Event(4, 5, "dog")], "rain", phrases)
    uncounted = mixture_caption([Event(1, 2, "siren"), Event(4, 5, "siren")], None, phrases)
    said = {
        twice: "In falling rain, a dog barks twice",
        forgetful: "A dog barks in the rain",
        uncounted: "A siren wails and wails",
    }
    server = serve(lambda message, number: said[message])
    captions = [
        (twice, ["a dog barking", "rain falling"]),
        (forgetful, ["a siren wailing", "a dog barking", "rain falling"]),
        (uncounted, ["a siren wailing"]),
    ]
    reworded, counts = reword(captions, endpoint(server, attempts=2), AnswerMemory(":memory:"))
    assert reworded == ["In falling rain, a dog barks twice", forgetful, uncounted]
    assert (counts.answered, counts.unusable) == (1, 2)
    assert set(counts.reasons) == {"does not name 'a siren wailing'", "does not say 'twice'"}
