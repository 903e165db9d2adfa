"""``flam finetune``: teach a model the sounds of a folder."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from flam.training.finetune.comparison import Comparison

SECONDS_BETWEEN_LINES = 10.0
PROBLEMS_SHOWN = 10
KNOWN_SHOWN = 5


def finetune(
    folder: Annotated[
        Path | None,
        Parameter(help="Recordings with event lists (Audacity, Raven, DCASE, CSV, ...), or in sub-folders by class."),
    ] = None,
    /,
    *,
    reviews: Annotated[Path | None, Parameter(help="Train on the answers of flam review (CSV) instead.")] = None,
    parent: Annotated[str, Parameter(name=["--from"], help="Model to start from.")] = "flam-mini",
    output: Annotated[
        str, Parameter(name=["--output", "-o"], help="Name of the new model; with a slash in it, its folder.")
    ],
    epochs: Annotated[int | None, Parameter(help="Passes over the recordings; more for classes that are hard.")] = None,
    minutes: Annotated[float | None, Parameter(help="Stop training after this long and keep what was learnt.")] = None,
    device: Annotated[Literal["auto", "cpu", "cuda", "mps"], Parameter(help="Where to compute.")] = "auto",
    seed: Annotated[int, Parameter(help="Another seed holds out other recordings and draws other mixtures.")] = 0,
    annotations_format: Annotated[
        str | None, Parameter(help="Format of the event lists, such as raven or csv; default: detected for each list.")
    ] = None,
    label_column: Annotated[
        str | None, Parameter(help="Column of tables that holds the labels, where it has no usual name.")
    ] = None,
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="", help="No progress.")] = False,
) -> int:
    """Teach a model the sounds of a folder.

    For example: flam finetune my_birds --from flam-mini -o my-birds

    A part of the recordings is held out; a table shows how well the sounds are found in it before and after, and that
    others are still found. Then: flam detect dawn.wav -p "great tit" --model my-birds

    Ctrl-C during training keeps what was learnt so far; before that, the same command resumes where it stopped.
    """
    from dataclasses import replace

    from flam.annotations import FORMATS
    from flam.core import ConfigError, output_lock
    from flam.core.errors import require_extra
    from flam.core.progress import Reporter
    from flam.hub.hub import own_folder
    from flam.jobs.manifest import make_folder

    require_extra("torch", "train", "to teach models")
    from flam.training.finetune.run import FinetuneConfig
    from flam.training.finetune.run import finetune as teach

    begun = time.monotonic()
    config = FinetuneConfig()
    if epochs is not None:
        if epochs < 1:
            raise ConfigError(f"--epochs {epochs} must be at least 1; leave it out for {config.epochs}")
        config = replace(config, epochs=epochs)
    if annotations_format is not None and annotations_format not in FORMATS:
        raise ConfigError(f"--annotations-format {annotations_format} is not one of {', '.join(FORMATS)}")
    config = replace(config, annotations_format=annotations_format, label_column=label_column)
    if minutes is not None and not 0 < minutes < float("inf"):
        raise ConfigError(f"--minutes {minutes} must be more than 0; leave it out for no limit")
    if seed < 0:
        raise ConfigError(f"--seed {seed} must be 0 or more")
    config = replace(config, seed=seed)
    if (folder is None) == (reviews is None):
        raise ConfigError("name a folder of recordings to learn from, or --reviews FILE; one of them")
    target = Path(output) if "/" in output or "\\" in output else own_folder(output)

    def is_over() -> bool:
        return minutes is not None and time.monotonic() - begun > 60 * minutes

    def show(what: str, done: int, total: int, figures: dict[str, float]) -> None:
        shown.show(what, done, total, figures)
        if what != "learning" and is_over():
            raise ConfigError(f"--minutes {minutes} were over while {what}; run it again with more, it goes on there")

    make_folder(target.parent)
    reporter = Reporter(quiet)
    say = reporter.say
    with (
        output_lock(target, beside=True),
        _Progress(quiet, reporter.note) as shown,
        _interruptible(lambda: shown.what == "learning") as interrupted,
    ):
        outcome = teach(
            _of_reviews(reviews, target) if folder is None else folder,
            parent,
            target,
            config,
            device,
            should_stop=lambda: bool(interrupted) or is_over(),
            progress=show,
            notify=say,
        )
    problems = outcome.problems[outcome.n_told :]
    for problem in problems[:PROBLEMS_SHOWN]:
        say(f"warning: {problem}")
    if len(problems) > PROBLEMS_SHOWN:
        say(f"warning: {len(problems) - PROBLEMS_SHOWN} more like these")
    if outcome.epochs < config.epochs:
        say(f"stopped after {outcome.epochs} of {config.epochs} epochs")
    say(f"learnt from {outcome.n_learnt_from} recordings, {outcome.n_held_out} were held out")
    if outcome.comparison is None:
        say("nothing was held out, as each label has one group of recordings; add some")
    else:
        _print_comparison(outcome.comparison)
    if reviews is not None:
        say("scores are others now: flam review with the same -o, --labels and this --model fits thresholds to them")
    name = output if target != Path(output) else str(target)
    say(f"flam detect RECORDING -p {_quoted(outcome.labels[0])} --model {_quoted(name)}")
    return 1 if outcome.problems else 0


def _of_reviews(reviews: Path | None, target: Path) -> Path:
    """The answers of a review as a folder beside the new model."""
    from flam.review import read_labels
    from flam.review.examples import write_examples

    assert reviews is not None
    folder = target.with_name(f"{target.name}.reviews")
    n_clips = write_examples(read_labels(reviews), folder, lambda line: print(f"warning: {line}", file=sys.stderr))
    print(f"{folder}: {n_clips} clips of answers", file=sys.stderr)
    return folder


def _print_comparison(comparison: Comparison) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from flam.core.terminal import printable

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading, justify in (("frame AUROC, held out", "left"), ("before", "right"), ("after", "right")):
        table.add_column(heading, justify=justify, overflow="fold")  # type: ignore[arg-type]
    lost_most = sorted(
        (row for row in comparison.known if row.before == row.before), key=lambda row: row.after - row.before
    )
    rows = [(row.text, row) for row in (*comparison.learnt, comparison.mean(of_known=False))]
    rows += [(f"known: {row.text}", row) for row in lost_most[:KNOWN_SHOWN]]
    rows.append((comparison.mean(of_known=True).text, comparison.mean(of_known=True)))
    for name, row in rows:
        values = ("-" if value != value else f"{value:.3f}" for value in (row.before, row.after))
        table.add_row(Text(printable(name)), *values)
    Console(file=sys.stdout, highlight=False).print(table)


@contextmanager
def _interruptible(is_learning: Callable[[], bool]) -> Iterator[list[bool]]:
    """The first Ctrl-C while learning is remembered in the list; any other interrupts."""
    interrupted: list[bool] = []

    def handle(number: int, frame: Any) -> None:
        if interrupted or not is_learning():
            raise KeyboardInterrupt
        interrupted.append(True)

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)


class _Progress:
    """A bar for each thing that is done on a terminal, a line now and then elsewhere."""

    def __init__(self, quiet: bool, note: Callable[[str], None]):
        self._note = note
        self.what = ""
        self._quiet = quiet
        self._shown_at = 0.0
        self._bar: Any = None

    def __enter__(self) -> _Progress:
        if sys.stderr.isatty() and not self._quiet:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=Console(stderr=True))
            self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, what: str, done: int, total: int, figures: dict[str, float]) -> None:
        """Tell of a step of something."""
        if self._bar is not None:
            if what != self.what:
                self._task = self._bar.add_task(what, total=total)
            self._bar.update(self._task, completed=done)
        elif not self._quiet and (done == total > 0 or time.monotonic() - self._shown_at > SECONDS_BETWEEN_LINES):
            self._shown_at = time.monotonic()
            losses = "".join(f"  {name.removesuffix('_loss')} {value:.3g}" for name, value in figures.items())
            self._note(f"{what} {done}/{total}{losses}")
        self.what = what


def _quoted(text: str) -> str:
    import shlex

    return shlex.quote(text)
