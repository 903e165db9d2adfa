"""Sound pushed over a WebSocket gives the events of the whole recording; broken clients are refused."""

import json

import numpy as np
import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from flam.audio import read_audio
from flam.detection.prompt_file import PromptEntry, PromptList
from flam.server.app import create_app

ADDRESS = "ws://localhost/v1/live"
PROMPTS = ["siren", "car horn", "dog barking"]


def listen(client, request, blocks):
    """Push blocks and finish; all answers."""
    with client.websocket_connect(ADDRESS) as socket:
        socket.send_text(json.dumps(request))
        for block in blocks:
            socket.send_bytes(np.asarray(block, "<f4").tobytes())
        socket.send_text("finish")
        return received(socket)


def received(socket):
    """All answers until the server closes."""
    answers = []
    while True:
        try:
            answers.append(socket.receive_json())
        except WebSocketDisconnect:
            return answers


@pytest.mark.slow
def test_live_events_equal_those_of_the_session(client, detector, demo):
    audio = read_audio(demo, 48_000)
    session = detector.session(PROMPTS, sample_rate=48_000, latency_s=2.0)
    pieces = [*session.push(audio), *session.finish()]
    expected = [(e.prompt, e.onset_s, e.offset_s) for piece in pieces for e in piece.events]
    request = {"prompts": PROMPTS, "sample_rate": 48_000, "latency_s": 2.0}
    answers = listen(client, request, np.array_split(audio, 37))
    assert answers[0] == {"type": "started", "latency_s": 2.0, "hop_s": 0.08}
    assert answers[-1] == {"type": "finished"}
    events = [(a["prompt"], a["onset_s"], a["offset_s"]) for a in answers if a["type"] == "event"]
    assert sorted(events) == sorted(expected)
    assert len(events) > 2
    onsets = {(a["prompt"], a["onset_s"]) for a in answers if a["type"] == "onset"}
    assert {event[:2] for event in events} <= onsets
    scores = np.concatenate([a["scores"] for a in answers if a["type"] == "scores"])
    whole = np.concatenate([piece.scores.scores for piece in pieces])
    assert scores == pytest.approx(whole, abs=2e-4)


@pytest.mark.slow
def test_alternatives_negatives_and_thresholds_count(client, detector, demo):
    audio = read_audio(demo, 48_000)
    entry = PromptEntry("alarm", alternatives=("siren",), negatives=("car horn",), threshold=0.9, min_duration_s=0.2)
    session = detector.session(PromptList((entry,)), sample_rate=48_000, latency_s=2.0)
    expected = [(e.prompt, e.onset_s, e.offset_s) for p in [*session.push(audio), *session.finish()] for e in p.events]
    rule = {"alternatives": ["siren"], "negatives": ["car horn"], "threshold": 0.9, "min_duration_s": 0.2}
    request = {"prompts": ["alarm"], "rules": {"alarm": rule}, "sample_rate": 48_000, "latency_s": 2.0}
    answers = listen(client, request, np.array_split(audio, 11))
    events = [(a["prompt"], a["onset_s"], a["offset_s"]) for a in answers if a["type"] == "event"]
    assert sorted(events) == sorted(expected)
    alone = listen(client, {**request, "rules": {"alarm": {"threshold": 0.9}}}, [audio])
    assert [a for a in alone if a["type"] == "event"] != [a for a in answers if a["type"] == "event"]


REQUEST = json.dumps({"prompts": ["rain"], "sample_rate": 16_000})


@pytest.mark.parametrize(
    "messages",
    [
        ["no JSON"],
        [json.dumps({"prompts": ["rain"]})],
        [json.dumps({"prompts": [], "sample_rate": 16_000})],
        [json.dumps({"prompts": ["rain"], "sample_rate": 10**9})],
        [b"\0" * 100],
        [REQUEST, b"\0" * 13],
        [REQUEST, np.full(100, np.nan, "<f4").tobytes()],
        [REQUEST, "what?"],
    ],
)
def test_broken_messages_end_the_session_with_a_reason(client, messages):
    with client.websocket_connect(ADDRESS) as socket:
        for message in messages:
            if isinstance(message, bytes):
                socket.send_bytes(message)
            else:
                socket.send_text(message)
        answers = received(socket)
    assert answers[-1]["type"] == "error"
    assert answers[-1]["detail"]
    assert client.app.state.n_live == 0
    assert client.get("/v1/health").status_code == 200


def test_only_so_many_listen_at_once(make_service):
    with TestClient(create_app(make_service(max_live=1)), base_url="http://localhost") as client:
        with client.websocket_connect(ADDRESS) as first:
            first.send_text(REQUEST)
            assert first.receive_json()["type"] == "started"
            with client.websocket_connect(ADDRESS) as second:
                assert second.receive_json()["type"] == "error"
        headers = {"origin": "http://evil.example"}
        with pytest.raises(WebSocketDisconnect), client.websocket_connect(ADDRESS, headers=headers) as other:
            other.receive_json()
