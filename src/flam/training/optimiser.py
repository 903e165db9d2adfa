"""Adam or AdamW over the weights that are trained, the text tower at a rate of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from flam.core import ConfigError
from flam.training.schedule import learning_rate

TEXT_PARTS = ("text_encoder.", "text_projection.")


@dataclass(frozen=True)
class OptimConfig:
    """How weights move.

    Parameters
    ----------
    kind : "adam" as in the paper, or "adamw"
    lr : peak learning rate
    steps : length of the training
    warmup_steps, final_lr_share : see ``schedule.learning_rate``
    weight_decay : of matrices; biases, gains of norms and other vectors have none
    betas : decay of the two moments
    clip_norm : gradients longer than this are shortened to it
    text_lr_share : learning rate of the text tower and its projection against the rest
    """

    kind: Literal["adam", "adamw"] = "adam"
    lr: float = 1e-4
    steps: int = 120_000
    warmup_steps: int = 3_200
    final_lr_share: float = 0.0
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    clip_norm: float = 1.0
    text_lr_share: float = 1.0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.warmup_steps < 0 or self.lr <= 0 or self.clip_norm <= 0:
            raise ValueError("steps, lr and clip_norm must be positive, warmup_steps 0 or greater")
        if self.kind == "adam" and self.weight_decay > 0:
            raise ValueError(f"weight_decay {self.weight_decay} needs kind adamw: with adam it would be another method")


def freeze(model: nn.Module, parts: Sequence[str]) -> None:
    """Keep the weights whose names begin with one of ``parts`` as they are.

    Raises
    ------
    ConfigError : a part that no weight belongs to
    """
    for part in parts:
        chosen = [parameter for name, parameter in model.named_parameters() if name.startswith(part)]
        if not chosen:
            raise ConfigError(f"freeze: no weight's name begins with {part!r}; parts are {', '.join(_parts(model))}")
        for parameter in chosen:
            parameter.requires_grad_(False)


def make_optimiser(model: nn.Module, config: OptimConfig) -> torch.optim.Optimizer:
    """An optimiser for the weights of ``model`` that are trained, in up to four groups.

    >>> model = nn.ModuleDict({"text_encoder": nn.Linear(2, 2), "rest": nn.Linear(2, 2)})
    >>> [len(group["params"]) for group in make_optimiser(model, OptimConfig()).param_groups]
    [1, 1, 1, 1]
    """
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups.setdefault((name.startswith(TEXT_PARTS), parameter.ndim > 1), []).append(parameter)
    kind = torch.optim.AdamW if config.kind == "adamw" else torch.optim.Adam
    return kind(
        [
            {
                "params": parameters,
                "lr_share": config.text_lr_share if is_text else 1.0,
                "weight_decay": config.weight_decay if is_matrix else 0.0,
            }
            for (is_text, is_matrix), parameters in sorted(groups.items(), key=lambda item: item[0])
        ],
        lr=config.lr,
        betas=config.betas,
    )


def set_learning_rate(optimiser: torch.optim.Optimizer, step: int, config: OptimConfig) -> float:
    """Set every group's rate for a step, and return the rate of those that have no share of their own."""
    rate = learning_rate(step, config.lr, config.steps, config.warmup_steps, config.final_lr_share)
    for group in optimiser.param_groups:
        group["lr"] = rate * group["lr_share"]
    return rate


def _parts(model: nn.Module) -> list[str]:
    return list(dict.fromkeys(name.split(".")[0] for name, _ in model.named_parameters()))
