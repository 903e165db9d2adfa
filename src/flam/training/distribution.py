"""Distributed training: how processes find each other, how the model is wrapped, and what they share.

``torchrun`` starts the processes and tells each its place through the environment; without it there is one.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

from flam.core import ConfigError

Strategy = Literal["ddp", "fsdp"]


@dataclass(frozen=True)
class World:
    """This process's place among all.

    Parameters
    ----------
    rank, world_size : int
        number of this process, and how many there are
    device : torch.device
        where this process computes
    """

    rank: int
    world_size: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes files."""
        return self.rank == 0


@contextlib.contextmanager
def distributed_context(device: str) -> Iterator[World]:
    """Meet the other processes, and part when the block ends.

    Parameters
    ----------
    device : str
        "cpu", "cuda" or "auto", which takes a GPU for each process where there is one

    Raises
    ------
    ConfigError
        a device that is not there

    Examples
    --------
    >>> with distributed_context("cpu") as world:
    ...     world.world_size
    1
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device cuda: this machine has no GPU that torch can use; set device to cpu")
    place = torch.device(device)
    if device == "cuda":
        place = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(place)
    if "WORLD_SIZE" not in os.environ:
        yield World(0, 1, place)
        return
    dist.init_process_group("nccl" if device == "cuda" else "gloo")
    try:
        yield World(dist.get_rank(), dist.get_world_size(), place)
    finally:
        dist.destroy_process_group()


def wrap_distributed(module: nn.Module, strategy: Strategy, world: World) -> nn.Module:
    """A module whose backward pass averages gradients over all processes.

    Parameters
    ----------
    module : nn.Module
        equal on all processes, on its device
    strategy : Strategy
        "ddp" keeps all weights on every process; "fsdp" keeps a part on each (FSDP2, ``fully_shard``)
    """
    if world.world_size == 1:
        return module
    if strategy == "ddp":
        return DistributedDataParallel(module, broadcast_buffers=False)
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(world.device.type, (world.world_size,))
    # what stands in a list is one of many alike: the layers of a transformer
    for layers in [part for part in module.modules() if isinstance(part, nn.ModuleList)][::-1]:
        for layer in layers:
            fully_shard(layer, mesh=mesh, reshard_after_forward=True)
    # a single number can't be cut; ``sync_buffers`` averages its gradient
    numbers = {parameter for parameter in module.parameters() if parameter.ndim == 0}
    fully_shard(module, mesh=mesh, reshard_after_forward=True, ignored_params=numbers)
    return module


def without_sync(module: nn.Module) -> AbstractContextManager:
    """A block whose backward passes leave gradients as they are on this process, to be added up."""
    if isinstance(module, DistributedDataParallel):
        return module.no_sync()
    return _sharded_without_sync(module) if hasattr(module, "set_requires_gradient_sync") else contextlib.nullcontext()


@contextlib.contextmanager
def _sharded_without_sync(module: nn.Module) -> Iterator[None]:
    module.set_requires_gradient_sync(False)  # type: ignore[operator]
    try:
        yield
    finally:
        module.set_requires_gradient_sync(True)  # type: ignore[operator]


@torch.no_grad()
def sync_buffers(module: nn.Module, world: World) -> None:
    """After the backward pass: let all processes hold the same running statistics, and gradients that FSDP left out."""
    if world.world_size == 1:
        return
    values = [buffer for name, buffer in module.named_buffers() if name.endswith(("running_mean", "running_var"))]
    if hasattr(module, "set_requires_gradient_sync"):
        values += [p.grad for p in module.parameters() if p.ndim == 0 and p.grad is not None]
    if values:
        flat = torch.cat([value.flatten() for value in values])
        dist.all_reduce(flat)
        flat /= world.world_size
        for value, mean in zip(values, flat.split([value.numel() for value in values]), strict=True):
            value.copy_(mean.view_as(value))


@torch.no_grad()
def clip_gradients(module: nn.Module, longest: float | None) -> float:
    """Shorten all gradients together to a length of at most ``longest``, if any; returns the length they had.

    Examples
    --------
    >>> layer = nn.Linear(1, 1, bias=False)
    >>> layer(torch.full((1, 1), 8.0)).sum().backward()
    >>> clip_gradients(layer, 2.0), round(layer.weight.grad.item(), 4)
    (8.0, 2.0)
    """
    gradients = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
    cut: list[Tensor] = [gradient.to_local() for gradient in gradients if isinstance(gradient, DTensor)]
    whole = [gradient for gradient in gradients if not isinstance(gradient, DTensor)]
    square = _square_length(cut, module)
    if cut:
        dist.all_reduce(square)
    length = (square + _square_length(whole, module)).sqrt()
    if longest is not None:
        torch._foreach_mul_(cut + whole, (longest / (length + 1e-6)).clamp(max=1.0))
    return length.item()


def _square_length(gradients: list[Tensor], module: nn.Module) -> Tensor:
    device = next(module.parameters()).device
    if not gradients:
        return torch.zeros((), device=device)
    return torch.stack(torch._foreach_norm(gradients)).square().sum()
