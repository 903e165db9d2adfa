"""What stands before every request: who may ask, from where, how much, and how slowly."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flam.server.config import MB, ServerConfig

logger = logging.getLogger(__name__)

COOKIE = "flam_token"
MAX_JSON_BYTES = 1_000_000
UPLOADS = ("/v1/recordings", "/v1/detect/file")
OPEN_PATHS = ("/v1/health",)
CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "media-src 'self'",
        "connect-src 'self'",
        "worker-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "microphone=(self), camera=(), geolocation=()",
}


class Gate:
    """ASGI middleware: refuses foreign hosts and origins, wrong tokens, large and stalled bodies; adds the headers.

    A page of another site must not reach a server on this machine, neither by its own name (the Host header) nor by a
    form or a WebSocket (the Origin header).

    Parameters
    ----------
    app : ASGIApp
        What stands behind it.
    config : ServerConfig
        Permissions and limits.
    on_status : callable
        Told the status of every answer.
    """

    def __init__(self, app: ASGIApp, config: ServerConfig, on_status: Callable[[int], None]):
        self._app, self._config, self._on_status = app, config, on_status
        self._hosts = {"localhost", "127.0.0.1", "::1", config.host, *config.allowed_hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            self._on_status(refusal[0])
            await _refuse(scope, receive, send, *refusal)
            return
        if scope["type"] == "websocket":
            await self._app(scope, receive, send)
            return
        if login := self._login(scope):
            await _redirect(send, login)
            return
        await self._guarded(scope, receive, send)

    def _refusal(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        host = headers.get("host", "")
        if self._config.is_loopback and _host_name(host) not in self._hosts:
            return 421, "this server is addressed as localhost; name another host with --allow-host"
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return 403, "requests from other sites' pages are refused"
        if headers.get("sec-fetch-site") == "cross-site" and scope.get("method") != "GET":
            return 403, "requests from other sites' pages are refused"
        if self._config.token and scope["path"] not in OPEN_PATHS and not self._has_token(scope, headers):
            return 401, "a token is needed: open the address that the server printed, or send Authorization: Bearer"
        length = headers.get("content-length", "0")
        if not length.isdigit():
            return 400, "content-length must be a number"
        if int(length) > self._limit(scope):
            return 413, f"at most {self._limit(scope):,} bytes are taken here; send less"
        return None

    def _limit(self, scope: Scope) -> int:
        return self._config.max_upload_mb * MB if scope["path"] in UPLOADS else MAX_JSON_BYTES

    def _has_token(self, scope: Scope, headers: Headers) -> bool:
        kind, _, given = headers.get("authorization", "").partition(" ")
        candidates = [given.strip()] if kind.lower() == "bearer" else []
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            cookie = None
        candidates += [cookie.value] if cookie is not None else []
        candidates += [_query_token(scope)] if scope["path"] == "/" else []
        token = (self._config.token or "").encode()
        return any(hmac.compare_digest(candidate.encode("utf-8", "replace"), token) for candidate in candidates)

    def _login(self, scope: Scope) -> str | None:
        """The token of a printed address, which becomes a cookie so that it leaves the address bar."""
        return _query_token(scope) or None if self._config.token and scope["path"] == "/" else None

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        limit, n_received, is_body_complete = self._limit(scope), 0, False

        async def receive_bounded() -> Message:
            nonlocal n_received, is_body_complete
            if is_body_complete:
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), self._config.stall_s)
            except TimeoutError:
                logger.warning("%s %s: the client stalled", scope["method"], ascii(scope["path"]))
                raise HTTPException(408, "nothing arrived for too long; send it again") from None
            n_received += len(message.get("body", b""))
            is_body_complete = not message.get("more_body", False)
            if n_received > limit:
                raise HTTPException(413, f"at most {limit:,} bytes are taken here; send less")
            return message

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._on_status(message["status"])
                present = {name for name, _ in message.get("headers", [])}
                extra = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message["headers"] = [*message.get("headers", []), *(pair for pair in extra if pair[0] not in present)]
            await send(message)

        await self._app(scope, receive_bounded, send_with_headers)


def _host_name(host: str) -> str:
    """The name in a Host header, without the port.

    Examples
    --------
    >>> _host_name("[::1]:80"), _host_name("localhost:8753"), _host_name("evil.example")
    ('::1', 'localhost', 'evil.example')
    """
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if ":" in host else host


def _query_token(scope: Scope) -> str:
    return parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])[0]


async def _redirect(send: Send, token: str) -> None:
    cookie = f"{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict"
    headers = [(b"location", b"/"), (b"set-cookie", cookie.encode("latin-1", "replace")), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 303, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, reason: str) -> None:
    logger.warning("refused %s %s: %d %s", scope.get("method", "WEBSOCKET"), ascii(scope["path"]), status, reason)
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": reason[:100]})
        return
    body = json.dumps({"detail": reason}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += [(b"connection", b"close")]  # an unread body must not be taken for the next request
    headers += [(name.encode(), value.encode()) for name, value in HEADERS.items()]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
