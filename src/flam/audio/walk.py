"""Finding recordings: files as given, folders with everything below them."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from flam.core import AudioError

SUFFIXES = """
    .wav .wave .flac .ogg .oga .opus .mp3 .aif .aiff .aifc .au .snd .caf .w64 .rf64
    .m4a .m4b .mp4 .m4v .mov .mkv .mka .webm .aac .wma .wmv .avi .flv .3gp .amr .ac3 .mpg .mpeg .mts .m2ts
"""
RECORDING_SUFFIXES = frozenset(SUFFIXES.split())

logger = logging.getLogger(__name__)


def find_recordings(paths: Iterable[str | Path], on_problem: Callable[[str], None] = logger.warning) -> Iterator[Path]:
    """List the recordings among files and folders.

    A file is given back as it is, whatever its name. A folder is walked in sorted order; hidden files and folders are
    skipped, and so is every file whose suffix is not one of audio or video. Linked folders are followed, each once.

    Parameters
    ----------
    paths : Iterable[str | Path]
        files and folders
    on_problem : Callable[[str], None], optional
        told, in one line, of a folder below that can't be listed and of a link that leads nowhere; the walk goes on
        without them; by default a logged warning

    Returns
    -------
    Iterator[Path]
        iterator of paths, in the order of ``paths``

    Raises
    ------
    AudioError
        one of ``paths`` does not exist, or is a folder that can't be listed

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("b.wav", "a.MP3", "notes.txt", ".hidden.wav"):
    ...         _ = Path(folder, name).write_bytes(b"")
    ...     [path.name for path in find_recordings([folder])]
    ['a.MP3', 'b.wav']
    """
    for path in map(Path, paths):
        if os.path.isdir(path):
            yield from _walk(path, _list(path), set(), on_problem)
        else:
            _require_existing(path)
            yield path


def _require_existing(path: Path) -> None:
    try:
        os.lstat(path)
    except FileNotFoundError as error:
        raise AudioError(f"{path}: no such file or folder; check the path") from error
    except OSError as error:
        raise AudioError(f"{path}: can't be reached ({error.strerror}); check the path and its permissions") from error


def _walk(
    folder: Path, names: list[str], seen: set[tuple[int, int]], on_problem: Callable[[str], None]
) -> Iterator[Path]:
    status = folder.stat()
    identity = (status.st_dev, status.st_ino)
    if identity in seen:
        return
    seen.add(identity)
    # os.path, not Path: a Path raises where a folder may be listed but not entered
    for path in (folder / name for name in names):
        if os.path.isdir(path):
            try:
                below = _list(path)
            except AudioError as error:
                on_problem(str(error))
                continue
            yield from _walk(path, below, seen, on_problem)
        elif path.suffix.lower() in RECORDING_SUFFIXES:
            if os.path.isfile(path):
                yield path
            elif os.path.islink(path) and not os.path.exists(path):
                on_problem(f"{path}: is a link that leads nowhere; restore what it points to, or remove it")


def _list(folder: Path) -> list[str]:
    """Names in a folder, sorted, without hidden ones."""
    try:
        os.stat(os.path.join(folder, os.curdir))  # fails for a folder that may be listed but not entered
        return sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except OSError as error:
        raise AudioError(f"{folder}: can't be listed ({error.strerror}); check its permissions") from error
