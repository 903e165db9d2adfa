"""The log of a run, one line of JSON for each entry, and its picture; TensorBoard where it is asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flam.core import ConfigError, atomic_path, atomic_text

Entry = Mapping[str, Any]
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


class TrainingLog:
    """Appends entries to ``log.jsonl``; those after ``step`` are of an interrupted run, come again, and are removed.

    Parameters
    ----------
    folder : Path
        of the run
    step : int
        steps that are done
    tensorboard : bool, default False
        also write ``tensorboard/``

    Raises
    ------
    ConfigError
        TensorBoard is asked for and not installed

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     log = TrainingLog(Path(folder), step=0)
    ...     log.write({"step": 1, "clip_loss": 0.5})
    ...     read_log(Path(folder))
    [{'step': 1, 'clip_loss': 0.5}]
    """

    def __init__(self, folder: Path, step: int, tensorboard: bool = False):
        self._path = folder / "log.jsonl"
        kept = [entry for entry in read_log(folder) if entry["step"] <= step]
        with atomic_text(self._path) as file:
            file.writelines(json.dumps(entry) + "\n" for entry in kept)
        self._board = None
        if tensorboard:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError as error:
                raise ConfigError(
                    "tensorboard: is not installed; pip install tensorboard, or set it to false"
                ) from error
            self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def write(self, entry: Entry) -> None:
        """Add one entry; it has a "step"."""
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
        if self._board is not None:
            for name, value in entry.items():
                if isinstance(value, (int, float)) and name != "step":
                    self._board.add_scalar(name, value, entry["step"])
            self._board.flush()


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The entries of a run's log; a line that was cut off by a crash is passed over."""
    path = folder / "log.jsonl"
    entries = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            entries.append(json.loads(line))
        except ValueError:
            continue
    return entries


def draw_curves(folder: Path) -> Path:
    """Draw ``curves.png`` from the log in the folder of a run, and return its path.

    Raises
    ------
    ConfigError
        the log is empty, or matplotlib is not installed
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigError("curves need matplotlib; install it with: pip install 'flam-audio[plot]'") from error
    entries = read_log(folder)
    losses = sorted({name for entry in entries for name in entry if name.endswith("_loss")})
    if not losses:
        raise ConfigError(f"{folder}/log.jsonl: holds no losses yet; wait for the first entry")
    figure = Figure(figsize=(10, 2.6 * (len(losses) + 3)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(losses) + 3, 1, sharex=True)
    for axis, name in zip(axes, losses, strict=False):
        axis.plot(*_series(entries, name), color="C0", linewidth=1)
        axis.set_ylabel(name.replace("_", " "))
    auroc_axis, *spread_axes = axes[len(losses) :]
    auroc_axis.plot(*_series(entries, "validation_frame_auroc"), color="C1", marker="o", markersize=3)
    auroc_axis.set_ylabel("frame AUROC, held out")
    for axis, name in zip(spread_axes, ("logit_scale", "logit_bias"), strict=True):
        _draw_spread(axis, entries, name)
    axes[-1].set_xlabel("step")
    for axis in axes:
        axis.grid(alpha=0.3)
    figure.align_ylabels(axes)
    path = folder / "curves.png"
    with atomic_path(path) as part:
        figure.savefig(part, format="png", dpi=90)
    return path


def _draw_spread(axis: Any, entries: Sequence[Mapping[str, Any]], name: str) -> None:
    """Bands between the quantiles of a value over texts, darkest in the middle, and the median as a line."""
    steps, spreads = _series(entries, f"{name}_quantiles")
    n = len(QUANTILES)
    for low in range(n // 2 if steps else 0):
        lower, upper = ([spread[i] for spread in spreads] for i in (low, n - 1 - low))
        axis.fill_between(steps, lower, upper, color="C2", alpha=0.25, linewidth=0)
    axis.plot(steps, [spread[n // 2] for spread in spreads], color="C2", marker="o", markersize=3)
    axis.set_ylabel(f"{name.replace('_', ' ')}\nover texts")


def _series(entries: Sequence[Mapping[str, Any]], name: str) -> tuple[list[int], list[Any]]:
    found = [(entry["step"], entry[name]) for entry in entries if name in entry]
    return [step for step, _ in found], [value for _, value in found]
