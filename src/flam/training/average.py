"""A moving average of the weights, which detects better than the weights of any one step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor


class WeightAverage:
    """Exponential moving average of every floating-point weight and buffer of a model, sharded as the model is.

    Parameters
    ----------
    model : on its device, sharded if it is going to be
    decay : share of the old average that each step keeps; in the first steps less, so that the start is soon forgotten

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

    def __init__(self, model: nn.Module, decay: float):
        self._model = model
        self._decay = decay
        self._average = [value.clone() for value in self._live()]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights that ``step`` (counted from 0) left behind."""
        decay = min(self._decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._average, self._live(), 1 - decay)

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
