"""Progress on stderr: a bar on a terminal, a line now and then elsewhere, errors and warnings at once."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from flam.core.terminal import printable

SECONDS_BETWEEN_LINES = 30.0

# called with how much is done, and how much there is in all: None where nobody knows
Progress = Callable[[int, int | None], None]


class Reporter:
    """Tells the person at the terminal what happens.

    Parameters
    ----------
    quiet : bool, default False
        no progress; errors, warnings and the summary still come
    """

    def __init__(self, quiet: bool = False):
        self._shows_bar = sys.stderr.isatty() and not quiet
        self._shows_lines = not (sys.stderr.isatty() or quiet)
        self._last_line = time.monotonic()
        self.n_problems = 0

    def error(self, message: str) -> None:
        """Tell of an input that failed."""
        self.n_problems += 1
        self.say(f"error: {message}")

    def warning(self, message: str) -> None:
        """Tell of an input that is done only in part."""
        self.n_problems += 1
        self.say(f"warning: {message}")

    def say(self, message: str) -> None:
        """Write one line."""
        print(printable(" ".join(message.splitlines())), file=sys.stderr, flush=True)

    def note(self, message: str) -> None:
        """Write one line of progress with the time of day, so that a log tells how long things took."""
        self.say(f"{time.strftime('%H:%M:%S')} {message}")

    @contextmanager
    def recording(self, name: str, number: int, total: int) -> Iterator[Progress]:
        """Show progress within one recording, through the callback ``(completed_samples, total_samples or None)``."""
        place = printable(f"{number}/{total} {name}" if total > 1 else name)
        if not self._shows_bar:
            yield lambda completed, samples: self._line(place, completed, samples)
            return
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar
        from rich.text import Text

        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
        bar = Bar(
            *columns,
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        with bar:
            task = bar.add_task(Text(place).markup, total=None)
            yield lambda completed, samples: bar.update(task, completed=completed, total=samples)

    @contextmanager
    def counting(self, name: str, total: int) -> Iterator[Progress]:
        """Show how many things are done, at which rate, and how long the rest takes."""
        start = time.monotonic()

        def told(completed: int) -> str:
            rate = completed / max(time.monotonic() - start, 1e-9)
            left = f", {_duration((total - completed) / rate)} left" if completed else ""
            return f"{completed} of {total} {name}, {rate:.1f} a second{left}"

        if not self._shows_bar:

            def line(completed: int, _: int | None) -> None:
                now = time.monotonic()
                if self._shows_lines and now - self._last_line >= SECONDS_BETWEEN_LINES:
                    self._last_line = now
                    self.note(told(completed))

            yield line
            return
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bar

        columns = (BarColumn(), TextColumn("{task.description}"))
        with Bar(*columns, console=Console(stderr=True), transient=True, redirect_stderr=False) as bar:
            task = bar.add_task(told(0), total=total)

            def update(completed: int, _: int | None) -> None:
                bar.update(task, completed=completed, description=told(completed))

            yield update

    @contextmanager
    def warnings(self) -> Iterator[list[str]]:
        """Collect what the package logs as a warning while a recording is read, and show what it logs as information.

        The latter are notes on recordings that are read whole, but not as they seem; they count as no problem.
        """
        collected: list[str] = []
        notes: list[str] = []
        handler = _ListHandler(collected, notes)
        logger = logging.getLogger("flam")
        propagates, logger.propagate = logger.propagate, False
        level = logger.level
        logger.setLevel(logging.INFO)
        logger.addHandler(handler)
        try:
            yield collected
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagates
            for note in notes:
                self.say(f"note: {note}")

    def _line(self, place: str, completed: int, samples: int | None) -> None:
        now = time.monotonic()
        if self._shows_lines and now - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = now
            self.note(place if not samples else f"{place}: {100 * completed // samples} %")


def _duration(seconds: float) -> str:
    minutes, second = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min {second:02d} s"


class _ListHandler(logging.Handler):
    def __init__(self, problems: list[str], notes: list[str]):
        super().__init__(logging.INFO)
        self._problems = problems
        self._notes = notes

    def emit(self, record: logging.LogRecord) -> None:
        (self._problems if record.levelno >= logging.WARNING else self._notes).append(record.getMessage())
