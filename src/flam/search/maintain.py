"""Keeping an archive in order: joining small segments, taking out frames that nobody needs, checking, repairing."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from flam.core import FlamError
from flam.core.files import output_lock
from flam.core.progress import Progress
from flam.search.catalogue import ArchiveSettings, Catalogue, Contents
from flam.search.codec import Codec
from flam.search.joining import grouped, join, join_small
from flam.search.layout import OPEN_PREFIX, ArchiveFolder
from flam.search.segment import HEADER, DamagedSegmentError, Segment, changed_files, read_header, read_recordings


@dataclass(frozen=True)
class Compacted:
    """What compacting came to: segments and bytes before and after."""

    n_before: int
    n_after: int
    bytes_before: int
    bytes_after: int


@dataclass(frozen=True)
class Problem:
    """A segment that is not as it was written.

    Parameters
    ----------
    segment : str
        Name of its folder.
    reason : str
        What is wrong, in one line.
    n_recordings : int
        Recordings that a repair takes out, for the next build to add again.
    """

    segment: str
    reason: str
    n_recordings: int


def compact_archive(archive: ArchiveFolder, progress: Progress = lambda done, total: None) -> Compacted:
    """Join small segments and drop the frames of recordings that changed or went.

    Each new segment takes the place of old ones in one step, so that a stop costs no more than the work on it.

    Parameters
    ----------
    archive : ArchiveFolder
        An archive that exists.
    progress : callable
        Called with the number of frames done and of all to copy.

    Raises
    ------
    OutputError
        The archive can't be written, or is being written by another.
    FlamError
        A segment is damaged.
    """
    with output_lock(archive.path), Catalogue.open(archive.catalogue_path, write=True) as catalogue:
        contents = catalogue.contents()
        archive.sweep(set(contents.segments.values()))
        before = _size(archive, contents.segments.values())
        join(archive, catalogue, contents, _wasteful(contents), progress)
        after = catalogue.contents().segments
        return Compacted(len(contents.segments), len(after), before, _size(archive, after.values()))


def check_archive(archive: ArchiveFolder) -> Iterator[Problem]:
    """Compare every file of an archive with its checksum.

    Raises
    ------
    FlamError
        The catalogue can't be read.
    """
    with Catalogue.open(archive.catalogue_path) as catalogue:
        settings, contents = catalogue.settings(), catalogue.contents()
    codec = archive.codec(settings)
    for number, name in contents.segments.items():
        reason = _damage(archive.segments_path / name, codec, settings)
        if reason is not None:
            yield Problem(name, reason, len(contents.recordings[number]))


@dataclass(frozen=True)
class Repaired:
    """What a repair came to.

    Parameters
    ----------
    problems : list of Problem
        What was taken out; the next build adds those recordings again.
    made_catalogue : bool
        Whether the catalogue was made again.
    """

    problems: list[Problem]
    made_catalogue: bool


def repair_archive(archive: ArchiveFolder) -> Repaired:
    """Take damaged segments out, and make a damaged catalogue again from the segments.

    Raises
    ------
    FlamError
        Neither catalogue nor segments can be read.
    """
    with output_lock(archive.path):
        try:
            with Catalogue.open(archive.catalogue_path) as catalogue:
                catalogue.settings()
                catalogue.contents()
            made_catalogue = False
        except (FlamError, ValueError):
            _make_catalogue(archive)
            made_catalogue = True
        problems = list(check_archive(archive))
        with Catalogue.open(archive.catalogue_path, write=True) as catalogue:
            numbers = {name: number for number, name in catalogue.contents().segments.items()}
            catalogue.drop_segments(numbers[problem.segment] for problem in problems)
            archive.sweep(set(catalogue.contents().segments.values()))
            join_small(archive, catalogue)
    return Repaired(problems, made_catalogue)


def adopt_segments(archive: ArchiveFolder) -> int:
    """Let finished segments count that lie in an archive without its catalogue naming them, as a bulk job leaves them.

    Returns
    -------
    int
        How many.
    """
    with output_lock(archive.path), Catalogue.open(archive.catalogue_path, write=True) as catalogue:
        known, model_id = set(catalogue.contents().segments.values()), catalogue.settings().model_id
        n_adopted = 0
        for folder in sorted(archive.segments_path.iterdir()):
            if folder.name in known or folder.name.startswith(OPEN_PREFIX) or not (folder / HEADER).exists():
                continue
            header = read_header(folder)
            if header.model_id == model_id:
                catalogue.add_segment(folder.name, header.n_frames, read_recordings(folder))
                n_adopted += 1
        join_small(archive, catalogue)
        return n_adopted


def _wasteful(contents: Contents) -> list[list[int]]:
    """The groups of segments to make one of, without segments that are fine as they are."""
    return [
        group
        for group in grouped(contents, contents.segments)
        if len(group) > 1 or contents.segment_frames[group[0]] > sum(r.n_frames for r in contents.recordings[group[0]])
    ]


def _damage(folder: Path, codec: Codec, settings: ArchiveSettings) -> str | None:
    try:
        header = Segment(folder, codec).header
    except DamagedSegmentError as error:
        return error.reason
    if header.model_id != settings.model_id:
        return f"made with model {header.model_id}, the archive with {settings.model_id}"
    changed = list(changed_files(folder, header))
    return f"{', '.join(changed)} changed since it was written" if changed else None


def _make_catalogue(archive: ArchiveFolder) -> None:
    """Make a catalogue of what the segments say of themselves; of a recording in several, the newest counts."""
    archive.axes()  # without axes the segments mean nothing
    headers = []
    for folder in sorted(archive.segments_path.glob("*"), key=lambda path: path.stat().st_mtime_ns):
        if not folder.name.startswith(OPEN_PREFIX):
            try:
                headers.append((folder.name, read_header(folder), read_recordings(folder)))
            except FlamError:
                continue
    settings = next((header.settings for _, header, _ in headers if header.settings), None)
    if settings is None:
        raise FlamError(
            f"{archive.path}: neither its catalogue nor a segment can be read; delete the folder and build it again"
        )
    damaged = archive.catalogue_path.with_suffix(".damaged")
    for suffix in ("", "-wal", "-shm"):
        path = archive.catalogue_path.with_name(archive.catalogue_path.name + suffix)
        if path.exists():
            os.replace(path, damaged.with_name(damaged.name + suffix))
    part = archive.path / f".{secrets.token_hex(8)}.part"
    with Catalogue.create(part, ArchiveSettings(**settings)) as catalogue:
        for name, header, recordings in headers:
            catalogue.add_segment(name, header.n_frames, recordings)
    os.replace(part, archive.catalogue_path)  # whole or not at all: what it does not name would be swept away


def _size(archive: ArchiveFolder, names: Iterable[str]) -> int:
    return sum(path.stat().st_size for name in names for path in (archive.segments_path / name).glob("*"))
