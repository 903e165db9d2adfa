"""What must be refused is refused with a reason, and the service goes on."""

import asyncio
import io
import socket
import urllib.request

import numpy as np
import pytest
import soundfile
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from flam.server.app import create_app

STATIC_PATHS = ("/", "/assets/index.js")


@pytest.fixture
def make_client(make_service, request):
    def make(base_url="http://localhost", **limits):
        client = TestClient(create_app(make_service(**limits)), base_url=base_url)
        client.__enter__()
        request.addfinalizer(lambda: client.__exit__(None, None, None))
        return client

    return make


def test_other_hosts_and_origins_are_refused(client):
    assert client.get("/v1/health", headers={"host": "evil.example"}).status_code == 421
    assert client.get("/", headers={"host": "evil.example"}).status_code == 421
    body = {"demo": "street"}
    for headers in ({"origin": "http://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}):
        assert client.post("/v1/recordings/open", json=body, headers=headers).status_code == 403
    assert client.post("/v1/recordings/open", json=body, headers={"origin": "http://localhost"}).status_code == 200


def test_a_token_is_asked_for(make_client):
    client = make_client("http://box:80", host="0.0.0.0", token="s3cret")
    for path in ("/", "/v1/settings", "/metrics", "/assets/index.js", "/v1/openapi.json"):
        assert client.get(path).status_code == 401
    for headers in ({"authorization": "Bearer wrong"}, {"authorization": "s3cret"}, {"cookie": "flam_token=x"}):
        assert client.get("/v1/settings", headers=headers).status_code == 401
    assert client.get("/v1/settings?token=s3cret").status_code == 401  # only the page's address takes it
    assert client.get("/v1/health").status_code == 200
    assert client.get("/v1/settings", headers={"authorization": "Bearer s3cret"}).status_code == 200
    answer = client.get("/?token=s3cret", follow_redirects=False)
    assert answer.status_code == 303
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert client.get("/v1/settings").status_code == 200  # by the cookie


def test_large_uploads_are_refused(make_client):
    client = make_client(max_upload_mb=1)
    answer = client.post("/v1/recordings", content=b"x", headers={"content-length": str(10**10)})
    assert answer.status_code == 413
    chunks = (b"\0" * 100_000 for _ in range(20))  # no length is announced
    assert client.post("/v1/recordings", content=chunks).status_code == 413
    assert not [path for path in client.app.state.service.store.folder.rglob("*") if path.is_file()]
    assert client.get("/v1/health").status_code == 200


def test_a_client_that_stalls_is_disconnected(make_service):
    app = create_app(make_service(stall_s=0.1))
    sent = []

    async def receive():
        await asyncio.sleep(10)

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/recordings",
        "raw_path": b"/v1/recordings",
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
        "http_version": "1.1",
        "scheme": "http",
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 80),
        "root_path": "",
    }
    asyncio.run(asyncio.wait_for(app(scope, receive, send), 5))
    assert sent[0]["status"] == 408


def test_long_recordings_are_refused_however_small(make_client):
    client = make_client(max_duration_s=60)
    file = io.BytesIO()  # an hour of silence takes a few kB
    soundfile.write(file, np.zeros(3600 * 8000, np.int16), 8000, format="FLAC")
    assert len(file.getvalue()) < 300_000
    answer = client.post("/v1/detect/file", params={"prompt": "rain"}, content=file.getvalue())
    assert answer.status_code == 409
    assert "60" not in answer.json()["detail"] or "minutes" in answer.json()["detail"]
    raw = client.post("/v1/detect/file", params={"prompt": "rain"}, content=b"RIFF" + bytes(1000))
    assert raw.status_code == 409


def test_what_is_no_recording_is_refused(client):
    assert client.post("/v1/recordings", content=b"").status_code == 400
    for body in (b"<html>", b"#EXTM3U\n/etc/passwd\n", b"\0" * 5000):
        answer = client.post("/v1/detect/file", params={"prompt": "rain", "name": "a.m3u8"}, content=body)
        assert answer.status_code == 409
        assert "flam-serve" not in answer.text  # no path of the server is told


