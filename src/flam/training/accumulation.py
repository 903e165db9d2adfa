"""Large batches in little memory: gradients of contrastive losses over many micro-batches, exactly.

A contrastive loss compares every clip with every text, so its gradient is not a sum over micro-batches. It is one over
*features*, though (Gao et al., "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup", arXiv
2101.06983). Embed all pieces without a graph; take the loss of all features and its gradient with respect to them;
embed every piece again with a graph and send its features' gradient back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

# a NamedTuple of tensors: the features of whatever task is trained; None for what no loss asks for
Output = TypeVar("Output", bound=tuple)


def accumulate_gradients(
    embedder: nn.Module,
    pieces: Sequence[Any],
    losses: Callable[[Output], dict[str, Tensor]],
    total: Callable[[dict[str, Tensor]], Tensor],
    seed: int,
    without_sync: Callable[[], AbstractContextManager],
) -> dict[str, Tensor]:
    """Add to every parameter's gradient that of the loss over all pieces together.

    The result is that of one pass over all inputs, with two reservations. Random layers draw anew for each piece, equal
    in both passes. Batch norms in training mode see the piece, not the whole; their running statistics move once.

    Parameters
    ----------
    embedder : torch.nn.Module
        From a piece to a NamedTuple of features; called once for one piece, else twice for each.
    pieces : sequence
        The inputs, cut; their features are put together in this order.
    losses : callable
        From all features to the losses.
    total : callable
        From the losses to the number to minimise.
    seed : int
        Of the random layers.
    without_sync : callable
        Context in which backward passes don't meet other processes; the last piece is outside of it.

    Returns
    -------
    dict of str to torch.Tensor
        What ``losses`` gave, detached.
    """
    is_cut = len(pieces) > 1
    buffers = [buffer.clone() for buffer in embedder.buffers()] if is_cut else []
    outputs = []
    for index, piece in enumerate(pieces):
        torch.manual_seed(seed + index)
        with torch.set_grad_enabled(not is_cut):
            outputs.append(embedder(piece))
    leaves = join([type(output)(*(_detached(value) for value in output)) for output in outputs])
    learnt = [leaf for leaf in leaves if leaf is not None]
    for leaf in learnt:
        leaf.requires_grad_()
    parts = losses(leaves)
    # a feature that no loss looks at has a gradient of 0, so that every parameter has one on every process
    found = iter(torch.autograd.grad(total(parts), learnt, allow_unused=True, materialize_grads=True))
    gradients = [None if leaf is None else next(found) for leaf in leaves]
    detached = {name: value.detach() for name, value in parts.items()}
    if not is_cut:
        _send_back(outputs[0], gradients)
        return detached
    for buffer, kept in zip(embedder.buffers(), buffers, strict=True):
        buffer.copy_(kept)
    for index, (piece, gradient) in enumerate(zip(pieces, _cut(gradients, outputs), strict=True)):
        torch.manual_seed(seed + index)
        if index < len(pieces) - 1:
            with without_sync():
                _send_back(embedder(piece), gradient)
        else:
            _send_back(embedder(piece), gradient)
    return detached


def join(outputs: Sequence[Output]) -> Output:
    """Put the features of pieces together; a single number, equal in all pieces, is taken once."""
    return type(outputs[0])(
        *(
            values[0] if values[0] is None or values[0].ndim == 0 else torch.cat(values)
            for values in zip(*outputs, strict=True)
        )
    )


def _detached(value: Tensor | None) -> Tensor | None:
    return None if value is None else value.detach()


def _send_back(output: tuple, gradients: Sequence[Tensor | None]) -> None:
    """Give the weights their gradient; a feature that no trained weight had a part in takes none."""
    learnt = [index for index, value in enumerate(output) if value is not None and value.requires_grad]
    torch.autograd.backward([output[index] for index in learnt], [gradients[index] for index in learnt])


def _cut(gradients: Sequence[Tensor | None], outputs: Sequence[Output]) -> list[list[Tensor | None]]:
    """The gradient of each piece's features; that of a single number goes to the first piece."""
    per_field: list[list[Tensor | None]] = []
    for gradient, values in zip(gradients, zip(*outputs, strict=True), strict=True):
        if gradient is None:
            per_field.append([None] * len(values))
        elif gradient.ndim == 0:
            per_field.append([gradient, *(torch.zeros_like(gradient) for _ in values[1:])])
        else:
            per_field.append(list(gradient.split([len(value) for value in values])))
    return [list(piece) for piece in zip(*per_field, strict=True)]
