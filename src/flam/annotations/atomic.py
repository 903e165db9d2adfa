"""A text file that appears under its name only once it is complete."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from flam.core import OutputError


@contextmanager
def atomic_text(path: Path) -> Iterator[TextIO]:
    """Open a UTF-8 text file that replaces ``path`` when the block ends, and leaves it untouched when it fails.

    A device or a pipe, which can't be replaced, is written directly.

    Raises
    ------
    OutputError : no permission, no such folder, no space, or the path is a folder
    """
    part = Path(os.path.realpath(path)).with_name(f".{secrets.token_hex(8)}.part")
    try:
        if path.is_dir():
            raise OutputError(f"{path}: is a folder; name a file in it")
        if path.exists() and not path.is_file():
            with open(path, "w", encoding="utf-8", newline="\n") as file:
                yield file
            return
        try:
            with open(part, "x", encoding="utf-8", newline="\n") as file:
                yield file
            os.replace(part, os.path.realpath(path))  # the file behind a link, so that the link stays
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        if error.filename not in (None, str(path), str(part)):
            raise  # about a file that the block reads, not the one it writes
        raise OutputError(
            f"{path}: can't be written ({error.strerror}); check that the folder exists, allows writing and has space"
        ) from error
