"""Adding recordings to an archive: what is new and changed is encoded, what moved or went is noted."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flam.audio import find_recordings
from flam.audio.start_time import start_time
from flam.core import AudioError, OutputError, to_mapping
from flam.core.files import output_lock
from flam.core.processes import each_file
from flam.core.progress import Progress
from flam.jobs.workers import choose_jobs
from flam.search.catalogue import Catalogue
from flam.search.changes import Changes, find_changes
from flam.search.encode import EncodedPart, Encoder, remove_part
from flam.search.joining import join_small
from flam.search.layout import ArchiveFolder
from flam.search.recordings import Recording
from flam.search.segment import Segment, SegmentWriter, read_recordings

# A segment is closed when it holds as much as this or has been open as long: a stop costs no more than that.
MOST_FRAMES = 1_000_000
MOST_SECONDS = 30.0


@dataclass
class BuildTotals:
    """What a build came to.

    Parameters
    ----------
    n_encoded, n_unchanged, n_touched, n_gone, n_failed : int
        Recordings.
    n_samples : int
        Encoded, at the model's rate.
    was_interrupted : bool
        Whether Ctrl-C ended it.
    """

    n_encoded: int = 0
    n_unchanged: int = 0
    n_touched: int = 0
    n_gone: int = 0
    n_failed: int = 0
    n_samples: int = 0
    was_interrupted: bool = False


@dataclass(frozen=True)
class BuildReport:
    """Callbacks for what happens during a build.

    Parameters
    ----------
    error : callable
        Told, in one line, of a recording that failed.
    warning : callable
        Told of a recording that could be read only in part.
    progress : callable
        Called with the number of recordings done and of all to encode.
    """

    error: Callable[[str], None]
    warning: Callable[[str], None]
    progress: Progress = lambda done, total: None


def build_archive(
    archive: ArchiveFolder,
    folders: Sequence[Path],
    encoder: Encoder,
    jobs: int | None,
    report: BuildReport,
    skip: Callable[[Path], bool] = lambda path: False,
) -> BuildTotals:
    """Bring an archive up to date with folders of recordings.

    Whatever stops it, also the loss of power, costs the segment that is being written; running it again resumes.

    Parameters
    ----------
    archive : ArchiveFolder
        An archive that exists.
    folders : sequence of Path
        Folders and files; recordings of the archive outside of them stay as they are.
    encoder : Encoder
        Of the archive's model.
    jobs : int, optional
        Processes; 1 encodes in this one. None takes one for few recordings and one per core for many.
    report : BuildReport
        Told of what happens.
    skip : callable
        Which new recordings to leave for later.

    Returns
    -------
    BuildTotals

    Raises
    ------
    OutputError
        The archive can't be written, or another build is writing it.
    """
    totals = BuildTotals()
    with output_lock(archive.path), Catalogue.open(archive.catalogue_path, write=True) as catalogue:
        archive.sweep(set(catalogue.contents().segments.values()))

        def failed(message: str) -> None:
            totals.n_failed += 1
            report.error(message)

        changes = _changes(catalogue, folders, encoder, failed)
        catalogue.update_recordings(changes.gone, changes.touched)
        totals.n_unchanged, totals.n_touched = changes.n_unchanged, len(changes.touched)
        totals.n_gone = len(changes.gone)
        to_encode = [path for path in changes.to_encode if not skip(path)]
        joiner = _Joiner(archive, catalogue, encoder, to_mapping(catalogue.settings()))
        try:
            n_jobs = choose_jobs(jobs, len(to_encode))
            work = encoder if n_jobs == 1 else replace(encoder, n_threads=1)
            parts = each_file(to_encode, work, work.crashed, 0 if n_jobs == 1 else n_jobs)
            for number, (_, part) in enumerate(parts, start=1):
                if part.is_fatal:
                    raise OutputError(part.error)
                if part.folder is None:
                    failed(part.error)
                else:
                    recording = joiner.add(part)
                    for problem in recording.problems:
                        report.warning(problem)
                    totals.n_encoded += 1
                    totals.n_samples += recording.n_samples
                report.progress(number, len(to_encode))
        except KeyboardInterrupt:
            totals.was_interrupted = True
        except OSError as error:
            joiner.discard()
            raise _full(archive, error) from error
        except BaseException:
            joiner.discard()
            raise
        joiner.close()
        archive.sweep(set(catalogue.contents().segments.values()))
    return totals


def _changes(catalogue: Catalogue, folders: Sequence[Path], encoder: Encoder, failed: Callable[[str], None]) -> Changes:
    known = {recording.path: recording for rows in catalogue.contents().recordings.values() for recording in rows}
    found: list[Path] = []
    reachable: list[Path] = []
    for folder in folders:
        try:
            found.extend(find_recordings([folder], failed))
            reachable.append(folder)
        except AudioError as error:
            failed(str(error))  # a disk that is not plugged in: its recordings stay in the archive
    changes = find_changes(known, found, reachable, failed)
    touched = [(before, now if now.path == before else _started(now, encoder)) for before, now in changes.touched]
    return replace(changes, touched=tuple(touched))


def _started(recording: Recording, encoder: Encoder) -> Recording:
    began = start_time(recording.path, encoder.time_zone)
    return replace(recording, start_time=None if began is None else began.isoformat())


class _Joiner:
    """Joins parts into segments and makes each segment count."""

    def __init__(self, archive: ArchiveFolder, catalogue: Catalogue, encoder: Encoder, settings: dict[str, Any]):
        self._archive, self._catalogue, self._encoder, self._settings = archive, catalogue, encoder, settings
        self._writer: SegmentWriter | None = None
        self._opened_s = 0.0
        self._parts: list[EncodedPart] = []

    def add(self, part: EncodedPart) -> Recording:
        assert part.folder is not None
        if self._writer is None:
            path = self._archive.new_segment_path()
            self._writer = SegmentWriter(path, self._encoder.codec, self._encoder.model_id, self._settings)
            self._opened_s = time.monotonic()
        source = Segment(part.folder, self._encoder.codec)
        [recording] = read_recordings(part.folder)
        placed = self._writer.copy_recording(source, recording)
        self._parts.append(part)
        if self._writer.n_frames >= MOST_FRAMES or time.monotonic() - self._opened_s >= MOST_SECONDS:
            self.close()
        return placed

    def close(self) -> None:
        """Finish the open segment and let readers see it."""
        if self._writer is None:
            return
        writer = self._writer
        try:
            writer.finish()
            name = self._archive.publish(writer.folder)
        except OSError as error:
            self.discard()
            raise _full(self._archive, error) from error
        self._writer = None
        self._catalogue.add_segment(name, writer.n_frames, writer.recordings)
        for part in self._parts:
            remove_part(part)
        self._parts.clear()
        join_small(self._archive, self._catalogue)

    def discard(self) -> None:
        if self._writer is not None:
            with suppress(OSError):
                self._writer.discard()
            self._writer = None


def _full(archive: ArchiveFolder, error: OSError) -> OutputError:
    return OutputError(
        f"{archive.path}: archive can't be written ({error.strerror}); make space and run the same command again, it "
        "goes on where it was"
    )
