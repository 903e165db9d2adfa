"""Names of recordings: the recordings of a run, the name of each one's results, and the event lists of a folder."""

from __future__ import annotations

import glob
import hashlib
import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from flam.annotations import read_events
from flam.audio import RECORDING_SUFFIXES, find_recordings
from flam.core import AnnotationError, AudioError, ConfigError, Event

MOST_STEM_BYTES = 200  # of the 255 that file systems allow, before suffixes
PASSED_OVER = (".yaml", ".npz", ".png", ".md", ".html", ".parquet", ".sqlite")


@dataclass(frozen=True)
class Source:
    """A recording, and where it lies in the tree that the user named."""

    path: Path
    relative: Path


def find_sources(inputs: Iterable[str], on_problem: Callable[[str], None]) -> list[Source]:
    """List the recordings among files and folders, each once; missing ones are reported and skipped."""
    sources: dict[str, Source] = {}
    for name in _expanded(inputs, on_problem):
        root = Path(name)
        found = 0
        try:
            for path in find_recordings([root], on_problem):
                found += 1
                relative = path.relative_to(root) if os.path.isdir(root) else Path(path.name)
                sources.setdefault(os.path.realpath(path), Source(path, relative))
        except AudioError as error:
            on_problem(str(error))
            continue
        if not found:
            on_problem(f"{root}: no recordings in this folder or below; check the path and the files' suffixes")
    return list(sources.values())


def _expanded(inputs: Iterable[str], on_problem: Callable[[str], None]) -> Iterator[str]:
    """Names as they are, and wildcards as the shells of Windows leave them: every file that fits."""
    for name in inputs:
        if "://" in name:
            on_problem(f"{name}: is an address; fetch the recording first, then name the file")
        elif os.path.lexists(name) or not glob.has_magic(name):
            yield name
        elif fitting := sorted(glob.glob(name, recursive=True)):
            yield from fitting
        else:
            on_problem(f"{name}: no file fits this pattern; check it, or name the folder")


def name_results(sources: Iterable[Source], is_taken: Callable[[Source, Path], bool]) -> dict[Source, Path]:
    """Give each recording a path without suffix, relative to a results folder: the same tree, no two alike.

    ``walk/dog.wav`` becomes ``walk/dog``; where that name is gone, because of ``walk/dog.flac``, ``walk/dog.wav``; and
    then ``walk/dog.wav-2``. Names that leave no room for suffixes are cut, and end with a hash of the whole.

    Parameters
    ----------
    is_taken : Callable[[Source, Path], bool]
        tells whether the results folder keeps a name for another recording
    """
    names: dict[Source, Path] = {}
    gone: set[str] = set()
    for source in sources:
        full = source.relative.with_name(_cut(source.relative.stem) + source.relative.suffix)
        numbered = (full.with_name(f"{full.name}-{number}") for number in range(2, 10**9))
        for name in itertools.chain((full.with_suffix(""), full), numbered):
            key = str(name).casefold()  # names that differ only in case are one file on many systems
            if key not in gone and not is_taken(source, name):
                gone.add(key)
                names[source] = name
                break
    return names


def _cut(stem: str) -> str:
    encoded = os.fsencode(stem)
    if len(encoded) <= MOST_STEM_BYTES:
        return stem
    digest = hashlib.sha256(encoded).hexdigest()[:8]
    return f"{encoded[: MOST_STEM_BYTES - 9].decode('utf-8', 'ignore')}-{digest}"


def read_event_lists(path: str | Path, on_problem: Callable[[str], None]) -> dict[str, list[Event]]:
    """Read a file of events, or all such files of a folder and below.

    Parameters
    ----------
    path : str or Path
        A file in any format that is read, or a folder.
    on_problem : callable
        Told of each file of a folder that can't be read.

    Returns
    -------
    dict of str to list of Event
        By recording, see ``recording_key``; a recording without events has an empty list.

    Raises
    ------
    AnnotationError
        A single file can't be read.
    ConfigError
        Nothing is there.
    """
    path = Path(path)
    if not path.exists():
        raise ConfigError(f"{path}: no such file or folder of events; check the path")
    found: dict[str, list[Event]] = {}
    for file in _files(path):
        try:
            recordings = read_events(file)
        except AnnotationError as error:
            if not path.is_dir():
                raise
            on_problem(str(error))
            continue
        for recording in recordings:
            found.setdefault(recording_key(recording.recording), []).extend(recording.events)
    if not found:
        raise ConfigError(f"{path}: holds no event list; name a file or folder of events")
    return found


def recording_key(name: str) -> str:
    r"""What tells a recording from others: its name without folders of any system, suffix and case.

    Examples
    --------
    >>> recording_key(r"D:\site\Night.01.WAV"), recording_key("site/night.01")
    ('night.01', 'night.01')
    """
    path = Path(PureWindowsPath(name).name)
    is_audio = path.suffix.lower() in RECORDING_SUFFIXES
    return (path.stem if is_audio else path.name).casefold()


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    suffixes = (*PASSED_OVER, *RECORDING_SUFFIXES)
    return sorted(
        file
        for file in path.rglob("*")
        if file.is_file()
        and file.suffix.lower() not in suffixes
        and not any(part.startswith(".") for part in file.relative_to(path).parts)
    )
