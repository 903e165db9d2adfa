"""A model out of its sizes and weights, or a list of what does not fit."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from torch import Tensor
from torch.overrides import TorchFunctionMode

from flam.core import ModelError
from flam.model.flam import FLAM, FLAMConfig

# methods of tensors, and functions of nn.init and of transformers; what others draw, they draw by these
DRAWING = {"normal_", "uniform_", "kaiming_uniform_"}
NAMES_SHOWN = 8


def build_flam(
    config: FLAMConfig, weights: Mapping[str, Tensor], where: str | Path, tokenizer: Tokenizer | None = None
) -> FLAM:
    """The model with these weights, in evaluation mode; nothing random is drawn, which would take longer than loading.

    Parameters
    ----------
    config, tokenizer : as of ``FLAM``
    weights : under this package's names; each takes the type that the model has
    where : file or folder that errors name

    Raises
    ------
    ModelError : tensors are missing, of another shape or unknown

    >>> from flam.model.convnet import ConvEncoderConfig
    >>> from flam.model.text import LightTextConfig
    >>> model = FLAM(FLAMConfig(audio=ConvEncoderConfig(), text=LightTextConfig()))
    >>> same = build_flam(model.config, model.state_dict(), "memory")
    >>> bool((same.log_temperature_inverse == model.log_temperature_inverse).all())
    True
    """
    with _NoDrawing():
        model = FLAM(config, tokenizer)
    shapes = {name: value.shape for name, value in model.state_dict().items()}
    problems = {
        "missing": sorted(shapes.keys() - weights.keys()),
        "of another shape": sorted(name for name in shapes.keys() & weights if weights[name].shape != shapes[name]),
        "unknown": sorted(weights.keys() - shapes.keys()),
    }
    if any(problems.values()):
        found = "; ".join(f"{problem}: {_some(names)}" for problem, names in problems.items() if names)
        raise ModelError(f"{where}: weights don't fit the model ({found}); check kind and file, or fetch it again")
    model.load_state_dict(dict(weights))
    return model.eval()


def _some(names: Sequence[str]) -> str:
    more = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


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
