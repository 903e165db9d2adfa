"""Captions by a language model: asked over real HTTP, of a server that is late, wrong, busy, or gone."""

import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from flam.core import ConfigError, Event, from_mapping
from flam.synth.captions.answers import AnswerCounts, Question, answers, prompt_text
from flam.synth.captions.check import caption_problem
from flam.synth.captions.clips import caption_library
from flam.synth.captions.endpoint import ChatEndpoint, EndpointConfig, NoAnswerError
from flam.synth.captions.memory import AnswerMemory
from flam.synth.captions.mixture import mixture_caption
from flam.synth.captions.rewording import reword
from flam.synth.clip_table import COLUMNS, LibraryRow, SourceLibrary
from flam.synth.measure import Measures
from flam.synth.source_library import SourceClip


def completion(text):
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode()


class Server(ThreadingHTTPServer):
    """Answers by a function of (message, number of the request for it): bytes, or (status, bytes, headers), or late."""

    daemon_threads = True

    def __init__(self, answer):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer = answer
        self.requests = []
        self.asked = Counter()
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        server = self.server
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        message = request["messages"][1]["content"]
        with server.lock:
            server.requests.append((self.path, self.headers.get("Authorization"), request))
            server.asked[message] += 1
            number = server.asked[message]
            server.at_once += 1
            server.most_at_once = max(server.most_at_once, server.at_once)
        try:
            answer = server.answer(message, number)
        finally:
            with server.lock:
                server.at_once -= 1
        status, body, headers = answer if isinstance(answer, tuple) else (200, answer, {})
        try:
            if body is None:  # hang up
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            pass  # whoever asked has left

    def log_message(self, *arguments):
        pass


@pytest.fixture
def serve():
    servers = []

    def start(answer):
        servers.append(Server(answer))
        return servers[-1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def endpoint(server, **fields):
    quick = {"backoff_s": 0.01, "timeout_s": 0.5, "concurrency": 4, **fields}
    return ChatEndpoint(EndpointConfig(server if isinstance(server, str) else server.url, "some-model", **quick))


def row(clip_id, label="", caption="", about="", status="ok", kind="event"):
    clip = SourceClip(clip_id, Path(f"/{clip_id}.wav"), label, caption, kind, clip_id, "", "made", "CC0")
    measures = Measures(48000, 1, 480, 0.01, -20.0, -22.0, -3.0, 0.0, 0.0, ((0.0, 0.01),), 900.0, 2000.0, "0f")
    return LibraryRow(clip, about, "given" if caption else "", status, "", measures, 1, 1, "1")


MESSAGES = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "label: siren"}]


def test_a_question_goes_out_as_the_interface_wants_it(serve, monkeypatch):
    monkeypatch.setenv("SOME_KEY", "secret")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # a proxy is not asked for what this machine serves
    server = serve(lambda message, number: completion("a siren wailing"))
    asked = endpoint(server, api_key_variable="SOME_KEY", temperature=0.5, max_tokens=30)
    assert asked.ask(MESSAGES) == "a siren wailing"
    [(path, authorization, request)] = server.requests
    assert (path, authorization) == ("/v1/chat/completions", "Bearer secret")
    assert request == {"model": "some-model", "messages": MESSAGES, "temperature": 0.5, "max_tokens": 30}


