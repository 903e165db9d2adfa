"""Analysing one recording so that whatever goes wrong is an outcome, here or in several processes at once."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from flam.core import FlamError, OutputError, RecordingEvents
from flam.core.processes import do_work, process_pool
from flam.core.processor import available_cores
from flam.core.progress import Progress, Reporter
from flam.jobs.analysis import Extras, analyse
from flam.jobs.settings import DetectSettings

if TYPE_CHECKING:
    from flam.detection import Detector

RECORDINGS_PER_CORE = 4  # from here on, starting processes costs less than it saves
AHEAD = 2  # recordings that wait for each process

Task = tuple[Path, Extras]


@dataclass(frozen=True)
class Outcome:
    """What came of one recording.

    Parameters
    ----------
    recording : RecordingEvents or None
        Its events; None if it failed.
    problems : tuple of str
        What there was to warn of.
    error : str
        Why it failed.
    """

    recording: RecordingEvents | None
    problems: tuple[str, ...] = ()
    error: str = ""


def attempt(
    detector: Detector,
    task: Task,
    settings: DetectSettings,
    progress: Progress | None = None,
) -> Outcome:
    """Analyse a recording; only results that can't be written raise, because the next ones could not be either.

    Raises
    ------
    OutputError
        The picture or the scores can't be written.
    """
    path, extras = task
    with Reporter(quiet=True).warnings() as problems:
        try:
            return Outcome(analyse(detector, path, settings, extras, progress), tuple(problems))
        except OutputError:
            raise
        except FlamError as error:
            return Outcome(None, error=str(error))
        except Exception as error:  # whatever one recording does to a decoder or the model, the rest is worth doing
            reason = (str(error).splitlines() or [""])[0]
            text = f"{path}: unexpected {type(error).__name__} ({reason}); please report this as a bug"
            return Outcome(None, error=text)


def choose_jobs(given: int | None, n_recordings: int) -> int:
    """Processes to use: what the user says, else one for each core where there are many recordings.

    Examples
    --------
    >>> choose_jobs(3, 10), choose_jobs(8, 2), choose_jobs(None, 1)
    (3, 2, 1)
    """
    if given is not None:
        return max(1, min(given, n_recordings))
    cores = available_cores()
    return cores if n_recordings >= RECORDINGS_PER_CORE * cores else 1


class WorkerPool:
    """Several processes of one thread each, which work ahead of the one that asks for outcomes in order.

    Parameters
    ----------
    jobs : int
        Number of processes.
    folder : Path
        Of the model.
    settings : DetectSettings
        What to find.
    """

    def __init__(self, jobs: int, folder: Path, settings: DetectSettings):
        self._jobs, self._work = jobs, _Analysis(folder, settings)
        self._pool: ProcessPoolExecutor | None = None
        self._running: OrderedDict[Path, Future[Outcome]] = OrderedDict()

    def outcome(self, task: Task, upcoming: Iterable[Task]) -> Outcome:
        """Wait for one recording, while others are worked on.

        Parameters
        ----------
        task : Task
            The recording whose outcome is needed now.
        upcoming : iterable of Task
            What will be asked for next, in that order; read only as far as there is room.

        Raises
        ------
        OutputError
            The picture or the scores can't be written.
        """
        self._submit(task)
        for other in upcoming:
            if len(self._running) > AHEAD * self._jobs:
                break
            self._submit(other)
        try:
            return self._running.pop(task[0]).result()
        except BrokenProcessPool:
            self.close()  # all that was running is lost; who ended the process shows when it runs alone
        with process_pool(1, self._work) as alone:
            try:
                return alone.submit(do_work, task).result()
            except BrokenProcessPool:
                return Outcome(None, error=f"{task[0]}: ended the process that read it; please report this as a bug")

    def close(self) -> None:
        """End the processes; what they have not finished is dropped."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        self._pool = None
        self._running.clear()

    def _submit(self, task: Task) -> None:
        if task[0] in self._running:
            return
        if self._pool is None:
            before = os.environ.get("OMP_NUM_THREADS")
            os.environ["OMP_NUM_THREADS"] = "1"  # read by numerical libraries when a process imports them
            try:
                self._pool = process_pool(self._jobs, self._work)
            finally:
                if before is None:
                    del os.environ["OMP_NUM_THREADS"]
                else:
                    os.environ["OMP_NUM_THREADS"] = before
        self._running[task[0]] = self._pool.submit(do_work, task)


@dataclass
class _Analysis:
    """What each process does with a recording; the model is loaded with the first one."""

    folder: Path
    settings: DetectSettings
    _detector: Detector | None = field(default=None, repr=False)

    def __call__(self, task: Task) -> Outcome:
        if self._detector is None:
            import flam

            settings = self.settings
            self._detector = flam.load(
                self.folder,
                device=settings.device,
                precision=settings.precision,
                backend=settings.backend,
                n_threads=1,
                **settings.detection,
            )
        return attempt(self._detector, task, self.settings)
