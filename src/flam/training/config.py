"""Everything that decides a training run: the recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from flam.core import ConfigError, from_mapping, parse_yaml, read_text
from flam.data.config import DataConfig
from flam.detection.config import DetectionConfig
from flam.hub.card import ModelCard
from flam.model.flam import FLAMConfig
from flam.model.mga_clap import MGACLAPConfig
from flam.training.distribution import Strategy
from flam.training.methods import METHODS
from flam.training.optimiser import OptimConfig
from flam.training.specaugment import SpecAugmentConfig


@dataclass(frozen=True)
class StartConfig:
    """Where weights come from before the first step.

    Parameters
    ----------
    model : name of a model or folder of a checkpoint, for example that of an earlier stage; None for random weights
    parts : names of weights that are taken begin with one of these; empty for all
    tokenizer : a tokenizer.json, or a model whose tokenizer it is; None for that of ``model``
    """

    model: str | None = None
    parts: tuple[str, ...] = ()
    tokenizer: str | None = None


@dataclass(frozen=True)
class ComputeConfig:
    """How a step is computed; none of it changes what is minimised.

    Parameters
    ----------
    device : "auto" takes a GPU for each process where there is one
    strategy : "ddp" or "fsdp", of several processes
    precision : of the towers; "bf16" is autocast over float32 weights
    micro_batch_size : clips that a process embeds at once; None for all. Less memory, one more forward pass
    frozen_norms : batch norms keep and use the statistics they start with, so that micro-batches change nothing at all
    workers : processes that make batches, for each process that trains; 0 makes them in that process itself
    """

    device: Literal["auto", "cpu", "cuda"] = "auto"
    strategy: Strategy = "ddp"
    precision: Literal["fp32", "bf16"] = "bf16"
    micro_batch_size: int | None = None
    frozen_norms: bool = False
    workers: int = 2

    def __post_init__(self) -> None:
        if self.micro_batch_size is not None and self.micro_batch_size < 1:
            raise ValueError(f"micro_batch_size {self.micro_batch_size} must be at least 1, or null for no cut")


@dataclass(frozen=True)
class RecordConfig:
    """What a run leaves behind, in steps.

    Parameters
    ----------
    log_every : a line in the log, mean losses since the last
    validate_every, validation_batches : held-out figures, and of how many batches
    save_every, keep : checkpoints to go on from, and how many of them
    tensorboard : also for TensorBoard, which has to be installed
    """

    log_every: int = 50
    validate_every: int = 2_000
    validation_batches: int = 8
    save_every: int = 500
    keep: int = 2
    tensorboard: bool = False

    def __post_init__(self) -> None:
        if min(self.log_every, self.validate_every, self.validation_batches, self.save_every, self.keep) < 1:
            raise ValueError("log_every, validate_every, validation_batches, save_every and keep must be at least 1")


@dataclass(frozen=True)
class TrainConfig:
    """A recipe.

    Parameters
    ----------
    data, validation_data : what is heard; validation must hold recordings that training never sees
    model : what is trained; its class picks the entry of ``flam.training.methods.METHODS``
    start : where weights come from
    freeze : weights whose names begin with one of these stay as they start
    losses : weight of each loss; one without a weight is not computed, nor is its data read
    optim, augment, compute, record : the parts' own settings
    ema_decay : of the averaged weights that are validated and packaged; 0 for none
    seed : of weights and random layers; data has its own
    card, detection : packaged with the model: what to know about it, and its operating point
    """

    data: DataConfig
    validation_data: DataConfig
    model: FLAMConfig | MGACLAPConfig = field(default_factory=FLAMConfig)
    start: StartConfig = field(default_factory=StartConfig)
    freeze: tuple[str, ...] = ()
    losses: dict[str, float] = field(default_factory=lambda: {"clip": 1.0, "frame": 200.0, "prior": 1.0})
    optim: OptimConfig = field(default_factory=OptimConfig)
    augment: SpecAugmentConfig = field(default_factory=SpecAugmentConfig)
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    record: RecordConfig = field(default_factory=RecordConfig)
    ema_decay: float = 0.999
    seed: int = 0
    card: ModelCard = field(default_factory=ModelCard)
    detection: DetectionConfig = field(default_factory=DetectionConfig)

    def __post_init__(self) -> None:
        known = METHODS[type(self.model)].loss_names
        unknown = sorted(self.losses.keys() - set(known))
        if unknown:
            raise ValueError(f"losses: unknown loss {unknown[0]!r}; known losses: {', '.join(known)}")
        if not self.wanted:
            raise ValueError(f"losses: none has a weight above 0; give one of {', '.join(known)} some")
        if ("clip" in self.wanted and not self.data.captions) or (self.wanted - {"clip"} and not self.data.frames):
            raise ValueError("losses: clip needs sources in data.captions, frame and prior in data.frames")
        if not self.validation_data.frames:
            raise ValueError("validation_data.frames is empty; name clips with labels, whatever the losses")
        if not 0 <= self.ema_decay < 1:
            raise ValueError(f"ema_decay {self.ema_decay} must be at least 0 and below 1")

    @property
    def wanted(self) -> frozenset[str]:
        """Names of the losses that have a weight."""
        return frozenset(name for name, weight in self.losses.items() if weight > 0)


def needed_data(config: TrainConfig) -> DataConfig:
    """The training data without sources that no loss asks for."""
    captions = config.data.captions if "clip" in config.wanted else ()
    frames = config.data.frames if config.wanted - {"clip"} else ()
    return replace(config.data, captions=captions, frames=frames)


def load_recipe(path: str | Path, changes: Sequence[str] = ()) -> TrainConfig:
    """Read a recipe from YAML.

    A recipe may name another one under ``extends``, a path from its own folder: then it says only what differs.

    Parameters
    ----------
    changes : "key=value" each, dots between the keys of nested settings, the value as in YAML

    Raises
    ------
    ConfigError : a file that can't be read, an unknown key, a change that is no "key=value"
    """
    mapping = _read(Path(path), ())
    for change in changes:
        keys, equals, value = change.partition("=")
        if not equals:
            raise ConfigError(f"--set {change!r} must be key=value, for example optim.lr=1e-4")
        nested: Any = parse_yaml(value, f"--set {change!r}")
        for key in reversed(keys.split(".")):
            nested = {key: nested}
        mapping = merged(mapping, nested)
    return from_mapping(TrainConfig, mapping, str(path))


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings with some of them changed; a list or a number is replaced whole.

    >>> merged({"optim": {"lr": 1, "steps": 9}}, {"optim": {"lr": 2}})
    {'optim': {'lr': 2, 'steps': 9}}
    """
    result = dict(base)
    for key, value in changes.items():
        both_nested = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if both_nested else value
    return result


def first_difference(one: Any, other: Any, where: str = "") -> str | None:
    """Where two nested settings differ, and how; None where they are equal.

    >>> first_difference({"optim": {"lr": 1}}, {"optim": {"lr": 2}})
    'optim.lr is 1 there and 2 here'
    """
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in {**one, **other}:
            found = first_difference(one.get(key), other.get(key), f"{where}.{key}" if where else str(key))
            if found is not None:
                return found
        return None
    return None if one == other else f"{where} is {one!r} there and {other!r} here"


def _read(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    if path.resolve() in seen:
        raise ConfigError(f"{path}: extends itself; name another recipe")
    mapping = parse_yaml(read_text(path, ConfigError), str(path))
    if not isinstance(mapping, dict):
        raise ConfigError(f"{path}: is not a mapping of keys to values; see configs/ for recipes")
    base = mapping.pop("extends", None)
    return mapping if base is None else merged(_read(path.parent / str(base), (*seen, path.resolve())), mapping)
