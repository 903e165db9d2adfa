"""Joining small segments into large ones: a search opens every segment, so an archive should have few."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence

from flam.core import OutputError, to_mapping
from flam.core.progress import Progress
from flam.search.catalogue import Catalogue, Contents
from flam.search.layout import ArchiveFolder
from flam.search.segment import Segment, SegmentWriter

LARGE_FRAMES = 4_000_000
# a build joins segments by itself when it has left this many that are not even half as large
MOST_SMALL = 16


def join_small(archive: ArchiveFolder, catalogue: Catalogue) -> None:
    """Join the small segments of an archive, if there are many; only for whoever holds its lock.

    Raises
    ------
    OutputError
        The archive can't be written.
    FlamError
        A segment is damaged.
    """
    if catalogue.n_segments_below(LARGE_FRAMES // 2) < MOST_SMALL:
        return
    contents = catalogue.contents()
    small = [number for number, n_frames in contents.segment_frames.items() if n_frames < LARGE_FRAMES // 2]
    join(archive, catalogue, contents, [group for group in grouped(contents, small) if len(group) > 1])


def grouped(contents: Contents, numbers: Iterable[int]) -> list[list[int]]:
    """Put segments into groups of at most ``LARGE_FRAMES`` frames that count, in the order of their age."""
    groups: list[list[int]] = []
    open_frames = LARGE_FRAMES + 1
    for number in numbers:
        n_frames = sum(row.n_frames for row in contents.recordings[number])
        if open_frames + n_frames > LARGE_FRAMES:
            groups.append([])
            open_frames = 0
        groups[-1].append(number)
        open_frames += n_frames
    return groups


def join(
    archive: ArchiveFolder,
    catalogue: Catalogue,
    contents: Contents,
    groups: Sequence[Sequence[int]],
    progress: Progress = lambda done, total: None,
) -> None:
    """Make one segment of each group, without the frames of recordings that changed or went.

    Each new segment takes the place of old ones in one step, so that a stop costs no more than the work on it.

    Parameters
    ----------
    archive, catalogue : ArchiveFolder, Catalogue
        Of an archive whose lock is held.
    contents : Contents
        Of the catalogue.
    groups : sequence of sequence of int
        Numbers of segments.
    progress : callable
        Called with the number of frames done and of all to copy.
    """
    total = sum(row.n_frames for group in groups for number in group for row in contents.recordings[number])
    done = 0
    for group in groups:
        if not any(contents.recordings[number] for number in group):
            catalogue.drop_segments(group)
        else:
            try:
                writer = _copied(archive, catalogue, contents, group)
                name = archive.publish(writer.folder)
            except OSError as error:
                raise OutputError(
                    f"{archive.path}: segments can't be joined ({error.strerror}); make space for a copy of the "
                    "largest segment and run the same command again"
                ) from error
            catalogue.add_segment(name, writer.n_frames, writer.recordings, replaced=group)
            done += writer.n_frames
            progress(done, total)
        for number in group:
            shutil.rmtree(archive.segments_path / contents.segments[number], ignore_errors=True)


def _copied(archive: ArchiveFolder, catalogue: Catalogue, contents: Contents, group: Sequence[int]) -> SegmentWriter:
    settings = catalogue.settings()
    codec = archive.codec(settings)
    writer = SegmentWriter(archive.new_segment_path(), codec, settings.model_id, to_mapping(settings))
    try:
        for number in group:
            # one at a time: an open segment holds files, of which a process may have only so many
            source = Segment(archive.segments_path / contents.segments[number], codec)
            for recording in contents.recordings[number]:
                writer.copy_recording(source, recording)
        writer.finish()
    except BaseException:
        writer.discard()
        raise
    return writer
