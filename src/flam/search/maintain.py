"""Keeping an archive in order: joining small segments, taking out frames that nobody needs, checking, repairing."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from flam.core import FlamError, OutputError, to_mapping
from flam.core.files import output_lock
from flam.core.progress import Progress
from flam.search.axes import SearchAxes
from flam.search.catalogue import ArchiveSettings, Catalogue
from flam.search.codec import Codec
from flam.search.layout import OPEN_PREFIX, ArchiveFolder
from flam.search.recordings import Recording
from flam.search.segment import HEADER, Segment, SegmentHeader, SegmentWriter, changed_files, read_header

LARGE_FRAMES = 4_000_000


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
        settings = catalogue.settings()
        codec = archive.codec(settings)
        contents = catalogue.contents()
        archive.sweep(set(contents.segments.values()))
        before = _size(archive, contents.segments.values())
        groups = _groups(contents.segment_frames, contents.recordings)
        total = sum(row.n_frames for group in groups for number in group for row in contents.recordings[number])
        done = 0
        for group in groups:
            rows = [(number, row) for number in group for row in contents.recordings[number]]
            if not rows:
                catalogue.drop_segments(group)
                continue
            try:
                name, header = _joined(archive, codec, settings, contents.segments, rows)
            except OSError as error:
                raise OutputError(
                    f"{archive.path}: archive can't be compacted ({error.strerror}); make space for a copy of its "
                    "largest segment and run the same command again"
                ) from error
            catalogue.add_segment(name, header, replaced=group)
            done += header.n_frames
            progress(done, total)
        after = catalogue.contents().segments
        archive.sweep(set(after.values()))
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


def repair_archive(archive: ArchiveFolder) -> list[Problem]:
    """Take damaged segments out, and make a damaged catalogue again from the segments.

    Returns
    -------
    list of Problem
        What was taken out; the next build adds those recordings again.

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
        except (FlamError, ValueError):
            _make_catalogue(archive)
        problems = list(check_archive(archive))
        with Catalogue.open(archive.catalogue_path, write=True) as catalogue:
            numbers = {name: number for number, name in catalogue.contents().segments.items()}
            catalogue.drop_segments(numbers[problem.segment] for problem in problems)
            archive.sweep(set(catalogue.contents().segments.values()))
    return problems


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
                catalogue.add_segment(folder.name, header)
                n_adopted += 1
        return n_adopted


def _groups(n_frames: dict[int, int], recordings: dict[int, list[Recording]]) -> list[list[int]]:
    """Segments to make one of, each with its neighbours in age; those that are fine as they are in none."""
    groups: list[list[int]] = []
    open_frames = LARGE_FRAMES + 1
    for number, rows in recordings.items():
        n_live = sum(row.n_frames for row in rows)
        if open_frames + n_live > LARGE_FRAMES:
            groups.append([])
            open_frames = 0
        groups[-1].append(number)
        open_frames += n_live
    return [
        group
        for group in groups
        if len(group) > 1 or n_frames[group[0]] > sum(row.n_frames for row in recordings[group[0]])
    ]


def _joined(
    archive: ArchiveFolder,
    codec: Codec,
    settings: ArchiveSettings,
    names: dict[int, str],
    rows: list[tuple[int, Recording]],
) -> tuple[str, SegmentHeader]:
    writer = SegmentWriter(archive.new_segment_path(), codec, settings.model_id, to_mapping(settings))
    try:
        opened: dict[int, Segment] = {}
        for number, recording in rows:
            if number not in opened:
                opened[number] = Segment(archive.segments_path / names[number], codec)
            writer.copy_recording(opened[number], recording)
        header = writer.finish()
        return archive.publish(writer.folder), header
    except BaseException:
        writer.discard()
        raise


def _damage(folder: Path, codec: Codec, settings: ArchiveSettings) -> str | None:
    try:
        header = Segment(folder, codec).header
    except FlamError as error:
        return str(error)
    if header.model_id != settings.model_id:
        return f"made with model {header.model_id}, the archive with {settings.model_id}"
    changed = list(changed_files(folder, header))
    return f"{', '.join(changed)} changed since it was written" if changed else None


def _make_catalogue(archive: ArchiveFolder) -> None:
    """Make a catalogue of what the segments say of themselves; of a recording in several, the newest counts."""
    SearchAxes.load(archive.axes_path)  # without axes the segments mean nothing
    headers = []
    for folder in sorted(archive.segments_path.glob("*"), key=lambda path: path.stat().st_mtime_ns):
        if not folder.name.startswith(OPEN_PREFIX):
            try:
                headers.append((folder.name, read_header(folder)))
            except FlamError:
                continue
    settings = next((header.settings for _, header in headers if header.settings), None)
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
        for name, header in headers:
            catalogue.add_segment(name, header)
    os.replace(part, archive.catalogue_path)  # whole or not at all: what it does not name would be swept away


def _size(archive: ArchiveFolder, names: Iterable[str]) -> int:
    return sum(path.stat().st_size for name in names for path in (archive.segments_path / name).glob("*"))
