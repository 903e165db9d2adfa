"""One writer for each output: a second run on the same place is refused and told whose it is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from flam.core.errors import OutputError


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
