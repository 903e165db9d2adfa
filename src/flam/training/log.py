"""The log of a run: one line of JSON for each entry, and TensorBoard where it is installed and asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flam.core import ConfigError, atomic_text

Entry = Mapping[str, Any]


class TrainingLog:
    """Appends entries to ``log.jsonl``; those after ``step`` are of an interrupted run, come again, and are removed.

    Parameters
    ----------
    folder : of the run
    step : steps that are done
    tensorboard : also write ``tensorboard/``

    Raises
    ------
    ConfigError : TensorBoard is asked for and not installed

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
