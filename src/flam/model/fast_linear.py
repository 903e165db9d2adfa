"""A linear layer for inference on a CPU: weights laid out once as oneDNN likes them, GELU computed on the way out."""

from __future__ import annotations

import functools

import torch
from torch import Tensor
from torch.nn import functional


class FastLinear:
    """``gelu(x @ weight.T + bias)`` or the same without the GELU; no gradients.

    Parameters
    ----------
    weight : (n_out, n_in) float tensor on the CPU; copied, as is the bias
    bias : (n_out,) float tensor, or None
    dtype : of the inputs, weights and outputs
    gelu : whether to apply the exact GELU
    packed : None packs the weights where this build of torch can; False is the plain layer everywhere

    >>> layer = FastLinear(torch.eye(3), torch.ones(3), torch.float32)
    >>> layer(torch.zeros(2, 3)).tolist()
    [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]
    """

    def __init__(
        self, weight: Tensor, bias: Tensor | None, dtype: torch.dtype, gelu: bool = False, packed: bool | None = None
    ):
        self.gelu = gelu
        self.packed = packing_works(dtype) if packed is None else packed
        weight = weight.detach().to(dtype, copy=True)
        self.bias = None if bias is None else bias.detach().to(dtype, copy=True)
        self.weight = torch.ops.mkldnn._reorder_linear_weight(weight) if self.packed else weight

    def __call__(self, x: Tensor) -> Tensor:
        """(..., n_in) -> (..., n_out)"""
        if self.packed:
            activation, algorithm = ("gelu", "none") if self.gelu else ("none", "")
            return torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, activation, [], algorithm)
        x = functional.linear(x, self.weight, self.bias)
        return functional.gelu(x) if self.gelu else x


@functools.cache
def packing_works(dtype: torch.dtype) -> bool:
    """Whether this build of torch has the packed operators for ``dtype``; they are not part of its public interface."""
    try:
        layer = FastLinear(torch.eye(16), torch.zeros(16), dtype, gelu=True, packed=True)
        return torch.equal(layer(torch.zeros(2, 16, dtype=dtype)), torch.zeros(2, 16, dtype=dtype))
    except (AttributeError, RuntimeError, TypeError):
        return False
