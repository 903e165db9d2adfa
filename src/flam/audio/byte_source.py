"""Where the bytes of a recording come from: a file, bytes in memory, or an open binary file; whole or spliced."""

from __future__ import annotations

import bisect
import io
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

from flam.core import AudioError

READ_BYTES = 1 << 16

# bytes to insert, or (start, end) of the bytes of the source
Part = bytes | tuple[int, int]


class ByteSource:
    """A recording's bytes, which any number of readers open, each with a position of its own.

    Parameters
    ----------
    origin : str, Path, bytes, bytearray, memoryview or binary file object
        A file object is read from where it stands to its end and left open; one that can't seek is read into memory.

    Attributes
    ----------
    path : Path or None
        None for what is no file on disk.
    name : str
        What messages call it.

    Raises
    ------
    AudioError
        Something else, or a file opened for text.

    Examples
    --------
    >>> source = ByteSource(b"abcdef")
    >>> source.size(), source.open([(1, 3), b"-", (4, 6)]).read()
    (6, b'bc-ef')
    """

    def __init__(self, origin: str | Path | bytes | bytearray | memoryview | BinaryIO):
        self.path: Path | None = None
        self._data: bytes | None = None
        self._file: _SharedFile | None = None
        if isinstance(origin, (str, Path)):
            self.path = Path(origin)
            self.name = str(origin)
        elif isinstance(origin, (bytes, bytearray, memoryview)):
            self._data, self.name = bytes(origin), f"<{len(origin)} bytes>"
        elif callable(getattr(origin, "read", None)):
            name = getattr(origin, "name", None)
            self.name = name if isinstance(name, str) else f"<{type(origin).__name__}>"
            self._adopt(origin)
        else:
            raise AudioError(
                f"recording of type {type(origin).__name__} must be a path, bytes or a binary file object; "
                "give samples in memory as an array"
            )

    def _adopt(self, file: BinaryIO) -> None:
        if isinstance(file, io.TextIOBase):
            raise AudioError(f"{self.name}: is open for text; open it with mode 'rb'")
        try:
            if callable(getattr(file, "seekable", None)) and file.seekable():
                self._file = _SharedFile(file)
                return
            data = file.read()
        except (OSError, ValueError) as error:
            raise AudioError(f"{self.name}: can't be read ({error}); give an open binary file") from error
        if not isinstance(data, bytes):
            raise AudioError(f"{self.name}: reads {type(data).__name__}, not bytes; open it with mode 'rb'")
        self._data = data

    def size(self) -> int:
        """Bytes in all, as they are now."""
        if self.path is not None:
            return os.stat(self.path).st_size
        return len(self._data) if self._data is not None else cast(_SharedFile, self._file).size

    def open(self, parts: Sequence[Part] | None = None) -> BinaryIO:
        """Open a seekable binary file of its own position over all bytes, or over parts of them in a row."""
        if parts is None and self.path is not None:
            return open(self.path, "rb")
        if parts is None and self._data is not None:
            return io.BytesIO(self._data)
        raw = _SplicedFile(self._raw(), [(0, self.size())] if parts is None else parts)
        return io.BufferedReader(raw, READ_BYTES)

    def _raw(self) -> _Positioned:
        if self._file is not None:
            return self._file
        return _OwnFile(cast(Any, self.open()))


class _Positioned:
    """Reads at any position."""

    def read_at(self, position: int, n_bytes: int) -> bytes:
        raise NotImplementedError

    def close(self) -> None:
        pass


class _OwnFile(_Positioned):
    def __init__(self, file: BinaryIO):
        self._file = file

    def read_at(self, position: int, n_bytes: int) -> bytes:
        self._file.seek(position)
        return self._file.read(n_bytes)

    def close(self) -> None:
        self._file.close()


class _SharedFile(_Positioned):
    """The user's file object from where it stood, which several readers share."""

    def __init__(self, file: BinaryIO):
        self._file = file
        self._start = file.tell()
        self.size = file.seek(0, os.SEEK_END) - self._start
        self._lock = threading.Lock()
        file.seek(self._start)

    def read_at(self, position: int, n_bytes: int) -> bytes:
        with self._lock:
            self._file.seek(self._start + position)
            data = self._file.read(n_bytes)
        if not isinstance(data, bytes):
            raise AudioError(f"file object reads {type(data).__name__}, not bytes; open it with mode 'rb'")
        return data


class _SplicedFile(io.RawIOBase):
    """A read-only file made of parts; a part that can't be read any more reads as the end."""

    def __init__(self, source: _Positioned, parts: Sequence[Part]):
        self._source = source
        self._parts = parts
        self._starts = [0]
        for part in parts:
            length = len(part) if isinstance(part, bytes) else part[1] - part[0]
            self._starts.append(self._starts[-1] + length)
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._starts[-1]}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        number = bisect.bisect_right(self._starts, self._position) - 1
        if number >= len(self._parts):
            return 0
        part, inside = self._parts[number], self._position - self._starts[number]
        wanted = min(len(buffer), self._starts[number + 1] - self._position)
        if isinstance(part, bytes):
            data = part[inside : inside + wanted]
        else:
            try:
                data = self._source.read_at(part[0] + inside, wanted)
            except (OSError, ValueError):
                return 0
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._source.close()
        super().close()