FAULTS = {
    "status 500": (500, b"oops", {}),
    "status 429": (429, b"slow down", {}),
    "hangs up": (200, None, {}),
    "not JSON": b"<html>busy</html>",
    "no choices": b'{"error": "overloaded"}',
    "no text": b'{"choices": [{"message": {"content": null}}]}',
    "half an answer": (200, b'{"choi', {"Content-Length": "500"}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_passing_fault_is_asked_over(serve, fault):
    server = serve(lambda message, number: FAULTS[fault] if number < 3 else completion("a siren wailing"))
    assert endpoint(server).ask(MESSAGES) == "a siren wailing"
    assert len(server.requests) == 3
    always = serve(lambda message, number: FAULTS[fault])
    with pytest.raises(NoAnswerError, match="no answer"):
        endpoint(always, attempts=3).ask(MESSAGES)
    assert len(always.requests) == 3


def test_a_late_answer_is_not_waited_for(serve):
    def late(message, number):
        time.sleep(5 if number == 1 else 0)
        return completion("a siren wailing")

    server = serve(late)
    start = time.monotonic()
    assert endpoint(server, timeout_s=0.2).ask(MESSAGES) == "a siren wailing"
    assert time.monotonic() - start < 3
    assert len(server.requests) == 2


def test_an_answer_that_trickles_in_is_not_waited_for(serve):
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def trickle():
            connection, _ = listening.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                for _ in range(100):
                    time.sleep(0.05)
                    try:
                        connection.sendall(b" ")
                    except OSError:
                        return

        threading.Thread(target=trickle, daemon=True).start()
        start = time.monotonic()
        with pytest.raises(NoAnswerError, match="not complete"):
            endpoint(f"http://127.0.0.1:{listening.getsockname()[1]}", attempts=1, timeout_s=0.3).ask(MESSAGES)
        assert time.monotonic() - start < 2


def test_a_busy_server_says_how_long_to_wait(serve):
    server = serve(lambda message, number: (429, b"", {"Retry-After": "1"}) if number == 1 else completion("a siren"))
    start = time.monotonic()
    endpoint(server).ask(MESSAGES)
    assert time.monotonic() - start >= 1


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_ends_the_run(serve, status):
    server = serve(lambda message, number: (status, b'{"error": "model not found"}', {}))
    with pytest.raises(ConfigError, match=f"{status} .*model not found.*check url, model and key"):
        caption_library(SourceLibrary([row(f"a/{number}", "siren") for number in range(3)]), endpoint(server))
    assert len(server.requests) == 1  # one question: the same is known of all three clips


def test_a_question_that_is_too_long_is_given_up_at_once(serve):
    server = serve(lambda message, number: (400, b"context length exceeded", {}))
    with pytest.raises(NoAnswerError, match="context length"):
        endpoint(server).ask(MESSAGES)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"url": "localhost:8000", "model": "m"}, "is no address"),
        ({"url": "http://x", "model": ""}, "model is empty"),
        ({"url": "http://x", "model": "m", "attempts": 0}, "must be positive"),
        ({"url": "http://x", "model": "m", "modell": 0}, "unknown key 'modell'"),
        ({"url": "http://x"}, "missing key 'model'"),
    ],
)
def test_settings_are_strict(fields, problem):
    with pytest.raises(ConfigError, match=problem):
        from_mapping(EndpointConfig, fields)


def test_a_missing_key_is_told(monkeypatch):
    monkeypatch.delenv("SOME_KEY", raising=False)
    with pytest.raises(ConfigError, match="SOME_KEY is not set"):
        endpoint("http://127.0.0.1:9", api_key_variable="SOME_KEY")


def test_a_model_is_told_what_is_wrong_with_its_answer(serve):
    wrong = [completion("siren_01.wav"), completion(" ".join(["siren"] * 20)), completion('Caption: "A siren wails."')]
    server = serve(lambda message, number: wrong[number - 1])
    library, counts = caption_library(SourceLibrary([row("sirens/siren_01", "siren")]), endpoint(server))
    assert (library.rows[0].clip.caption, library.rows[0].caption_from) == ("A siren wails", "some-model")
    assert (counts.model, counts.questions.answered, counts.questions.unusable) == (1, 1, 0)
    told = [request["messages"][-1]["content"] for _, _, request in server.requests]
    assert told[0] == "label: siren\nfile name: siren\nfolder: sirens"
    assert "contains '_', as file names do" in told[1]
    assert "has 20 words, not 2 to 13" in told[2]
    assert server.requests[0][2]["messages"][0]["content"] == prompt_text("clip")


def test_every_clip_ends_with_a_caption_or_is_counted(serve):
    """A model that is unreliable in every way at once."""

    def unreliable(message, number):
        if "gone" in message:
            return 200, None, {}
        if "stubborn" in message:
            return completion("stubborn_sound.wav")
        if "flaky" in message:
            return list(FAULTS.values())[number % len(FAULTS)] if number < 4 else completion("something flaky heard")
        if "slow" in message and number == 1:
            time.sleep(0.8)
        return completion(f"the sound of {message.split(': ')[1].split()[0]}")

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


