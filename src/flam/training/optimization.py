"""Optimizer, learning rates of groups of weights, and the schedule."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import torch
from torch import nn

from flam.core import ConfigError

TEXT_PARTS = ("text_encoder.", "text_projection.")
MODEL_PREFIX = "model."
ScheduleName = Literal["warmup_cosine", "cosine", "floored_cosine", "one_cycle"]


@dataclass(frozen=True)
class OptimConfig:
    """How weights move.

    Parameters
    ----------
    kind : "adam" or "adamw"
        Adam as in the paper, or AdamW.
    lr : float
        Peak learning rate.
    steps : int
        Length of the training.
    schedule : str
        A name of ``SCHEDULES``: the shape of the learning rate.
    warmup_steps : int
        Over these the rate grows linearly.
    final_lr_share : float
        Share of the peak that the schedule ends at.
    weight_decay : float
        Of matrices; biases, gains of norms and other vectors have none unless ``decay_vectors``.
    decay_vectors : bool
        Whether vectors decay as well.
    no_decay : tuple of str
        Weights whose names begin with one of these never decay.
    betas : tuple of float
        Decay of the two moments.
    clip_norm : float or None
        Gradients longer than this are shortened to it; None leaves them.
    text_lr_share : float
        Learning rate of the text tower and its projection, relative to the rest.
    """

    kind: Literal["adam", "adamw"] = "adam"
    lr: float = 1e-4
    steps: int = 120_000
    schedule: ScheduleName = "warmup_cosine"
    warmup_steps: int = 3_200
    final_lr_share: float = 0.0
    weight_decay: float = 0.0
    decay_vectors: bool = False
    no_decay: tuple[str, ...] = ()
    betas: tuple[float, float] = (0.9, 0.999)
    clip_norm: float | None = 1.0
    text_lr_share: float = 1.0

    def __post_init__(self) -> None:
        if (
            self.steps < 1
            or self.warmup_steps < 0
            or self.lr <= 0
            or (self.clip_norm is not None and self.clip_norm <= 0)
        ):
            raise ValueError("steps, lr and clip_norm must be positive, warmup_steps 0 or greater")
        if self.kind == "adam" and self.weight_decay > 0:
            raise ValueError(f"weight_decay {self.weight_decay} needs kind adamw: with adam it would be another method")


@dataclass(frozen=True)
class Stage:
    """A stretch of a run with its own learning rate and its own mix of losses.

    Parameters
    ----------
    name : str
        Stands in the log.
    steps : int
        Length.
    lr : float
        Peak learning rate; warm-up and decay are those of ``OptimConfig``, over this stage.
    losses : dict of str to float
        Weight of each loss.
    text_lr_share : float
        Learning rate of the text tower and its projection relative to the rest; 0 keeps them as they are.
    """

    name: str
    steps: int
    lr: float
    losses: dict[str, float] = field(default_factory=dict)
    text_lr_share: float = 1.0

    @property
    def enabled(self) -> frozenset[str]:
        """Names of the losses that have a weight."""
        return frozenset(name for name, weight in self.losses.items() if weight > 0)


def stage_at(stages: Sequence[Stage], step: int) -> tuple[Stage, int]:
    """Find the stage of a step, and how many of its steps are done.

    Examples
    --------
    >>> stages = (Stage("distil", 3, 1e-3), Stage("frames", 2, 1e-3))
    >>> stage, done = stage_at(stages, 4)
    >>> stage.name, done
    ('frames', 1)
    """
    for stage in stages:
        if step < stage.steps:
            return stage, step
        step -= stage.steps
    raise ConfigError(f"step {step} lies after the last stage; give the recipe more steps")


class Rate(NamedTuple):
    """What a schedule says of a step: share of the peak learning rate, and Adam's first beta where it moves too."""

    share: float
    beta: float | None = None


def warmup_cosine(step: int, steps: int, warmup_steps: int, final_share: float) -> Rate:
    """Go up in a straight line, then down along a cosine.

    Examples
    --------
    >>> [warmup_cosine(step, 6, 2, 0.0).share for step in (0, 1, 4)]
    [0.5, 1.0, 0.5]
    """
    if step < warmup_steps:
        return Rate((step + 1) / warmup_steps)
    passed = (step - warmup_steps) / max(steps - warmup_steps, 1)
    return Rate(final_share + (1 - final_share) * _cosine(passed))


def cosine(step: int, steps: int, warmup_steps: int, final_share: float) -> Rate:
    """Follow a cosine from the first step on, times a warm-up."""
    warmup = min(1.0, (step + 1) / warmup_steps) if warmup_steps else 1.0
    return Rate(warmup * (final_share + (1 - final_share) * _cosine(step / steps)))


