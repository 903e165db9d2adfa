"""Finding recordings: files as given, folders with everything below them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from flam.core import AudioError

SUFFIXES = """
    .wav .wave .flac .ogg .oga .opus .mp3 .aif .aiff .aifc .au .snd .caf .w64 .rf64
    .m4a .m4b .mp4 .m4v .mov .mkv .mka .webm .aac .wma .wmv .avi .flv .3gp .amr .ac3 .mpg .mpeg .mts .m2ts
"""
RECORDING_SUFFIXES = frozenset(SUFFIXES.split())


def find_recordings(paths: Iterable[str | Path]) -> Iterator[Path]:
    """List the recordings among files and folders.

    A file is given back as it is, whatever its name. A folder is walked in sorted order; hidden files and folders are
    skipped, and so is every file whose suffix is not one of audio or video. Linked folders are followed, each once.

    Parameters
    ----------
    paths : files and folders

    Returns
    -------
    iterator of paths, in the order of ``paths``

    Raises
    ------
    AudioError : a path does not exist, or a folder can't be listed

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("b.wav", "a.MP3", "notes.txt", ".hidden.wav"):
    ...         _ = Path(folder, name).write_bytes(b"")
    ...     [path.name for path in find_recordings([folder])]
    ['a.MP3', 'b.wav']
    """
    for path in map(Path, paths):
        if path.is_dir():
            yield from _walk(path, set())
        elif path.exists():
            yield path
        else:
            raise AudioError(f"{path}: no such file or folder; check the path")


def _walk(folder: Path, seen: set[tuple[int, int]]) -> Iterator[Path]:
    try:
        status = folder.stat()
        names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except OSError as error:
        raise AudioError(f"{folder}: can't be listed ({error.strerror}); check its permissions") from error
    identity = (status.st_dev, status.st_ino)
    if identity in seen:
        return
    seen.add(identity)
    for path in (folder / name for name in names):
        if path.is_dir():
            yield from _walk(path, seen)
        elif path.suffix.lower() in RECORDING_SUFFIXES and path.is_file():
            yield path
