"""What can be trained: for each kind of model, how it is built, what one forward pass is, and what its losses are.

The loop knows none of them. A new kind is one entry here, a configuration class, and the three functions it names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

from torch import Tensor, nn

from flam.core import ConfigError
from flam.model.flam import FLAM, FLAMConfig
from flam.model.mga_clap import MGACLAP, MGACLAPConfig
from flam.model.towers import TwoTowers
from flam.training.embedder import Embedder, Inputs
from flam.training.step import LOSSES, Batch, flam_losses, inputs_of


@dataclass(frozen=True)
class Method:
    """A kind of model and how it learns.

    Parameters
    ----------
    build : (configuration, tokenizer) to a model
    embedder : (model, bf16, frozen_norms) to a module from ``Inputs`` to a NamedTuple of features, those of
        ``flam.training.embedder.Features`` among them; the module holds the model as ``model``
    inputs : (batch, number of pieces) to all that a step embeds
    losses : (features, batch, names of wanted losses, number of pieces) to a dict of ``<name>_loss``
    loss_names : names that recipes may give a weight
    """

    build: Callable[[Any, Any], TwoTowers]
    embedder: Callable[[Any, bool, bool], nn.Module]
    inputs: Callable[[Batch, int], Inputs]
    losses: Callable[[Any, Batch, frozenset[str], int], dict[str, Tensor]]
    loss_names: tuple[str, ...]


MGA_CLAP_HARDNESS = 0.15  # of its instance loss (arXiv 2408.07919)

METHODS: Mapping[type, Method] = MappingProxyType(
    {
        FLAMConfig: Method(FLAM, Embedder, inputs_of, flam_losses, LOSSES),
        MGACLAPConfig: Method(
            MGACLAP, Embedder, inputs_of, partial(flam_losses, hardness=MGA_CLAP_HARDNESS), loss_names=("clip",)
        ),
    }
)


def weighted_sum(losses: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """The number to minimise: every ``<name>_loss`` times the weight of its name.

    >>> import torch
    >>> weighted_sum({"clip_loss": torch.tensor(1.0), "frame_loss": torch.tensor(0.1)}, {"clip": 1.0, "frame": 200.0})
    tensor(21.)
    """
    terms = [weights[name.removesuffix("_loss")] * value for name, value in losses.items()]
    if not terms:
        raise ConfigError("losses: none has a weight above 0; give clip, frame or prior one")
    return sum(terms[1:], terms[0])
