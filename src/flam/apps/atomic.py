"""A file of any kind that appears under its name only once it is complete."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flam.core import OutputError


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` that replaces it when the block ends, and is removed when it fails.

    Raises
    ------
    OutputError : no permission, no such folder, no space, or the path is a folder
    """
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        if path.is_dir():
            raise OutputError(f"{path}: is a folder; name a file in it")
        try:
            yield part
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        if error.filename not in (None, str(path), str(part)):
            raise  # about a file that the block reads, not the one it writes
        raise OutputError(
            f"{path}: can't be written ({error.strerror}); check that the folder exists, allows writing and has space"
        ) from error
