"""Checkpoints of a run: all that it takes to go on as if it had never stopped, written whole or not at all.

Nothing of random generators or of the place in the data is kept: both are functions of the seed and the step.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_state_dict,
    set_model_state_dict,
    set_state_dict,
)

from flam.core import ModelError, atomic_path
from flam.training.average import WeightAverage
from flam.training.distribution import World

WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)
UNREADABLE = (OSError, EOFError, RuntimeError, ValueError, pickle.UnpicklingError)


def whole_weights(module: nn.Module) -> dict[str, Tensor]:
    """Weights and buffers by name, whole and on the CPU, however the module is spread; all processes take part."""
    return cast(dict[str, Tensor], get_model_state_dict(module, options=WHOLE))


class Checkpoints:
    """The last few checkpoints in a folder.

    Parameters
    ----------
    folder : made where it is not there
    keep : older ones than this many are removed
    """

    def __init__(self, folder: Path, keep: int):
        self._folder = folder
        self._keep = keep

    def newest(self) -> Path | None:
        """The checkpoint to go on from; None in a new run."""
        paths = sorted(self._folder.glob("step_*.pt"))
        return paths[-1] if paths else None

    def save(
        self,
        step: int,
        model: nn.Module,
        optimiser: torch.optim.Optimizer,
        average: WeightAverage | None,
        progress: dict[str, Any],
        world: World,
    ) -> None:
        """Write the state after ``step`` steps; every process takes part, the first one writes.

        Parameters
        ----------
        progress : what the loop remembers besides, tensors and plain values
        """
        weights, moments = get_state_dict(model, optimiser, options=WHOLE)
        averaged = None
        if average is not None:
            with average.applied():
                # a CPU's state dict shares memory with the model
                averaged = {name: value.clone() for name, value in whole_weights(model).items()}
        if not world.is_first:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        content = {"step": step, "model": weights, "optimiser": moments, "average": averaged, "progress": progress}
        with atomic_path(self._folder / f"step_{step:08d}.pt") as part:
            torch.save(content, part)
        for old in sorted(self._folder.glob("step_*.pt"))[: -self._keep]:
            old.unlink()

    def load(
        self, path: Path, model: nn.Module, optimiser: torch.optim.Optimizer, average: WeightAverage | None
    ) -> tuple[int, dict[str, Any]]:
        """Put a checkpoint into model, optimiser and average; returns its step and what the loop remembered.

        Raises
        ------
        ModelError : the file is damaged
        """
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
        except UNREADABLE as error:
            raise ModelError(f"{path}: can't be read ({error}); delete it to go on from the one before") from error
        if average is not None:
            set_model_state_dict(model, content["average"], options=WHOLE)
            average.take_from_model()
        set_state_dict(
            model,
            optimiser,
            model_state_dict=content["model"],
            optim_state_dict=content["optimiser"],
            options=WHOLE,
        )
        return content["step"], content["progress"]
