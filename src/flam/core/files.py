"""Input and output files: text read whole or refused, results written whole or not at all, one writer for each."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from flam.core.errors import FlamError, OutputError
from flam.core.placeholders import require_content


def read_text(path: str | Path, error_class: type[FlamError]) -> str:
    """The text of a UTF-8 file, without the mark that some editors put at its start.

    Parameters
    ----------
    path : str | Path
        the file
    error_class : type[FlamError]
        what to raise

    Raises
    ------
    error_class
        the file can't be read, is a placeholder of another, or is not UTF-8; the message names the line
    """
    require_content(path, error_class)
    try:
        return Path(path).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise error_class(f"{path}: can't be read ({error.strerror}); check the path") from error
    except ValueError as error:
        if not isinstance(error, UnicodeDecodeError):  # a path with a null character
            raise error_class(f"{path!r}: can't be read ({error}); check the path") from error
        line = error.object[: error.start].count(b"\n") + 1
        raise error_class(f"{path}, line {line}: not UTF-8; save the file with that encoding") from error


def file_sha256(path: str | Path) -> str:
    """SHA-256 of a file's content, in hexadecimal.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     file_sha256(file.name)[:8]
    'e3b0c442'
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` that replaces it when the block ends, and is removed when it fails.

    Raises
    ------
    OutputError
        no permission, no such folder, no space, or the path is a folder, a device or a pipe
    """
    if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
        # a file in the place of /dev/null would break the system for every program on it
        raise OutputError(f"{path}: is a device or pipe, which a file can't replace; name a file")
    target = Path(os.path.realpath(path))  # the file behind a link, so that the link stays
    part = target.with_name(f".{secrets.token_hex(8)}.part")
    with _output_errors(path, part):
        try:
            yield part
            os.replace(part, target)
        finally:
            part.unlink(missing_ok=True)


@contextmanager
def atomic_text(path: Path) -> Iterator[TextIO]:
    """Open a UTF-8 text file that replaces ``path`` when the block ends, and leaves it untouched when it fails.

    A device or a pipe, which can't be replaced, is written directly.

    Raises
    ------
    OutputError
        as ``atomic_path``

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with atomic_text(Path(folder, "a.txt")) as file:
    ...         _ = file.write("siren")
    ...     read_text(Path(folder, "a.txt"), OutputError)
    'siren'
    """
    if os.path.exists(path) and not os.path.isfile(path):
        with _output_errors(path, path), open(path, "w", encoding="utf-8", newline="\n") as file:
            yield file
    else:
        with atomic_path(path) as part, open(part, "x", encoding="utf-8", newline="\n") as file:
            yield file


@contextmanager
def _output_errors(path: Path, part: Path) -> Iterator[None]:
    """Turn what the system says of writing ``path`` by way of ``part`` into an OutputError."""
    if os.path.isdir(path):
        raise OutputError(f"{path}: is a folder; name a file in it")
    try:
        yield
    except RuntimeError as error:
        if not any(writer in str(error) for writer in ("PytorchStreamWriter", "inline_container")):
            raise
        raise OutputError(f"{path}: can't be written completely; check that there is space") from error  # torch.save
    except OSError as error:
        if error.filename not in (None, str(path), str(part)):
            raise  # about a file that the block reads, not the one it writes
        raise OutputError(
            f"{path}: can't be written ({error.strerror}); check that the folder exists, allows writing and has space"
        ) from error


@contextmanager
def output_lock(output: str | Path, beside: bool = False) -> Iterator[None]:
    """Hold an output for this process while the block runs.

    The system itself lets go of the lock when the process ends, however it ends, so that nothing is left to clear.
    The lock of a folder lies in it, that of a file beside it; both are removed at the end.

    Parameters
    ----------
    output : str or Path
        The file or, where it exists and is one, the folder that is written.
    beside : bool
        True puts the lock of a folder beside it too, for a folder that is replaced as a whole.

    Raises
    ------
    OutputError
        Another run writes there, or nothing can be written there.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, output_lock(f"{folder}/events.csv"):
    ...     with output_lock(f"{folder}/events.csv"):
    ...         pass  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    flam.core.errors.OutputError: ...events.csv: process ... writes there; wait until it is done, or name another output
    """
    from filelock import FileLock, Timeout  # only those who write files wait for this import

    path = _lock_path(Path(output), beside)
    if not path.parent.is_dir():
        raise OutputError(f"{output}: can't be written; folder {path.parent} does not exist, make it or choose another")
    holder = _holder(path)
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        problem = f"{holder} writes there; wait until it is done, or name another output"
        if not path.exists():
            problem = "can't be written; check that the folder allows writing"
        raise OutputError(f"{output}: {problem}") from None
    except OSError as error:
        raise OutputError(
            f"{output}: can't be written ({error.strerror}); check that the folder exists, allows writing and has space"
        ) from error
    try:
        with suppress(OSError):  # a full disk, or a system that keeps locked files from being written
            path.write_text(str(os.getpid()), encoding="ascii")
        yield
    finally:
        with suppress(OSError):  # a system on which an open file can't be removed
            path.unlink()
        lock.release()


def _lock_path(output: Path, beside: bool) -> Path:
    target = Path(os.path.realpath(output))
    return target / ".lock" if target.is_dir() and not beside else target.with_name(f".{target.name}.lock")


def _holder(path: Path) -> str:
    try:
        text = path.read_text(encoding="ascii")
    except (OSError, ValueError):
        text = ""
    return f"process {text}" if text.isdigit() else "another process"
