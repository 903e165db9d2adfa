"""Many recordings, one after the other: a bad one never stops the rest, and what is finished is not done again."""

from __future__ import annotations

import itertools
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from flam.annotations import FORMATS, read_events, write_events
from flam.annotations.table import write_ranking
from flam.core import AnnotationError, OutputError, RecordingEvents, atomic_text, output_lock
from flam.core.progress import Reporter
from flam.core.terminal import TerminalWriter, escape_unencodable
from flam.jobs.analysis import Extras, written_name
from flam.jobs.cutting import ClipCutter
from flam.jobs.inputs import Source
from flam.jobs.manifest import Finished, ResultsFolder, make_folder
from flam.jobs.outputs import Output, Selection, passing_through, select_events
from flam.jobs.settings import DetectSettings
from flam.jobs.workers import Task, WorkerPool, attempt

if TYPE_CHECKING:
    from flam.detection import Detector

MOST_NOTES = 5


@dataclass
class Totals:
    """What a run has come to."""

    n_done: int = 0
    n_kept: int = 0
    n_failed: int = 0
    n_events: int = 0
    n_without_start: int = 0
    heard_s: float = 0.0


class Run:
    """One ``flam detect`` with its model loaded.

    Parameters
    ----------
    detector : Detector
        finds the events
    settings : DetectSettings
        what to find
    names : dict[Source, Path]
        each recording's path without suffix among the results
    extras : Callable[[Path], Extras]
        where a recording's picture and scores go, by that path
    reporter : Reporter
        told of everything on the way
    selection : Selection, optional
        which events a list of all recordings holds
    cut : ClipCutter, optional
        cuts the events that are written out of each recording
    """

    def __init__(
        self,
        detector: Detector,
        settings: DetectSettings,
        names: dict[Source, Path],
        extras: Callable[[Path], Extras],
        reporter: Reporter,
        selection: Selection = Selection(),  # noqa: B008 - frozen
        cut: ClipCutter | None = None,
    ):
        self.detector = detector
        self.settings = settings
        self.names = names
        self.extras = extras
        self.reporter = reporter
        self.selection = selection
        self.cut = cut
        self._has_clips = cut is not None and cut.folder.exists()  # before this run made any
        self.pool: WorkerPool | None = None  # None works in this process
        self.totals = Totals()
        self.was_interrupted = False
        self._results: ResultsFolder | None = None

    def stream(self, path: Path | None, format: str) -> None:
        """Write each recording's events to stdout or a device as soon as they are found.

        Raises
        ------
        OutputError
            the device or an extra can't be written
        """
        if path is not None:
            self._write(self._found(), path, format)
            return
        escape_unencodable(sys.stdout)
        encoding = sys.stdout.encoding or "utf-8"
        odd = [source.path for source in self.names if not _can_be_written(source.path, encoding)]
        for place in odd[:MOST_NOTES]:
            self.reporter.say(f"note: {place}: its name holds characters that {encoding} lacks; they are escaped")
        is_shown = sys.stdout.isatty() and format != "table"
        self._write(self._found(), TerminalWriter(sys.stdout) if is_shown else sys.stdout, format)  # type: ignore[arg-type]

    def into_file(self, path: Path, format: str, overwrite: bool) -> None:
        """Write one file once all recordings are done; until then they are kept in a folder beside it.

        Raises
        ------
        OutputError
            a file can't be written
        """
        parts = ResultsFolder(path.with_name(f"{path.name}.partial"), FORMATS["json"].suffix, is_partial=True)
        if overwrite:
            shutil.rmtree(parts.folder, ignore_errors=True)
        self.into_folder(parts, "json")
        if self.was_interrupted:
            return
        finished = [name for name in self.names.values() if parts.recall(name) is not None]
        if len(finished) < self.totals.n_done + self.totals.n_kept:
            raise OutputError(
                f"{parts.folder}: results of {self.totals.n_done + self.totals.n_kept - len(finished)} recordings are "
                "gone since they were written; run the same command again"
            )
        if finished:
            recordings = (recording for name in finished for recording in read_events(parts.events_path(name), "json"))
            self._write(recordings, path, format)
        if not self.totals.n_failed:
            shutil.rmtree(parts.folder, ignore_errors=True)

    def into_folder(self, results: ResultsFolder, format: str) -> None:
        """Write a file for each recording, leaving out those that are finished already.

        Raises
        ------
        OutputError
            a file can't be written
        """
        results.prepare()
        self._results = results
        try:
            for number, (source, name) in enumerate(self.names.items(), start=1):
                self._finish(results, format, number, source, name)
        except KeyboardInterrupt:
            self.was_interrupted = True

    def _finish(self, results: ResultsFolder, format: str, number: int, source: Source, name: Path) -> None:
        try:
            expected = Finished.expected(source, self.settings.identity())
        except OSError as error:
            self._fail(f"{source.path}: can't be read ({error.strerror}); check that it is still there")
            return
        extras = self.extras(name)
        finished = results.recall(name)
        is_kept = finished is not None and finished.is_still(expected) and extras.exist()
        if finished is not None and is_kept and self._cut_finished(results, format, source, name, finished):
            for problem in finished.problems:
                self.reporter.warning(problem)
            self.totals.n_kept += 1
            self.totals.n_events += finished.n_events
            self.totals.heard_s += finished.duration_s
            return
        found = self._attempt(number, source, extras)
        if found is None:
            return
        recording, problems = found
        path = results.events_path(name)
        make_folder(path.parent)
        results.claim(name)
        write_events([recording], path, format, **self._options(format))
        clips = ""
        if self.cut is not None and not results.is_partial:
            clips = self.cut.identity if self.cut(recording) else ""
        duration_s, n_events = recording.duration_s or 0.0, len(recording.events)
        results.remember(
            name, replace(expected, n_events=n_events, duration_s=duration_s, problems=problems, clips=clips)
        )

    def _cut_finished(
        self, results: ResultsFolder, format: str, source: Source, name: Path, finished: Finished
    ) -> bool:
        """Cut out what an earlier run found; False where it must be found again, as the results hold no scores."""
        if self.cut is None or results.is_partial or finished.n_events == 0:
            return True
        if finished.clips == self.cut.identity and self._has_clips:
            return True
        if FORMATS[format].read is None or not FORMATS[format].keeps_scores:
            return False
        try:
            events = [event for found in read_events(results.events_path(name), format) for event in found.events]
        except AnnotationError:  # it was changed since
            return False
        if self.cut(RecordingEvents(written_name(source.path), finished.duration_s, tuple(events))):
            results.remember(name, replace(finished, clips=self.cut.identity))
        return True

    def _write(self, recordings: Iterable[RecordingEvents], target: Path | TextIO, format: str) -> None:
        """Write one list of all recordings, of what the selection keeps."""
        chosen = select_events(recordings, replace(self.selection, is_ranked=False))
        if self.cut is not None:
            chosen = passing_through(chosen, self.cut)
        listed = select_events(chosen, Selection(is_ranked=self.selection.is_ranked))
        if not (self.selection.is_ranked and format == "table"):
            write_events(listed, target, format, **self._options(format))
        elif isinstance(target, Path):
            with atomic_text(target) as file:
                write_ranking(listed, file)
        else:
            write_ranking(listed, target)

    def _options(self, format: str) -> dict[str, bool]:
        """Columns that a table of fixed columns has for this run; other formats need not know beforehand."""
        options = {}
        if self.settings.time_zone is not None and format in ("csv", "dcase"):
            options["with_clock"] = True
        if format == "csv" and self.settings.prompt_list.has_probabilities():
            options["with_probability"] = True
        return options

    def _found(self) -> Iterator[RecordingEvents]:
        try:
            for number, (source, name) in enumerate(self.names.items(), start=1):
                found = self._attempt(number, source, self.extras(name))
                if found is not None:
                    yield found[0]
                    sys.stdout.flush()  # a reader at the other end of a pipe sees it now
        except KeyboardInterrupt:
            self.was_interrupted = True  # the format is still ended properly

    def _attempt(self, number: int, source: Source, extras: Extras) -> tuple[RecordingEvents, tuple[str, ...]] | None:
        """The events, and what there was to warn of; None for a recording that failed, which has been told."""
        task = (source.path, extras)
        if self.pool is not None:
            with self.reporter.recording(str(source.path), number, len(self.names)):
                outcome = self.pool.outcome(task, self._upcoming(number))
        else:
            with self.reporter.recording(str(source.path), number, len(self.names)) as progress:
                outcome = attempt(self.detector, task, self.settings, progress)
        recording, problems = outcome.recording, outcome.problems
        if recording is None:
            self._fail(outcome.error)
            return None
        for problem in problems:
            self.reporter.warning(problem)
        self.totals.n_done += 1
        self.totals.n_events += len(recording.events)
        self.totals.heard_s += recording.duration_s or 0.0
        self.totals.n_without_start += recording.began is None
        return recording, problems

    def _upcoming(self, number: int) -> Iterator[Task]:
        """The recordings after the given one, to be worked on ahead unless their results are there."""
        for source, name in itertools.islice(self.names.items(), number, None):
            extras = self.extras(name)
            if not self._is_finished(source, name, extras):
                yield source.path, extras

    def _is_finished(self, source: Source, name: Path, extras: Extras) -> bool:
        finished = None if self._results is None else self._results.recall(name)
        try:
            expected = Finished.expected(source, self.settings.identity())
        except OSError:
            return True  # it is reported when its turn comes
        return finished is not None and finished.is_still(expected) and extras.exist()

    def _fail(self, message: str) -> None:
        self.totals.n_failed += 1
        self.reporter.error(message)


def _can_be_written(path: Path, encoding: str) -> bool:
    try:
        str(path).encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def run_job(run: Run, output: Output, overwrite: bool) -> None:
    """Do all recordings of a run.

    Raises
    ------
    OutputError
        results can't be written; those finished before are kept
    """
    if output.kind == "stream" or output.path is None:
        run.stream(output.path, output.format)
    elif output.kind == "file":
        with output_lock(output.path):
            run.into_file(output.path, output.format, overwrite)
    else:
        results = ResultsFolder(output.path, FORMATS[output.format].suffix)
        results.prepare()
        with output_lock(output.path):
            if overwrite:
                results.forget()
            run.into_folder(results, output.format)
