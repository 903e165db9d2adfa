"""Running the application with uvicorn until it is interrupted."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from flam.core import ConfigError
from flam.server.app import create_app
from flam.server.config import ServerConfig
from flam.server.searching import ArchiveShelf
from flam.server.service import Service

# A connection that has sent no whole request head by then is closed; uvicorn itself would wait for ever.
REQUEST_HEAD_S = 20.0
MAX_CONNECTIONS = 400
MAX_WEBSOCKET_BYTES = 1_000_000


class ImpatientProtocol(H11Protocol):
    """HTTP/1.1 that closes connections on which no request arrives."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock for the first request."""
        super().connection_made(transport)
        self.loop.call_later(REQUEST_HEAD_S, self._close_if_idle)

    def _close_if_idle(self) -> None:
        if self.cycle is None and not self.transport.is_closing():
            self.transport.close()


def serve(service: Service, shelf: ArchiveShelf, on_started: Callable[[str], None]) -> None:
    """Serve until interrupted, then remove all uploads.

    Parameters
    ----------
    service : Service
        What carries out the requests; its configuration says where to listen.
    shelf : ArchiveShelf
        The archives that can be searched.
    on_started : callable
        Told the address to open, with the token in it where there is one.

    Raises
    ------
    ConfigError
        The address can't be bound.
    """
    listener = _bind(service.config)
    server_config = uvicorn.Config(
        create_app(service, shelf),
        http=ImpatientProtocol,
        ws="websockets-sansio",
        ws_max_size=MAX_WEBSOCKET_BYTES,
        log_level="warning",
        access_log=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=20,
        timeout_graceful_shutdown=3,
        server_header=False,
    )
    on_started(_address(service.config, listener))
    uvicorn.Server(server_config).run(sockets=[listener])


def _bind(config: ServerConfig) -> socket.socket:
    try:
        family = socket.getaddrinfo(config.host, config.port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((config.host, config.port))
    except OSError as error:
        raise ConfigError(
            f"{config.host}:{config.port}: can't be listened on ({error.strerror}); choose another --port"
        ) from error
    listener.listen(256)
    return listener


def _address(config: ServerConfig, listener: socket.socket) -> str:
    host = f"[{config.host}]" if ":" in config.host else config.host
    query = f"?token={config.token}" if config.token else ""
    return f"http://{host}:{listener.getsockname()[1]}/{query}"
