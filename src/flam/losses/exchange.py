"""Processes in a circle: each passes on what it was given and receives, in turn, the shards of all others.

A loss over all clips and all texts is a sum over pairs of processes: the clips of one against the texts of another.
The texts travel. A process never holds more than two processes' texts, so its memory does not depend on their number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional


class PaddedShard(NamedTuple):
    """What travels, padded to the same length in all processes.

    features : (K, F) float tensor
    ids : (K,) int64 tensor
    valid : (K,) bool tensor, False for padding
    """

    features: Tensor
    ids: Tensor
    valid: Tensor


# clips of this process against a visiting shard -> (sum of losses, sum of their weights)
Block = Callable[..., tuple[Tensor, Tensor]]


class Ring:
    """The circle of a process group; a program without ``torch.distributed`` is a circle of one.

    Parameters
    ----------
    group : dist.ProcessGroup | None, optional
        a process group that this process belongs to; None: all processes

    Examples
    --------
    >>> Ring().size
    1
    """

    def __init__(self, group: dist.ProcessGroup | None = None) -> None:
        self.group = group
        self.size = 1
        if dist.is_available() and dist.is_initialized():
            self.size, rank = dist.get_world_size(group), dist.get_rank(group)
            everyone = dist.group.WORLD if group is None else group
            assert everyone is not None
            self._next = dist.get_global_rank(everyone, (rank + 1) % self.size)
            self._previous = dist.get_global_rank(everyone, (rank - 1) % self.size)

    def pad(self, features: Tensor, ids: Tensor, valid: Tensor) -> PaddedShard:
        """Make a shard, in single precision at least, as long as the longest of all processes.

        Parameters
        ----------
        features : Tensor
            (K, F) float tensor
        ids : Tensor
            (K,) int64 tensor
        valid : Tensor
            (K,) bool tensor
        """
        length = torch.tensor([max(1, len(ids))], device=features.device)
        if self.size > 1:
            dist.all_reduce(length, dist.ReduceOp.MAX, group=self.group)
        missing = int(length) - len(ids)
        features = at_least_float32(features).masked_fill(~valid[:, None], 0.0)
        return PaddedShard(
            functional.pad(features, (0, 0, 0, missing)),
            functional.pad(ids, (0, missing)),
            functional.pad(valid, (0, missing)),
        )

    def rotate(self, shard: PaddedShard) -> Iterator[PaddedShard]:
        """The shard of every process, one's own first; while one is looked at, the next is on its way."""
        features, tags = shard.features.detach(), torch.stack([shard.ids, shard.valid.to(shard.ids.dtype)])
        for step in range(self.size):
            coming = self._pass_on(features, tags) if step + 1 < self.size else None
            yield PaddedShard(features, tags[0], tags[1].bool())
            if coming is not None:
                features, tags = coming.wait()

    def reduce_over_ring(self, shard: PaddedShard, contribute: Callable[[PaddedShard], Tensor]) -> Tensor:
        """Show the shard to every process and bring home the sum of what they answer.

        The answers travel behind their shard: each process adds its own as soon as it is computed.

        Parameters
        ----------
        shard : PaddedShard
            one's own
        contribute : Callable[[PaddedShard], Tensor]
            gives one's answer to a visiting shard, a tensor of the same shape for each
        """
        answer, behind = torch.empty(0), None
        for other in self.rotate(shard):
            answer = contribute(other)
            if behind is not None:
                answer = answer + behind.wait()[0]
            behind = self._pass_on(answer)
        return answer if behind is None else behind.wait()[0]

    def total(self, part: Tensor) -> Tensor:
        """The sum over all processes, with the gradient that DistributedDataParallel's average makes right."""
        value = part.detach().clone()
        if self.size > 1:
            dist.all_reduce(value, group=self.group)
        return value + self.size * (part - part.detach())

    def _pass_on(self, *tensors: Tensor) -> _Passing:
        if self.size == 1:
            return _Passing([], tensors, tensors)
        sent = tuple(tensor.contiguous() for tensor in tensors)
        received = tuple(torch.empty_like(tensor) for tensor in sent)
        works = dist.batch_isend_irecv(
            [dist.P2POp(dist.isend, tensor, self._next, self.group) for tensor in sent]
            + [dist.P2POp(dist.irecv, tensor, self._previous, self.group) for tensor in received]
        )
        return _Passing(works, sent, received)


