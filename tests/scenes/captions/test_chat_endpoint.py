"""A language model is asked over real HTTP, of a server that is late, wrong, busy, or gone."""

import socket
import threading
import time

import pytest

from flam.core import ConfigError, from_mapping
from flam.scenes.captions.endpoint import EndpointConfig, NoAnswerError

MESSAGES = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "label: siren"}]


def test_a_question_goes_out_as_the_interface_wants_it(serve, endpoint, monkeypatch):
    monkeypatch.setenv("SOME_KEY", "secret")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # a proxy is not asked for what this machine serves
    server = serve(lambda message, number: "a siren wailing")
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
def test_a_passing_fault_is_asked_over(serve, endpoint, fault):
    server = serve(lambda message, number: FAULTS[fault] if number < 3 else "a siren wailing")
    assert endpoint(server).ask(MESSAGES) == "a siren wailing"
    assert len(server.requests) == 3
    always = serve(lambda message, number: FAULTS[fault])
    with pytest.raises(NoAnswerError, match="no answer"):
        endpoint(always, attempts=3).ask(MESSAGES)
    assert len(always.requests) == 3


def test_a_late_answer_is_not_waited_for(serve, endpoint):
    def late(message, number):
        time.sleep(30 if number == 1 else 0)
        return "a siren wailing"

    server = serve(late)
    start = time.monotonic()
    assert endpoint(server, timeout_s=0.2).ask(MESSAGES) == "a siren wailing"
    assert time.monotonic() - start < 10
    assert len(server.requests) == 2


def test_an_answer_that_trickles_in_is_not_waited_for(endpoint):
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def trickle():
            connection, _ = listening.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                for _ in range(999):
                    time.sleep(0.05)
                    try:
                        connection.sendall(b" ")
                    except OSError:
                        return

        threading.Thread(target=trickle, daemon=True).start()
        start = time.monotonic()
        with pytest.raises(NoAnswerError, match="not complete"):
            endpoint(f"http://127.0.0.1:{listening.getsockname()[1]}", attempts=1, timeout_s=0.3).ask(MESSAGES)
        assert time.monotonic() - start < 10


@pytest.mark.slow
def test_a_busy_server_says_how_long_to_wait(serve, endpoint):
    server = serve(lambda message, number: (429, b"", {"Retry-After": "1"}) if number == 1 else "a siren")
    start = time.monotonic()
    endpoint(server).ask(MESSAGES)
    assert time.monotonic() - start >= 1


def test_a_question_that_is_too_long_is_given_up_at_once(serve, endpoint):
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


def test_a_missing_key_is_told(endpoint, monkeypatch):
    monkeypatch.delenv("SOME_KEY", raising=False)
    with pytest.raises(ConfigError, match="SOME_KEY is not set"):
        endpoint("http://127.0.0.1:9", api_key_variable="SOME_KEY")
