"""A server that speaks as language models are asked, and what asks it without patience."""

import json
import socket
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from flam.scenes.captions.endpoint import ChatEndpoint, EndpointConfig


def completion(text):
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode()


class Server(ThreadingHTTPServer):
    """Answers by a function of (message, number of the request for it): text, bytes, or (status, bytes, headers)."""

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
        if isinstance(answer, str):
            answer = completion(answer)
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


@pytest.fixture
def endpoint():
    """Asks a server, or an address, with short pauses."""

    def start(server, **fields):
        quick = {"backoff_s": 0.01, "timeout_s": 0.5, "concurrency": 4, **fields}
        return ChatEndpoint(EndpointConfig(server if isinstance(server, str) else server.url, "some-model", **quick))

    return start