def floored_cosine(step: int, steps: int, warmup_steps: int, final_share: float) -> Rate:
    """Follow a cosine to 0, but never below the final share."""
    return Rate(max(_cosine(step / steps), final_share))


def one_cycle(step: int, steps: int, warmup_steps: int, final_share: float) -> Rate:
    """Follow ``torch.optim.lr_scheduler.OneCycleLR`` with its defaults; the first beta goes the other way."""
    top, last = 0.3 * steps - 1, steps - 1
    if step <= top:
        passed, start, end, start_beta, end_beta = step / top, 1 / 25, 1.0, 0.95, 0.85
    else:
        passed, start, end, start_beta, end_beta = (step - top) / (last - top), 1.0, 1 / 25 / 1e4, 0.85, 0.95
    return Rate(end + (start - end) * _cosine(passed), end_beta + (start_beta - end_beta) * _cosine(passed))


SCHEDULES = {
    "warmup_cosine": warmup_cosine,
    "cosine": cosine,
    "floored_cosine": floored_cosine,
    "one_cycle": one_cycle,
}


def freeze(module: nn.Module, parts: Sequence[str]) -> None:
    """Keep the weights whose names begin with one of ``parts`` as they are.

    Parameters
    ----------
    module : torch.nn.Module
        What is trained; names of weights inside its ``model`` begin there.
    parts : sequence of str
        Beginnings of names, such as "audio_encoder".

    Raises
    ------
    ConfigError
        No weight belongs to a part.
    """
    named = _named(module)
    for part in parts:
        chosen = [parameter for name, parameter in named.items() if name.startswith(part)]
        if not chosen:
            known = ", ".join(dict.fromkeys(name.split(".")[0] for name in named))
            raise ConfigError(f"freeze: no weight's name begins with {part!r}; parts are {known}")
        for parameter in chosen:
            parameter.requires_grad_(False)


def make_optimizer(module: nn.Module, config: OptimConfig) -> torch.optim.Optimizer:
    """Make an optimizer for the weights that are trained, in up to four groups.

    Examples
    --------
    >>> module = nn.ModuleDict({"text_encoder": nn.Linear(2, 2), "rest": nn.Linear(2, 2)})
    >>> [len(group["params"]) for group in make_optimizer(module, OptimConfig()).param_groups]
    [1, 1, 1, 1]
    """
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in _named(module).items():
        if parameter.requires_grad:
            decays = (parameter.ndim > 1 or config.decay_vectors) and not name.startswith(config.no_decay or ("\0",))
            groups.setdefault((name.startswith(TEXT_PARTS), decays), []).append(parameter)
    kind = torch.optim.AdamW if config.kind == "adamw" else torch.optim.Adam
    return kind(
        [
            {"params": parameters, "is_text": is_text, "weight_decay": config.weight_decay if decays else 0.0}
            for (is_text, decays), parameters in sorted(groups.items(), key=lambda item: item[0])
        ],
        lr=config.lr,
        betas=config.betas,
    )


def set_learning_rate(
    optimizer: torch.optim.Optimizer, stages: Sequence[Stage], step: int, config: OptimConfig
) -> float:
    """Set every group's rate for a step, and return the rate of everything but the text tower."""
    stage, stage_step = stage_at(stages, step)
    rate = SCHEDULES[config.schedule](stage_step, stage.steps, config.warmup_steps, config.final_lr_share)
    for group in optimizer.param_groups:
        group["lr"] = stage.lr * rate.share * (stage.text_lr_share if group["is_text"] else 1.0)
        if rate.beta is not None:
            group["betas"] = (rate.beta, group["betas"][1])
    return stage.lr * rate.share


def weighted_sum(losses: Mapping[str, torch.Tensor], weights: Mapping[str, float]) -> torch.Tensor:
    """Add up what is to be minimised: every ``<name>_loss`` times the weight of its name.

    Examples
    --------
    >>> weighted_sum({"clip_loss": torch.tensor(1.0), "frame_loss": torch.tensor(0.1)}, {"clip": 1.0, "frame": 200.0})
    tensor(21.)
    """
    terms = [weights[name.removesuffix("_loss")] * value for name, value in losses.items()]
    if not terms:
        raise ConfigError("losses: none has a weight above 0; give one a weight")
    return sum(terms[1:], terms[0])


def _cosine(passed: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * min(passed, 1.0)))


def _named(module: nn.Module) -> dict[str, nn.Parameter]:
    return {name.removeprefix(MODEL_PREFIX): parameter for name, parameter in module.named_parameters()}
