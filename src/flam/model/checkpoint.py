"""Checkpoints: config.json, model.safetensors and tokenizer.json in a folder, and the model built from them."""

from __future__ import annotations

import inspect
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor
from torch.overrides import TorchFunctionMode

from flam.core import ModelError, OutputError, from_mapping, to_mapping
from flam.hub.card import FORMAT, ModelCard, read_card, read_config
from flam.model.flam import FLAM, FLAMConfig
from flam.model.mga_clap import MGACLAP, MGACLAPConfig
from flam.model.towers import TwoTowers

ModelConfig = FLAMConfig | MGACLAPConfig
MODELS: Mapping[type, Callable[..., TwoTowers]] = MappingProxyType({FLAMConfig: FLAM, MGACLAPConfig: MGACLAP})
# methods of tensors, and functions of nn.init and of transformers; what others draw, they draw by these
DRAWING = {"normal_", "uniform_", "kaiming_uniform_"}
NAMES_SHOWN = 8
LARGEST_SIZE = 2**20


@dataclass(frozen=True)
class Checkpoint:
    """A loaded checkpoint.

    Parameters
    ----------
    model : TwoTowers
        in evaluation mode, float32, on the CPU
    card : ModelCard
        what to know about it
    detection : dict[str, Any]
        the operating point that was chosen for this model; keys of ``flam.detection.DetectionConfig``
    """

    model: TwoTowers
    card: ModelCard
    detection: dict[str, Any]


def save_checkpoint(
    model: TwoTowers,
    folder: str | Path,
    card: ModelCard | None = None,
    detection: dict[str, Any] | None = None,
    dtype: torch.dtype | None = None,
    beside: Mapping[str, Mapping[str, Tensor]] = MappingProxyType({}),
) -> None:
    """Write a checkpoint folder; it appears whole or not at all, and replaces a checkpoint that is there.

    Parameters
    ----------
    dtype : torch.dtype | None, optional
        type that floating-point weights are stored in, for example ``torch.float16``; None keeps theirs
    beside : Mapping[str, Mapping[str, Tensor]], optional
        weights that are no part of the model, by the name of the file that they are written into

    Raises
    ------
    OutputError
        the folder can't be written, or holds something else than a checkpoint
    """
    folder = Path(folder)
    _refuse_to_replace_other_files(folder)
    weights = {
        name: value.to(dtype) if dtype is not None and value.is_floating_point() else value
        for name, value in model.state_dict().items()
    }
    config = {
        "format": FORMAT,
        "model": to_mapping(model.config),
        "card": to_mapping(ModelCard() if card is None else card),
        "detection": {} if detection is None else detection,
    }
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            save_file({name: value.contiguous().cpu() for name, value in weights.items()}, part / "model.safetensors")
            for name, others in beside.items():
                save_file({key: value.contiguous().cpu() for key, value in others.items()}, part / name)
                (part / name).chmod(0o644)
            (part / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
            if model.tokenizer is not None:
                model.tokenizer.save(str(part / "tokenizer.json"))
            # safetensors writes for the owner alone
            shutil.copymode(part / "config.json", part / "model.safetensors")
            part.chmod(0o755)
            replaced = part.with_name(f"{part.name}.replaced")
            if folder.exists():
                os.replace(folder, replaced)
            os.replace(part, folder)
            shutil.rmtree(replaced, ignore_errors=True)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
    except (OSError, SafetensorError) as error:
        raise OutputError(
            f"{folder}: the checkpoint can't be written ({error}); make space, or choose another folder"
        ) from error


def load_checkpoint(folder: str | Path) -> Checkpoint:
    """Read a checkpoint folder.

    Raises
    ------
    ModelError
        a file is missing or damaged, or the weights don't fit the configuration
    ConfigError
        the configuration holds an unknown key

    Examples
    --------
    >>> from flam.model.convnet import ConvEncoderConfig
    >>> from flam.model.flam import FLAM, FLAMConfig
    >>> from flam.model.text import LightTextConfig
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model = FLAM(FLAMConfig(audio=ConvEncoderConfig(), text=LightTextConfig(vocab_size=10)))
    ...     save_checkpoint(model, f"{folder}/tiny", ModelCard("tiny", licence="CC0-1.0"), {"threshold": 0.4})
    ...     checkpoint = load_checkpoint(f"{folder}/tiny")
    >>> checkpoint.card.licence, checkpoint.detection
    ('CC0-1.0', {'threshold': 0.4})
    """
    folder = Path(folder)
    config = read_config(folder)
    tokenizer_path = folder / "tokenizer.json"
    try:
        weights = load_file(folder / "model.safetensors")
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{folder}: weights can't be read ({error}); fetch or convert the model again") from error
    try:
        tokenizer = Tokenizer.from_file(str(tokenizer_path)) if tokenizer_path.exists() else None
    except Exception as error:  # the library raises nothing narrower
        raise ModelError(f"{tokenizer_path}: can't be read ({error}); fetch or convert the model again") from error
    model = build_model(model_config(config["model"], f"{folder}/config.json: model"), weights, folder, tokenizer)
    return Checkpoint(model, read_card(folder), config.get("detection", {}))


def _refuse_to_replace_other_files(folder: Path) -> None:
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    try:
        read_config(folder)
    except ModelError as error:
        raise OutputError(f"{folder}: exists and is no checkpoint; choose a new or an empty folder") from error


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
