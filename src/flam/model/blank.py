"""A model that waits for its weights: drawing random ones first would take longer than loading the real ones."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from tokenizers import Tokenizer
from torch.overrides import TorchFunctionMode

from flam.model.flam import FLAM, FLAMConfig

# methods of tensors, and functions of nn.init and of transformers; what others draw, they draw by these
DRAWING = {"normal_", "uniform_", "kaiming_uniform_"}


def blank_flam(config: FLAMConfig, tokenizer: Tokenizer | None = None) -> FLAM:
    """A model whose weights hold nothing of use yet; no random number is drawn for them.

    Parameters
    ----------
    config, tokenizer : as of ``FLAM``

    >>> import torch
    >>> from flam.model.convnet import ConvEncoderConfig
    >>> from flam.model.text import LightTextConfig
    >>> before = torch.get_rng_state()
    >>> model = blank_flam(FLAMConfig(audio=ConvEncoderConfig(), text=LightTextConfig()))
    >>> bool(torch.equal(torch.get_rng_state(), before))
    True
    """
    with _NoDrawing():
        return FLAM(config, tokenizer)


class _NoDrawing(TorchFunctionMode):
    """Leaves memory as it is where a function would draw random numbers into it."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: dict | None = None
    ) -> Any:
        kwargs = {} if kwargs is None else kwargs
        if getattr(func, "__name__", None) not in DRAWING:
            return func(*args, **kwargs)
        tensor = args[0] if args else kwargs["tensor"]
        # a method's caller may read what it drew: nn.init.trunc_normal_ draws again until all lie within its bounds
        return tensor if inspect.isfunction(func) else tensor.zero_()