class _Passing(NamedTuple):
    """An exchange under way; it keeps what is sent alive until it has arrived."""

    works: list[Any]
    sent: tuple[Tensor, ...]
    received: tuple[Tensor, ...]

    def wait(self) -> tuple[Tensor, ...]:
        for work in self.works:
            work.wait()
        return self.received


def ring_sum(block: Block, ring: Ring, shard: PaddedShard, *local: Tensor) -> tuple[Tensor, Tensor]:
    """Sum a block of a loss over all pairs of processes; its gradient reaches ``local`` here and ``shard`` at its home.

    The sum is a scalar, so its gradient is known, up to the factor that ``backward`` brings, as soon as each block is
    computed. It is taken right there, block by block, and the block's logits are forgotten: nothing is kept for all
    processes, nothing is computed twice and ``backward`` exchanges nothing. The gradient of a shard travels home behind
    it.

    Parameters
    ----------
    block : Block
        ``block(features, ids, valid, *local)`` for a visiting shard gives a differentiable sum and its weight
    ring : Ring
        the processes
    shard : PaddedShard
        what travels
    local : Tensor
        float tensors of this process that the block is differentiated by

    Returns
    -------
    tuple[Tensor, Tensor]
        the two sums over all pairs, the same number in every process. Gradients are those of the global sum times the
        number of processes, since DistributedDataParallel and FSDP then average the parameters' gradients over them

    Examples
    --------
    >>> shard = Ring().pad(torch.ones(2, 1), torch.arange(2), torch.tensor([True, False]))
    >>> factor = torch.tensor(3.0, requires_grad=True)
    >>> total, weight = ring_sum(lambda f, ids, valid, x: ((x * f[:, 0]).sum(), valid.sum()), Ring(), shard, factor)
    >>> total.backward()
    >>> total.item(), weight.item(), factor.grad.item()
    (3.0, 1.0, 1.0)
    """
    with torch.autocast(shard.features.device.type, enabled=False):
        return _RingSum.apply(block, ring, shard.ids, shard.valid, torch.is_grad_enabled(), shard.features, *local)


class _RingSum(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        block: Block,
        ring: Ring,
        ids: Tensor,
        valid: Tensor,
        with_gradient: bool,
        features: Tensor,
        *local: Tensor,
    ) -> tuple[Tensor, Tensor]:
        sums = features.new_zeros(2)
        leaves = [tensor.detach().requires_grad_(with_gradient) for tensor in local]
        gradients = [torch.zeros_like(leaf) for leaf in leaves]

        def contribute(other: PaddedShard) -> Tensor:
            visiting = other.features.detach().requires_grad_(with_gradient)
            with torch.set_grad_enabled(with_gradient):
                part, weight = block(visiting, other.ids, other.valid, *leaves)
            sums.add_(torch.stack([part.detach(), weight.to(part.dtype)]))
            if not with_gradient:
                return visiting.new_zeros(0)
            answer, *own = torch.autograd.grad(part, [visiting, *leaves], materialize_grads=True)
            for gradient, addition in zip(gradients, own, strict=True):
                gradient.add_(addition)
            return answer

        answers = ring.reduce_over_ring(PaddedShard(features, ids, valid), contribute)
        if ring.size > 1:
            dist.all_reduce(sums, group=ring.group)
        ctx.save_for_backward(answers, *gradients)
        ctx.ring_size = ring.size
        total, weight = sums.unbind()
        total, weight = total.clone(), weight.clone()
        ctx.mark_non_differentiable(weight)
        return total, weight

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor | None, ...]:
        factor = outer[0] * ctx.ring_size
        return (None, None, None, None, None, *(factor * gradient for gradient in ctx.saved_tensors))


def at_least_float32(tensor: Tensor) -> Tensor:
    """The tensor, in single precision where it was in half.

    Examples
    --------
    >>> at_least_float32(torch.zeros(1, dtype=torch.bfloat16)).dtype
    torch.float32
    """
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))
