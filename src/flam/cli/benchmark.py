"""``flam benchmark``: the paper's comparison, for anyone to run."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

SECONDS_BETWEEN_LINES = 10.0

app = App(
    name="benchmark",
    help="Train and compare the paper's methods at a small scale.",
    help_epilogue="For example:\n\n    flam benchmark reproduce -o runs/reproduction\n",
)


@app.command
def reproduce(
    comparison: Annotated[
        Path | None,
        Parameter(help="YAML file as configs/reproduction/library.yaml; default: synthesised sounds, random weights."),
    ] = None,
    /,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"], help="Folder of all runs and of the table.")],
    method: Annotated[
        tuple[str, ...],
        Parameter(help="Only these, by their keys in the file; several with commas.", negative="", show_default=False),
    ] = (),
    set: Annotated[
        tuple[str, ...],
        Parameter(
            help="Override one setting, as in recipe.optim.steps=100; once for each.",
            negative="",
            show_default=False,
        ),
    ] = (),
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="", help="No progress on stderr.")] = False,
) -> None:
    """Train FLAM, its ablations and four baselines on one budget with several seeds, and measure them on new scenes.

    For example: flam benchmark reproduce -o runs/reproduction

    It needs no audio: sounds are synthesised, weights are random. The folder gets table.md, table.csv and table.png,
    rewritten after each run. Running the same command again resumes where it stopped.
    """
    from flam.core import output_lock
    from flam.core.errors import require_extra
    from flam.core.progress import Reporter
    from flam.jobs.manifest import make_folder

    require_extra("torch", "train", "to train models")
    require_extra("matplotlib", "plot", "to draw the table")
    from flam.benchmark.reproduce import load_comparison, run_comparison
    from flam.benchmark.reproduce.config import BUILT_IN

    config = load_comparison(BUILT_IN if comparison is None else comparison, set)
    chosen = [key for given in method for key in given.split(",") if key]
    make_folder(output)
    reporter = Reporter(quiet)
    with output_lock(output):
        table = run_comparison(config, output, chosen, _Lines(reporter, quiet).show)
    print(table.read_text(encoding="utf-8"))
    reporter.say(f"-> {table}")


class _Lines:
    """A line on stderr now and then: the run, its step, and how well it does."""

    def __init__(self, reporter: Any, quiet: bool):
        self._reporter, self._quiet, self._told_at = reporter, quiet, time.monotonic()

    def show(self, name: str, done: int, total: int, figures: dict[str, Any]) -> None:
        """Tell of a step."""
        is_due = time.monotonic() - self._told_at > SECONDS_BETWEEN_LINES or done == total
        if self._quiet or not is_due:
            return
        self._told_at = time.monotonic()
        quality = figures.get("validation_frame_auroc")
        told = "" if quality is None else f", held-out frame AUROC {quality:.3f}"
        self._reporter.note(f"{name}: step {done} of {total}{told}")
