"""The moving average of the weights, and checkpoints that resume a run bit for bit.

A checkpoint is written whole or not at all. Nothing of random generators or of the place in the data is kept: both are
functions of the seed and the step.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
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
from torch.distributed.tensor import DTensor

from flam.core import ModelError, atomic_path
from flam.training.distribution import World

WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)
# frozen weights are those that the recipe starts with
TRAINED = StateDictOptions(full_state_dict=True, cpu_offload=True, ignore_frozen_params=True)
LOADED = StateDictOptions(full_state_dict=True, cpu_offload=True, strict=False)
UNREADABLE = (OSError, EOFError, RuntimeError, ValueError, pickle.UnpicklingError)


def whole_weights(module: nn.Module, options: StateDictOptions = WHOLE) -> dict[str, Tensor]:
    """Give weights and buffers by name, whole and on the CPU, however the module is spread; all processes take part."""
    return cast(dict[str, Tensor], get_model_state_dict(module, options=options))


class WeightAverage:
    """Exponential moving average of every floating-point weight and buffer of a model, sharded as the model is.

    Parameters
    ----------
    model : torch.nn.Module
        On its device, sharded if it is going to be.
    decay : float
        Share of the old average that each step keeps.
    warmup : bool
        Keep less in the first steps, so that the start is soon forgotten. False: after the first step the average is
        the weights, and from then on the decay is the same.

    Examples
    --------
    >>> model = nn.Linear(1, 1)
    >>> average = WeightAverage(model, decay=0.5)
    >>> with torch.no_grad():
    ...     _ = model.weight.add_(1.0)
    >>> average.update(step=1000)
    >>> with average.applied():
    ...     inside = model.weight.item()
    >>> round(model.weight.item() - inside, 4)
    0.5
    """

    def __init__(self, model: nn.Module, decay: float, warmup: bool = True):
        self._model = model
        self._decay = decay
        self._warmup = warmup
        self._average = [value.clone() for value in self._live()]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights that ``step`` (counted from 0) left behind."""
        start = (1 + step) / (10 + step) if self._warmup else float(step > 0)
        torch._foreach_lerp_(self._average, self._live(), 1 - min(self._decay, start))

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Give the model the average as its weights until the block ends."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def take_from_model(self) -> None:
        """Let the average be what the model's weights are now."""
        torch._foreach_copy_(self._average, self._live())

    @torch.no_grad()
    def _swap(self) -> None:
        for live, average in zip(self._live(), self._average, strict=True):
            kept = live.clone()
            live.copy_(average)
            average.copy_(kept)

    def _live(self) -> list[Tensor]:
        """The model's own weights and buffers, of each the part that lies on this process."""
        values = [value.detach() for value in self._model.state_dict().values() if value.is_floating_point()]
        return [value.to_local() if isinstance(value, DTensor) else value for value in values]


class Checkpoints:
    """The last few checkpoints in a folder.

    Parameters
    ----------
    folder : Path
        Made where it is not there.
    keep : int
        Older ones than this many are removed.
    """

    def __init__(self, folder: Path, keep: int):
        self._folder = folder
        self._keep = keep

    def newest(self) -> Path | None:
        """Find the checkpoint to go on from; None in a new run."""
        paths = sorted(self._folder.glob("step_*.pt"))
        return paths[-1] if paths else None

    def save(
        self,
        step: int,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        average: WeightAverage | None,
        progress: dict[str, Any],
        world: World,
    ) -> None:
        """Write the state after ``step`` steps; every process takes part, the first one writes.

        Parameters
        ----------
        step : int
            Steps that are done.
        model, optimizer, average
            What is written.
        progress : dict
            What the trainer remembers besides, tensors and plain values.
        world : World
            This process among all.
        """
        weights, moments = get_state_dict(model, optimizer, options=TRAINED)
        averaged = None
        if average is not None:
            with average.applied():
                # a CPU's state dict shares memory with the model
                averaged = {name: value.clone() for name, value in whole_weights(model, TRAINED).items()}
        if not world.is_first:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        content = {"step": step, "model": weights, "optimizer": moments, "average": averaged, "progress": progress}
        with atomic_path(self._folder / f"step_{step:08d}.pt") as part:
            torch.save(content, part)
        for old in sorted(self._folder.glob("step_*.pt"))[: -self._keep]:
            old.unlink()

    def load(
        self, path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, average: WeightAverage | None
    ) -> tuple[int, dict[str, Any]]:
        """Put a checkpoint into model, optimizer and average.

        Returns
        -------
        tuple of int and dict
            Its step, and what the trainer remembered.

        Raises
        ------
        ModelError
            The file is damaged.
        """
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
        except UNREADABLE as error:
            raise ModelError(f"{path}: can't be read ({error}); delete it to go on from the one before") from error
        if average is not None:
            set_model_state_dict(model, content["average"], options=LOADED)
            average.take_from_model()
        set_state_dict(
            model,
            optimizer,
            model_state_dict=content["model"],
            optim_state_dict=content["optimizer"],
            options=LOADED,
        )
        # torch gives moments to weights that had none yet, as no loss had reached them
        moved = {parameter for parameter, name in _names(model).items() if name in content["optimizer"]["state"]}
        for parameter in optimizer.state.keys() - moved:
            del optimizer.state[parameter]
        return content["step"], content["progress"]


def _names(model: nn.Module) -> dict[nn.Parameter, str]:
    """Names of the weights as checkpoints have them, that is, without what spreads a model over processes."""
    return {parameter: name.removeprefix("module.") for name, parameter in model.named_parameters()}
