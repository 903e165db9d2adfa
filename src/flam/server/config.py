"""What an operator may set: where the server listens, what it may read, and how much anybody may ask of it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from flam.core import ConfigError

MB = 1_000_000
LAST_PORT = 65_535


@dataclass(frozen=True)
class ServerConfig:
    """Address, permissions and limits of a server.

    Parameters
    ----------
    host : str
        Address to bind to.
    port : int
        TCP port; 0 takes a free one.
    token : str or None
        What every request has to present; may be None only on a loopback address.
    allowed_hosts : tuple of str
        Names under which a loopback server may be addressed beside localhost, so that no foreign web page reaches it.
    roots : tuple of Path
        Folders whose recordings clients may name by path; none means uploads only.
    max_upload_mb : int
        Largest upload, in millions of bytes.
    max_duration_s : float
        Longest recording, seconds.
    max_prompts : int
        Most prompts of one request.
    max_uploads : int
        Uploads received at the same time.
    max_waiting : int
        Recordings that may wait for analysis.
    n_workers : int
        Recordings analysed at the same time.
    max_stored_mb : int
        Disk space for uploads and analyses; the ones used least recently are removed.
    idle_s : float
        An upload that nobody used for this long is removed, seconds.
    stall_s : float
        A client that sends nothing for this long is disconnected, seconds.
    max_live : int
        Live sessions at the same time.

    Raises
    ------
    ConfigError
        A public address without a token, or a limit that allows nothing.

    Examples
    --------
    >>> ServerConfig().is_loopback
    True
    >>> ServerConfig(host="0.0.0.0")
    Traceback (most recent call last):
    flam.core.errors.ConfigError: host '0.0.0.0' can be reached from other machines, which needs a token; give --token
    """

    host: str = "127.0.0.1"
    port: int = 8753
    token: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    roots: tuple[Path, ...] = ()
    max_upload_mb: int = 4_000
    max_duration_s: float = 4 * 3600.0
    max_prompts: int = 500
    max_uploads: int = 64
    max_waiting: int = 100
    n_workers: int = 1
    max_stored_mb: int = 20_000
    idle_s: float = 3600.0
    stall_s: float = 30.0
    max_live: int = 8

    def __post_init__(self) -> None:
        if not self.is_loopback and not self.token:
            raise ConfigError(
                f"host {self.host!r} can be reached from other machines, which needs a token; give --token"
            )
        if not 0 <= self.port <= LAST_PORT:
            raise ConfigError(f"port {self.port} must be from 0 to {LAST_PORT}; 0 takes a free one")
        for name in ("max_upload_mb", "max_duration_s", "max_prompts", "max_uploads", "n_workers", "max_stored_mb"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"{name} {getattr(self, name)} must be above 0; leave it out for the default")

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"
