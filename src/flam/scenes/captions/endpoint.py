"""A language model behind an OpenAI-compatible endpoint, such as vLLM, Ollama or llama.cpp serve."""

from __future__ import annotations

import http.client
import json
import os
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flam.core import ConfigError, FlamError, parse_json

MOST_ANSWER_BYTES = 2**20
LONGEST_PAUSE_S = 60.0
FATAL_STATUS = (401, 403, 404, 405)
PASSING_STATUS = (408, 409, 425, 429)
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class NoAnswerError(FlamError):
    """The endpoint gave no answer that can be used, however often it was asked."""


@dataclass(frozen=True)
class EndpointConfig:
    """Which model to ask, and how patiently.

    Parameters
    ----------
    url : str
        of the API, as in ``http://localhost:11434/v1``
    model : str
        its name at the endpoint
    api_key_variable : str, default ""
        environment variable that holds the key; empty where none is needed
    concurrency : int, default 8
        questions asked at a time, which servers answer as a batch
    timeout_s : float, default 60.0
        longest wait for one answer
    attempts : int, default 4
        how often a question is asked that gets no answer, or one that can't be used
    backoff_s : float, default 1.0
        pause after the first failure; it doubles with each further one
    temperature : float, default 0.0
        of the answer
    max_tokens : int, default 200
        of the answer
    give_up_after : int, default 20
        so many questions without any answer in a row, and the endpoint is taken to be gone
    """

    url: str
    model: str
    api_key_variable: str = ""
    concurrency: int = 8
    timeout_s: float = 60.0
    attempts: int = 4
    backoff_s: float = 1.0
    temperature: float = 0.0
    max_tokens: int = 200
    give_up_after: int = 20

    def __post_init__(self) -> None:
        parts = urllib.parse.urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"url {self.url!r} is no address; give one like http://localhost:11434/v1")
        if not self.model:
            raise ValueError("model is empty; name the model that the endpoint serves")
        if min(self.concurrency, self.attempts, self.max_tokens, self.give_up_after) < 1 or self.timeout_s <= 0:
            raise ValueError("concurrency, attempts, max_tokens, give_up_after and timeout_s must be positive")


class ChatEndpoint:
    """Asks a model; may be used from many threads.

    Raises
    ------
    ConfigError
        the variable that should hold the key is not set
    """

    def __init__(self, config: EndpointConfig):
        self.config = config
        parts = urllib.parse.urlsplit(config.url)
        path = parts.path.rstrip("/")
        self._url = parts._replace(path=path if path.endswith("/completions") else f"{path}/chat/completions").geturl()
        self._headers = {"Content-Type": "application/json"}
        if config.api_key_variable:
            key = os.environ.get(config.api_key_variable)
            if not key:
                raise ConfigError(f"environment variable {config.api_key_variable} is not set; put the key there")
            self._headers["Authorization"] = f"Bearer {key}"
        # a proxy can't reach what this machine serves to itself
        proxies = [urllib.request.ProxyHandler({})] if parts.hostname in LOOPBACK else []
        self._opener = urllib.request.build_opener(*proxies)
        self._stopped = threading.Event()

    def stop(self) -> None:
        """End all pauses: what has no answer yet stays without."""
        self._stopped.set()

    def ask(self, messages: Sequence[Mapping[str, str]]) -> str:
        """The model's answer to a conversation.

        Parameters
        ----------
        messages : Sequence[Mapping[str, str]]
            each with ``role`` and ``content``

        Raises
        ------
        NoAnswerError
            no answer after all attempts
        ConfigError
            the endpoint refuses: wrong address, key or model
        """
        body = {
            "model": self.config.model,
            "messages": list(messages),
            "temperature": self.config.temperature,
            "max_tokens": self.config.max_tokens,
        }
        data = json.dumps(body).encode()
        reason, pause_s = "", self.config.backoff_s
        for attempt in range(self.config.attempts):
            if attempt and self._stopped.wait(min(pause_s, LONGEST_PAUSE_S)):
                break
            try:
                return _content(self._post(data))
            except urllib.error.HTTPError as error:
                reason, wait_s = self._refusal(error)
                pause_s = max(2 * pause_s if attempt else pause_s, wait_s)
            except (OSError, http.client.HTTPException, ValueError) as error:
                reason = str(error) or type(error).__name__
                pause_s = 2 * pause_s if attempt else pause_s
        raise NoAnswerError(f"{self.config.url}: no answer ({reason}); look at the server, or raise timeout_s")

    def _post(self, data: bytes) -> bytes:
        request = urllib.request.Request(self._url, data, self._headers, method="POST")
        deadline = time.monotonic() + self.config.timeout_s
        with self._opener.open(request, timeout=self.config.timeout_s) as response:
            pieces: list[bytes] = []
            while piece := response.read1(65_536):
                pieces.append(piece)
                if time.monotonic() > deadline:
                    raise TimeoutError(f"not complete after {self.config.timeout_s:g} s")
                if sum(map(len, pieces)) > MOST_ANSWER_BYTES:
                    raise ValueError(f"longer than {MOST_ANSWER_BYTES} bytes")
            return b"".join(pieces)

    def _refusal(self, error: urllib.error.HTTPError) -> tuple[str, float]:
        """What the endpoint said, and how long it asks to wait."""
        with error:
            try:
                said = " ".join(error.read(500).decode(errors="replace").split())
            except OSError:
                said = ""
        reason = f"status {error.code} {error.reason}: {said}"
        if error.code in FATAL_STATUS:
            raise ConfigError(f"{self._url}: refused with {reason}; check url, model and key") from error
        if error.code < 500 and error.code not in PASSING_STATUS:
            raise NoAnswerError(f"{self._url}: {reason}; the question can't be answered") from error
        wait_s = error.headers.get("Retry-After", "")
        return reason, float(wait_s) if wait_s.isdecimal() else 0.0


def _content(reply: bytes) -> str:
    try:
        content: Any = parse_json(reply, "reply")["choices"][0]["message"]["content"]
    except (ConfigError, LookupError, TypeError) as error:
        raise ValueError(f"not a chat completion: {reply[:100]!r}") from error
    if not isinstance(content, str):
        raise ValueError(f"no text in the chat completion: {reply[:100]!r}")
    return content