def test_questions_are_asked_at_the_same_time_but_not_too_many(serve):
    def slow(message, number):
        time.sleep(0.05)
        return completion("a sound heard")

    server = serve(slow)
    rows = [row(f"a/{number}", f"label {'x' * number}") for number in range(1, 21)]
    caption_library(SourceLibrary(rows), endpoint(server, concurrency=5))
    assert 2 <= server.most_at_once <= 5


def test_answers_are_remembered_by_model_prompt_and_notes(serve, tmp_path):
    server = serve(lambda message, number: completion("a sound heard"))
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


def test_a_run_that_was_killed_goes_on_with_what_was_answered(serve, tmp_path):
    kill_after = threading.Event()

    def answer(message, number):
        with server.lock:
            n_asked = len(server.requests)
        if n_asked > 12 and not kill_after.is_set():
            kill_after.set()
            time.sleep(20)
        return completion(f"the sound {message.split()[-1]}")

    server = serve(answer)
    code = f"""
from flam.synth.captions.answers import *
from flam.synth.captions.check import caption_problem
from flam.synth.captions.endpoint import *
from flam.synth.captions.memory import AnswerMemory
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


def test_an_endpoint_that_is_gone_is_not_asked_forever():
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    rows = [row(f"a/{number}", f"label {chr(97 + number // 26)}{chr(97 + number % 26)}x") for number in range(199)]
    gone = endpoint(url, give_up_after=5, attempts=2, concurrency=2)
    library, counts = caption_library(SourceLibrary(rows), gone)
    assert (counts.rule, counts.questions.unanswered) == (199, 199)
    assert sum(counts.questions.reasons.values()) < 12  # those that were asked at all
    assert all(r.caption_from == "rule" for r in library.rows)


def test_a_stopped_run_does_not_wait_for_pauses(serve):
    server = serve(lambda message, number: (503, b"", {}) if "busy" in message else completion("a siren heard"))
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


def test_scenes_are_reworded_but_lose_nothing(serve):
    phrases = {"dog": "a dog barking", "siren": "a siren wailing", "rain": "rain falling"}
    twice = mixture_caption([Event(1, 2, "dog"), Event(4, 5, "dog")], "rain", phrases)
    forgetful = mixture_caption([Event(1, 2, "siren"), Event(4, 5, "dog")], "rain", phrases)
    uncounted = mixture_caption([Event(1, 2, "siren"), Event(4, 5, "siren")], None, phrases)
    said = {
        twice: "In falling rain, a dog barks twice",
        forgetful: "A dog barks in the rain",
        uncounted: "A siren wails and wails",
    }
    server = serve(lambda message, number: completion(said[message]))
    captions = [
        (twice, ["a dog barking", "rain falling"]),
        (forgetful, ["a siren wailing", "a dog barking", "rain falling"]),
        (uncounted, ["a siren wailing"]),
    ]
    reworded, counts = reword(captions, endpoint(server, attempts=2), AnswerMemory(":memory:"))
    assert reworded == ["In falling rain, a dog barks twice", forgetful, uncounted]
    assert (counts.answered, counts.unusable) == (1, 2)
    assert set(counts.reasons) == {"does not name 'a siren wailing'", "does not say 'twice'"}


def test_the_examples_of_the_documentation_are_right():
    text = (Path(__file__).parents[2] / "docs" / "library.md").read_text(encoding="utf-8")
    [settings] = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert from_mapping(EndpointConfig, yaml.safe_load(settings)).concurrency == 16
    scene = re.findall(r"```python\n(.*?)```", text, re.DOTALL)[1]
    code, _, told = scene.strip().rpartition("  # ")
    imports, _, call = code.partition("\n\n")
    names = {}
    exec(imports, names)
    assert repr(eval(call, names)) == told
    columns = {
        name for line in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE) for name in re.findall(r"`(\w+)`", line)
    }
    assert columns == set(COLUMNS)
