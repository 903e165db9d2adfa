"""The recipe: everything that decides a training run, read from YAML and checked before anything is made."""

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
from flam.training.augment import SpecAugmentConfig
from flam.training.distribution import Strategy
from flam.training.optimization import OptimConfig, Stage
from flam.training.task import Task, needed_for, task_class, task_settings


@dataclass(frozen=True)
class StartConfig:
    """Where weights come from before the first step.

    Parameters
    ----------
    model : str or None
        Name of a model or folder of a checkpoint, for example that of an earlier stage; None for random weights.
    parts : tuple of str
        Names of weights that are taken begin with one of these; empty for all.
    tokenizer : str or None
        A tokenizer.json, or a model whose tokenizer it is; None for that of ``model``.
    """

    model: str | None = None
    parts: tuple[str, ...] = ()
    tokenizer: str | None = None


@dataclass(frozen=True)
class ComputeConfig:
    """How a step is computed; none of it changes what is minimised.

    Parameters
    ----------
    device : str
        "auto" takes a GPU for each process where there is one.
    strategy : str
        "ddp" or "fsdp", of several processes.
    precision : str
        Of the towers; "bf16" is autocast over float32 weights.
    micro_batch_size : int or None
        Clips that a process embeds at once; None for all. Less memory, one more forward pass.
    frozen_norms : bool
        Batch norms keep and use the statistics they start with, so that micro-batches change nothing at all.
    workers : int
        Processes that make batches, for each process that trains; 0 makes them in that process itself.
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
    log_every : int
        A line in the log, mean losses since the last.
    validate_every, validation_batches : int
        Held-out figures, and of how many batches.
    save_every, keep : int
        Checkpoints to go on from, and how many of them.
    half_precision : bool
        Package models in float16, which halves their size.
    tensorboard : bool
        Also write for TensorBoard, which has to be installed.
    """

    log_every: int = 50
    validate_every: int = 2_000
    validation_batches: int = 8
    save_every: int = 500
    keep: int = 2
    half_precision: bool = False
    tensorboard: bool = False

    def __post_init__(self) -> None:
        if min(self.log_every, self.validate_every, self.validation_batches, self.save_every, self.keep) < 1:
            raise ValueError("log_every, validate_every, validation_batches, save_every and keep must be at least 1")


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training run.

    Parameters
    ----------
    task : mapping or settings of a task
        What is learnt and how, by its ``kind``; None for that of the model.
    data, validation_data : DataConfig or None
        Clips to learn from, and clips that training never hears, for the tasks that train on clips.
    model : FLAMConfig or MGACLAPConfig
        Sizes of the model.
    start : StartConfig
        Where weights come from.
    freeze : tuple of str
        Weights whose names begin with one of these stay as they start.
    losses : dict of str to float
        Weight of each loss; one without a weight is not computed, nor is its data read.
    stages : tuple of Stage
        Stretches with their own steps, rate and losses; they replace ``losses``, ``optim.lr`` and ``optim.steps``.
    optim, augment, compute, record : dataclass
        The parts' own settings.
    ema_decay : float
        Of the averaged weights that are validated and packaged; 0 for none.
    ema_warmup : bool
        The average forgets its start quickly in the first steps; False keeps ``ema_decay`` from the second step on.
    seed : int
        Of weights and random layers; data has its own.
    card, detection : ModelCard, DetectionConfig
        Packaged with the model: what to know about it, and its operating point.
    """

    task: Any = None
    data: DataConfig | None = None
    validation_data: DataConfig | None = None
    model: FLAMConfig | MGACLAPConfig = field(default_factory=FLAMConfig)
    start: StartConfig = field(default_factory=StartConfig)
    freeze: tuple[str, ...] = ()
    losses: dict[str, float] = field(default_factory=lambda: {"clip": 1.0, "frame": 200.0, "prior": 1.0})
    stages: tuple[Stage, ...] = ()
    optim: OptimConfig = field(default_factory=OptimConfig)
    augment: SpecAugmentConfig = field(default_factory=SpecAugmentConfig)
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    record: RecordConfig = field(default_factory=RecordConfig)
    ema_decay: float = 0.999
    ema_warmup: bool = True
    seed: int = 0
    card: ModelCard = field(default_factory=ModelCard)
    detection: DetectionConfig = field(default_factory=DetectionConfig)

    def __post_init__(self) -> None:
        if self.task is None:
            object.__setattr__(self, "task", task_class(self.model.kind).settings())
        elif isinstance(self.task, dict):
            object.__setattr__(self, "task", task_settings(self.task))
        if any(not stage.name or stage.steps < 1 for stage in self.stages):
            raise ValueError("stages: each needs a name and at least one step")
        known = self.task_class.known_losses()
        for stage in self.resolved_stages:
            unknown = sorted(stage.losses.keys() - known.keys())
            if unknown:
                raise ValueError(f"losses: unknown loss {unknown[0]!r}; known losses: {', '.join(sorted(known))}")
            if not stage.enabled:
                raise ValueError(f"losses: none has a weight above 0; give one of {', '.join(sorted(known))} some")
        if not 0 <= self.ema_decay < 1:
            raise ValueError(f"ema_decay {self.ema_decay} must be at least 0 and below 1")
        self.task_class.check(self)

    @property
    def task_class(self) -> type[Task]:
        """The class of the task."""
        return task_class(self.task.kind)

    @property
    def resolved_stages(self) -> tuple[Stage, ...]:
        """The stages; a recipe without any is one stage."""
        optim = self.optim
        return self.stages or (Stage("", optim.steps, optim.lr, self.losses, optim.text_lr_share),)

    @property
    def enabled(self) -> frozenset[str]:
        """Names of the losses that have a weight in any stage."""
        return frozenset().union(*(stage.enabled for stage in self.resolved_stages))

    @property
    def n_steps(self) -> int:
        """Steps of all stages."""
        return sum(stage.steps for stage in self.resolved_stages)


def needed_data(recipe: Recipe) -> DataConfig:
    """Give the training data without the sources that no loss asks for."""
    assert recipe.data is not None  # the tasks that ask have checked it
    needed = needed_for(recipe.task_class, recipe.enabled)
    captions = recipe.data.captions if "captions" in needed else ()
    frames = recipe.data.frames if "frames" in needed else ()
    return replace(recipe.data, captions=captions, frames=frames)


def load_recipe(path: str | Path, changes: Sequence[str] = ()) -> Recipe:
    """Read a recipe from YAML.

    A recipe may name another one under ``extends``, a path from its own folder: then it says only what differs.

    Parameters
    ----------
    path : str or Path
        The file.
    changes : sequence of str
        "key=value" each, dots between the keys of nested settings, the value as in YAML.

    Returns
    -------
    Recipe

    Raises
    ------
    ConfigError
        A file can't be read, a key is unknown, or a change is no "key=value".
    """
    return from_mapping(Recipe, with_changes(_read(Path(path), ()), changes), str(path))


def with_changes(mapping: Mapping[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """Change nested settings as ``--set`` says.

    Parameters
    ----------
    mapping : mapping of str to Any
        The settings.
    changes : sequence of str
        "key=value" each, dots between the keys of nested settings, the value as in YAML.

    Raises
    ------
    ConfigError
        A change is no "key=value".

    Examples
    --------
    >>> with_changes({"optim": {"lr": 1, "steps": 9}}, ["optim.lr=2"])
    {'optim': {'lr': 2, 'steps': 9}}
    """
    result = dict(mapping)
    for change in changes:
        keys, equals, value = change.partition("=")
        if not equals:
            raise ConfigError(f"--set {change!r} must be key=value, for example optim.lr=1e-4")
        nested = parse_yaml(value, f"--set {change!r}")
        for key in reversed(keys.split(".")):
            nested = {key: nested}
        result = merge_overrides(result, nested)
    return result


def merge_overrides(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Change some of nested settings; a list or a number is replaced whole.

    Examples
    --------
    >>> merge_overrides({"optim": {"lr": 1, "steps": 9}}, {"optim": {"lr": 2}})
    {'optim': {'lr': 2, 'steps': 9}}
    """
    result = dict(base)
    for key, value in changes.items():
        both_nested = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merge_overrides(result[key], value) if both_nested else value
    return result


def first_difference(one: Any, other: Any, where: str = "") -> str | None:
    """Tell where two nested settings differ, and how; None where they are equal.

    Examples
    --------
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
    if base is None:
        return mapping
    return merge_overrides(_read(path.parent / str(base), (*seen, path.resolve())), mapping)
