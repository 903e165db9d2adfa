"""Recordings and results in any store that fsspec reaches: finding them, naming them, bringing them here."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import fsspec
from fsspec.implementations.local import LocalFileSystem

from flam.audio import RECORDING_SUFFIXES
from flam.core import AudioError
from flam.search.changes import absolute


def find_urls(roots: Iterable[str]) -> list[str]:
    """All recordings below URLs, sorted.

    Raises
    ------
    AudioError
        A URL that leads nowhere.
    """
    found = []
    for root in roots:
        store, path = fsspec.core.url_to_fs(root)
        if not store.exists(path):
            raise AudioError(f"{root}: no such file or folder; check the URL and your access to it")
        names = store.find(path) if store.isdir(path) else [path]
        found += [
            store.unstrip_protocol(name)
            for name in names
            if PurePosixPath(name).suffix.lower() in RECORDING_SUFFIXES and "/." not in name.removeprefix(path)
        ]
    return sorted(set(found))


def result_name(url: str) -> str:
    """A name for the results of a recording, safe in any store."""
    return hashlib.sha256(url.encode("utf-8", "surrogateescape")).hexdigest()[:24]


def catalogue_path(url: str) -> str:
    """What an archive calls a recording: a file of this machine by its path, as ``flam index build`` does."""
    store, path = fsspec.core.url_to_fs(url)
    return absolute(Path(path)) if is_local(store) else url


def relative_path(url: str, root: str) -> str:
    """Where a recording lies below a root, without its suffix."""
    path, folder = fsspec.core.url_to_fs(url)[1], fsspec.core.url_to_fs(root)[1].rstrip("/")
    inner = path.removeprefix(f"{folder}/") if path.startswith(f"{folder}/") else PurePosixPath(path).name
    return str(PurePosixPath(inner).with_suffix(""))


class local_copy:
    """A recording as a file of this machine, within a ``with``: the file itself, or a copy that goes away."""

    def __init__(self, url: str):
        self._url = url
        self._folder: Path | None = None

    def __enter__(self) -> Path:
        store, path = fsspec.core.url_to_fs(self._url)
        if is_local(store):
            return Path(path)
        self._folder = Path(tempfile.mkdtemp())
        copy = self._folder / PurePosixPath(path).name
        store.get_file(path, str(copy))
        return copy

    def __exit__(self, *_: object) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def is_local(store: fsspec.AbstractFileSystem) -> bool:
    """Whether a store is the file system of this machine."""
    return isinstance(store, LocalFileSystem)
