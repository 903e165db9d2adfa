"""``flam train``: train a model from a recipe, or resume a run."""

from __future__ import annotations

import os
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

SECONDS_BETWEEN_LINES = 10.0


def train(
    recipe: Annotated[Path, Parameter(help="YAML file; see configs/.")],
    /,
    *,
    output: Annotated[
        Path | None,
        Parameter(name=["--output", "-o"], help="Folder of the run; default: runs/ and the recipe's name."),
    ] = None,
    set: Annotated[
        tuple[str, ...],
        Parameter(help="Override one setting, as in optim.lr=1e-4; once for each.", negative="", show_default=False),
    ] = (),
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="", help="No progress.")] = False,
) -> None:
    """Train a model from a recipe, or resume a run.

    For example: flam train configs/smoke.yaml -o runs/smoke

    The folder then holds the models "best" and "final" for flam detect --model, the log and its picture. On several
    GPUs: torchrun --nproc-per-node 8 -m flam train RECIPE -o FOLDER
    """
    from flam.core import output_lock
    from flam.core.errors import require_extra
    from flam.core.progress import Reporter
    from flam.jobs.manifest import make_folder

    require_extra("torch", "train", "to train models")
    from flam.training.trainer import check
    from flam.training.trainer import train as run_training

    folder = Path("runs") / recipe.stem if output is None else output
    check(recipe, folder, set)  # errors are reported before a folder is made
    make_folder(folder)
    is_first = os.environ.get("RANK", "0") == "0"  # as torchrun numbers processes; they share the folder
    with output_lock(folder) if is_first else nullcontext(), _ProgressLine(quiet) as line:
        figures = run_training(recipe, folder, set, line.show, Reporter(quiet).say)
    if line.has_shown:
        quality = figures.get("validation_frame_auroc")
        told = "trained" if quality is None else f"held-out frame AUROC {quality}"
        print(f"{told} -> {folder}/final", file=sys.stderr)


class _ProgressLine:
    """A bar with the newest figures on a terminal, a line now and then elsewhere."""

    def __init__(self, quiet: bool):
        self._quiet = quiet
        self._shown_at = time.monotonic()
        self._figures: dict[str, Any] = {}
        self._bar: Any = None
        self.has_shown = False

    def __enter__(self) -> _ProgressLine:
        if sys.stderr.isatty() and not self._quiet:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
            self._bar = Progress(*columns, console=Console(stderr=True))
            self._bar.start()
            self._task = self._bar.add_task("looking at held-out clips", total=None)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, done: int, total: int, figures: dict[str, Any]) -> None:
        """Tell of a step."""
        self.has_shown = True
        self._figures |= {name: value for name, value in figures.items() if isinstance(value, float)}
        text = "  ".join(f"{_short(name)} {value:.4g}" for name, value in self._figures.items())
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total, description=text)
        elif not self._quiet and (time.monotonic() - self._shown_at > SECONDS_BETWEEN_LINES or done == total):
            self._shown_at = time.monotonic()
            print(f"{time.strftime('%H:%M:%S')} step {done}/{total}  {text}", file=sys.stderr, flush=True)


def _short(name: str) -> str:
    return name.removesuffix("_loss").removeprefix("validation_").replace("_", " ")
