"""Receiving a recording: streamed to disk, hashed on the way, removed if anything goes wrong."""

from __future__ import annotations

import hashlib
import re
import secrets
from pathlib import PurePosixPath

import anyio.to_thread
from fastapi import Request

from flam.server.config import MB
from flam.server.errors import Refused, TooBusy
from flam.server.service import Service
from flam.server.store import StoredRecording

WRITE_BYTES = 1_000_000


def shown_name(name: str) -> str:
    """The last part of a file name, without control characters, at most 200 characters.

    Examples
    --------
    >>> shown_name("../../etc/pass\\x1b[31mwd"), shown_name("/")
    ('pass[31mwd', 'recording')
    """
    last = PurePosixPath(name.replace("\\", "/")).name
    return "".join(char for char in last if char.isprintable()).strip()[-200:] or "recording"


class Uploads:
    """Receives recordings, a bounded number at a time.

    Parameters
    ----------
    service : Service
        Takes what was received.
    """

    def __init__(self, service: Service):
        self._service = service
        self._n_open = 0

    async def receive(self, request: Request, name: str) -> tuple[StoredRecording, int]:
        """Store the body of a request as a recording.

        Returns
        -------
        tuple
            The recording, and how many bytes it has.

        Raises
        ------
        Refused
            Nothing was sent.
        TooBusy
            Too many uploads at a time, too many recordings that wait, or a full disk.
        """
        if self._n_open >= self._service.config.max_uploads:
            raise TooBusy(f"{self._n_open} recordings are being received; try again in a minute")
        self._service.analyser.require_room()
        self._service.store.require_space(int(request.headers.get("content-length", "0")))
        suffix = re.sub(r"[^.a-z0-9]", "", PurePosixPath(shown_name(name)).suffix.lower())[:8]
        part = self._service.store.folder / f"{secrets.token_hex(16)}{suffix}"
        self._n_open += 1
        try:
            id, n_bytes = await self._write(request, part)
            if n_bytes == 0:
                raise Refused("the body is empty; send the bytes of a recording")
            recording = await anyio.to_thread.run_sync(self._service.add_upload, part, id, shown_name(name))
            return recording, n_bytes
        except OSError as error:
            raise TooBusy(f"the recording can't be stored ({error.strerror}); try again later") from error
        finally:
            self._n_open -= 1
            part.unlink(missing_ok=True)

    async def _write(self, request: Request, part) -> tuple[str, int]:
        digest, n_bytes = hashlib.sha256(), 0
        with open(part, "xb") as file:
            held = bytearray()
            async for chunk in request.stream():
                held += chunk
                n_bytes += len(chunk)
                if n_bytes > self._service.config.max_upload_mb * MB:
                    break  # the gate has refused it
                if len(held) >= WRITE_BYTES:
                    digest.update(held)
                    await anyio.to_thread.run_sync(file.write, bytes(held))
                    held.clear()
            digest.update(held)
            file.write(held)
        return digest.hexdigest()[:32], n_bytes
