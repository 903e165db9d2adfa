"""HTTP API, page and live view over the detector."""

from __future__ import annotations

from flam.server.config import ServerConfig

__all__ = ["ServerConfig"]