@pytest.mark.parametrize("text", ["<img src=x onerror=alert(1)>", "\x1b[31mred", "x" * 300, "日本語", "'; drop"])
def test_any_text_may_be_a_prompt(client, text):
    body = {"recording": {"demo": "street"}, "prompts": [text]}
    answer = client.post("/v1/detect", json=body)
    assert answer.status_code == 200
    assert list(answer.json()["rules"]) == [text]


@pytest.mark.parametrize(
    "body",
    [
        {"prompts": [f"sound {i}" for i in range(1000)]},
        {"prompts": []},
        {"prompts": [" "]},
        {"prompts": ["a\0b"]},
        {"prompts": ["\ud800"]},
        {"prompts": ["x" * 10_000]},
        {"prompts": ["rain"], "suppress": ["rain"]},
        {"prompts": ["rain"], "options": {"threshold": 2}},
        {"prompts": ["rain"], "options": {"treshold": 0.5}},
        {"prompts": ["rain"], "options": {"threshold": 0.2, "low_threshold": 0.9}},
        {"prompts": ["rain"], "rules": {"rain": {"median_s": -1}}},
    ],
)
def test_bad_queries_are_refused(client, body):
    answer = client.post("/v1/detect", content=_json({"recording": {"demo": "street"}, **body}))
    assert 400 <= answer.status_code < 500
    assert answer.json()["detail"]
    assert client.get("/v1/health").status_code == 200


def _json(body):
    import json

    return json.dumps(body).encode()


def test_file_names_are_shown_as_text_and_never_opened(client, demo):
    for name in ("../../../etc/passwd", "\x1b[31mred.ogg", "<b>.ogg", "a" * 900):
        info = client.post("/v1/recordings", params={"name": name}, content=demo.read_bytes()).json()
        assert "/" not in info["name"]
        assert info["name"].isprintable()
        client.delete(f"/v1/recordings/{info['id']}")
    for path in ("/../pyproject.toml", "/%2e%2e/config.py", "/assets/..%2f..%2fconfig.py"):
        assert client.get(path).status_code in (400, 404)


def test_refusals_are_logged_without_control_characters(client, caplog):
    with caplog.at_level("WARNING"):
        assert client.post("/v1/recordings/open", json={"path": "../\x1b[31m/etc/passwd"}).status_code == 403
        body = {"recording": {"demo": "street"}, "prompts": ["\x1b[2Jrain"], "suppress": ["\x1b[2Jrain"]}
        assert client.post("/v1/detect", json=body).status_code == 400
    assert len(caplog.records) == 2
    assert all("refused POST" in record.getMessage() for record in caplog.records)
    assert "\x1b" not in caplog.text


MASKED_TEXT_WITH_BAD_UTF8 = b"\x81\x82\0\0\0\0\xff\xfe"
ANNOUNCED_TOO_LARGE = b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0"
RESERVED_BITS, UNMASKED, NOT_A_FRAME = b"\xf1\x80\0\0\0\0", b"\x81\x02hi", b"GET / HTTP/1.1\r\n\r\n"


@pytest.mark.parametrize(
    "frame", [MASKED_TEXT_WITH_BAD_UTF8, ANNOUNCED_TOO_LARGE, RESERVED_BITS, UNMASKED, NOT_A_FRAME, b"\x88"]
)
def test_broken_frames_close_the_connection_only(address, frame):
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 5) as connection:
        lines = [
            "GET /v1/live HTTP/1.1",
            f"Host: {host}:{port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version: 13",
        ]
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        assert b"101" in connection.recv(4096)
        connection.sendall(frame)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass  # the server says why, or nothing, and closes
    with urllib.request.urlopen(f"{address}/v1/health", timeout=5) as answer:
        assert answer.status == 200


def test_pages_may_run_nothing_from_elsewhere(client):
    for path in STATIC_PATHS:
        answer = client.get(path)
        assert answer.status_code == 200
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
    page = client.get("/").text
    assert "style=" not in page
    assert "<script>" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page


def test_too_many_at_once_may_come_back_later(make_client, demo):
    client = make_client(max_waiting=0)
    answer = client.post("/v1/recordings", content=demo.read_bytes())
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/v1/nowhere"):
        pass
