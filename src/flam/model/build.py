"""A model of any kind out of its sizes and weights, or a list of what does not fit."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tokenizers import Tokenizer
from torch import Tensor
from torch.overrides import TorchFunctionMode

from flam.core import ModelError, from_mapping
from flam.model.flam import FLAM, FLAMConfig
from flam.model.mga_clap import MGACLAP, MGACLAPConfig
from flam.model.towers import TwoTowers

ModelConfig = FLAMConfig | MGACLAPConfig
MODELS: Mapping[type, Callable[..., TwoTowers]] = MappingProxyType({FLAMConfig: FLAM, MGACLAPConfig: MGACLAP})
# methods of tensors, and functions of nn.init and of transformers; what others draw, they draw by these
DRAWING = {"normal_", "uniform_", "kaiming_uniform_"}
NAMES_SHOWN = 8
LARGEST_SIZE = 2**20


def build_model(
    config: ModelConfig, weights: Mapping[str, Tensor], where: str | Path, tokenizer: Tokenizer | None = None
) -> TwoTowers:
    """The model with these weights, in evaluation mode; nothing random is drawn, which would take longer than loading.

    Parameters
    ----------
    config : ModelConfig
        as of the model's class
    tokenizer : Tokenizer | None, optional
        as of the model's class
    weights : Mapping[str, Tensor]
        under this package's names; each takes the type that the model has
    where : str | Path
        file or folder that errors name

    Raises
    ------
    ModelError
        tensors are missing, of another shape or unknown

    Examples
    --------
    >>> from flam.model.convnet import ConvEncoderConfig
    >>> from flam.model.text import LightTextConfig
    >>> model = FLAM(FLAMConfig(audio=ConvEncoderConfig(), text=LightTextConfig()))
    >>> same = build_model(model.config, model.state_dict(), "memory")
    >>> bool((same.log_temperature_inverse == model.log_temperature_inverse).all())
    True
    """
    model = _built(config, tokenizer, where)
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


def model_config(mapping: Mapping[str, Any], where: str) -> ModelConfig:
    """Sizes of a model, as a checkpoint holds them; one that names no kind is FLAM's.

    Raises
    ------
    ModelError
        an unknown kind
    ConfigError
        an unknown key, or a value that can't be

    Examples
    --------
    >>> model_config({"kind": "mga_clap", "n_codewords": 512}, "config.json").n_codewords
    512
    """
    if not isinstance(mapping, dict):
        raise ModelError(f"{where}: is not a mapping of sizes; fetch or convert the model again")
    _require_sizes(mapping, where)
    kinds: dict[str, type[FLAMConfig] | type[MGACLAPConfig]] = {"flam": FLAMConfig, "mga_clap": MGACLAPConfig}
    kind = mapping.get("kind", "flam")
    if kind not in kinds:
        raise ModelError(f"{where}: kind {kind!r} is unknown to this version; known kinds: {', '.join(kinds)}")
    return from_mapping(kinds[kind], mapping, where)


def _built(config: ModelConfig, tokenizer: Tokenizer | None, where: str | Path) -> TwoTowers:
    try:
        with _NoDrawing():
            return MODELS[type(config)](config, tokenizer)
    except (RuntimeError, ValueError, TypeError, ArithmeticError, LookupError, MemoryError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"{where}: no model can have its sizes ({reason}); fetch or convert it again") from error


def _require_sizes(value: Any, where: str) -> None:
    """Refuse sizes that no model has, before memory is asked for."""
    if isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            _require_sizes(inner, where)
    elif isinstance(value, (int, float)) and not -LARGEST_SIZE <= value <= LARGEST_SIZE:
        raise ModelError(f"{where}: size {value} is beyond {LARGEST_SIZE}; fetch or convert the model again")


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
