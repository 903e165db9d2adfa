"""Chunks of RIFF-like files: where each one lies, read from any seekable binary file without decoding it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

UNKNOWN_SIZES = (0xFFFF_FFFF, 0x7FFF_FFFF)


class Chunk(NamedTuple):
    """``identity`` of four bytes, ``start`` of the contents in the file, and ``size`` in bytes as the header states."""

    identity: bytes
    start: int
    size: int


def riff_chunks(file: BinaryIO) -> Iterator[Chunk]:
    """Yield the chunks of a WAV file (RIFF, RF64, BW64 or RIFX), nothing for any other file.

    The walk ends where a size leads out of the file. The 64-bit size of an RF64 replaces the placeholder of its data.

    Examples
    --------
    >>> import io
    >>> list(riff_chunks(io.BytesIO(b"RIFF" + bytes(4) + b"WAVE" + b"data" + (4).to_bytes(4, "little") + bytes(4))))
    [Chunk(identity=b'data', start=20, size=4)]
    """
    end = file.seek(0, 2)
    file.seek(0)
    head = file.read(12)
    if head[:4] not in (b"RIFF", b"RF64", b"BW64", b"RIFX") or head[8:] != b"WAVE":
        return
    byte_order, long_size = "big" if head[:4] == b"RIFX" else "little", None
    position = 12
    while position + 8 <= end:
        file.seek(position)
        header = file.read(8)
        if len(header) < 8:
            return
        identity, size = header[:4], int.from_bytes(header[4:], byte_order)  # type: ignore[arg-type]
        if identity == b"ds64" and size >= 16:
            long_size = int.from_bytes(file.read(16)[8:], "little")
        if identity == b"data" and size == 0xFFFF_FFFF and long_size is not None:
            size = long_size
        yield Chunk(identity, position + 8, size)
        position += 8 + size + size % 2
