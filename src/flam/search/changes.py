"""What has happened to a folder of recordings since an archive read it: new, changed, moved, touched and gone files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from flam.search.recordings import Recording


@dataclass(frozen=True)
class Changes:
    """What a build has to do.

    Parameters
    ----------
    to_encode : tuple of Path
        New and changed recordings.
    touched : tuple of (str, Recording)
        Recordings that hold what they held under another path or with another time of change: path until now, and
        what is to be written down.
    gone : tuple of str
        Paths of recordings that no longer exist.
    n_unchanged : int
        Recordings that need nothing.
    """

    to_encode: tuple[Path, ...]
    touched: tuple[tuple[str, Recording], ...]
    gone: tuple[str, ...]
    n_unchanged: int


def find_changes(
    known: Mapping[str, Recording],
    found: Iterable[Path],
    folders: Sequence[Path],
    on_problem: Callable[[str], None],
) -> Changes:
    """Compare recordings on the disk with those of an archive.

    Parameters
    ----------
    known : mapping of str to Recording
        The archive's recordings by path.
    found : iterable of Path
        Recordings that lie in ``folders`` now.
    folders : sequence of Path
        Where they were looked for; recordings elsewhere stay as they are.
    on_problem : callable
        Told, in one line, of a file that can't be reached.

    Returns
    -------
    Changes
    """
    unknown: list[tuple[Path, os.stat_result]] = []
    touched: list[tuple[str, Recording]] = []
    to_encode: list[Path] = []
    present: set[str] = set()
    n_unchanged = 0
    for path in found:
        key = absolute(path)
        if key in present:
            continue
        try:
            status = os.stat(path)
            earlier = known.get(key)
            present.add(key)
            if earlier is None:
                unknown.append((path, status))
            elif (earlier.size_bytes, earlier.mtime_ns) == (status.st_size, status.st_mtime_ns):
                n_unchanged += 1
            elif earlier.size_bytes == status.st_size and earlier.content_hash == content_hash(path):
                touched.append((key, replace(earlier, mtime_ns=status.st_mtime_ns)))
            else:
                to_encode.append(path)
        except OSError as error:
            on_problem(f"{path}: can't be read ({error.strerror}); check that it is still there")
    roots = [absolute(folder) for folder in folders]
    gone = {
        key: recording
        for key, recording in known.items()
        if key not in present and any(is_within(key, root) for root in roots) and not os.path.lexists(key)
    }
    vanished_by_size: dict[int, list[Recording]] = {}
    for key, recording in known.items():
        # a file may have come here from a folder that this build does not look at
        if key in gone or (key not in present and not os.path.lexists(key)):
            vanished_by_size.setdefault(recording.size_bytes, []).append(recording)
    for path, status in unknown:
        candidates = vanished_by_size.get(status.st_size, [])
        moved = _with_content(candidates, path) if candidates else None
        if moved is None:
            to_encode.append(path)
        else:
            candidates.remove(moved)
            gone.pop(moved.path, None)
            touched.append((moved.path, replace(moved, path=absolute(path), mtime_ns=status.st_mtime_ns)))
    return Changes(tuple(to_encode), tuple(touched), tuple(gone), n_unchanged)


def absolute(path: Path) -> str:
    """A path as the catalogue keeps it: absolute, links in it followed."""
    return os.path.realpath(path)


def is_within(path: str, root: str) -> bool:
    """Whether a path is a folder or below it.

    Examples
    --------
    >>> is_within("/a/b.wav", "/a"), is_within("/ab.wav", "/a")
    (True, False)
    """
    return path == root or path.startswith(root.rstrip(os.sep) + os.sep)


def content_hash(path: Path) -> str:
    """Hash of what a file holds.

    Raises
    ------
    OSError
        It can't be read.
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _with_content(candidates: Sequence[Recording], path: Path) -> Recording | None:
    try:
        found = content_hash(path)
    except OSError:
        return None  # encoding it will tell why
    return next((recording for recording in candidates if recording.content_hash == found), None)
