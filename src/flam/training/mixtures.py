"""Mixtures of two scenes, made of their band powers each time a scene is heard: more mixtures than were rendered.

Shapes: B scenes, T frames, K labels, S sounds.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from flam.training.teacher_scenes import SceneBatch


def with_mixtures(scenes: SceneBatch, share: float, rng: np.random.Generator, most_db: float = 6.0) -> SceneBatch:
    """Add the next scene of the batch to some of the scenes.

    What sounds in either sounds in the mixture, and what can't be judged in one can't be judged in it. The teacher has
    not heard it.

    Parameters
    ----------
    scenes : SceneBatch
        Not degraded yet.
    share : float
        Part of the scenes that are mixed, in [0, 1].
    rng : numpy.random.Generator
        Draws which, and how loud the other scene is: at most ``most_db`` louder or softer in the mean.

    Returns
    -------
    SceneBatch
        With 2 S places for sounds.
    """
    n_scenes = len(scenes.logmel)
    chosen = torch.from_numpy(rng.random(n_scenes) < share)
    gains_db = torch.from_numpy(rng.uniform(-most_db, most_db, n_scenes).astype(np.float32))
    power = torch.pow(10.0, scenes.logmel / 10)
    mean = power.mean(dim=(1, 2))
    gain = torch.pow(10.0, gains_db / 10) * mean / mean.roll(-1)
    mixed = 10 * torch.log10(power + gain[:, None, None] * power.roll(-1, 0))

    def either(own: Tensor, both: Tensor) -> Tensor:
        return torch.where(chosen.view(-1, *(1 for _ in own.shape[1:])), both, own)

    labels = either(scenes.labels, scenes.labels | scenes.labels.roll(-1, 0))
    in_both = (scenes.valid & scenes.valid.roll(-1, 0)) | labels.any(dim=1)
    n_sounds = scenes.label.shape[1]
    active = functional.pad(scenes.active, (0, 0, 0, n_sounds))
    label = functional.pad(scenes.label, (0, n_sounds), value=-1)
    return replace(
        scenes,
        logmel=either(scenes.logmel, mixed),
        labels=labels,
        valid=either(scenes.valid, in_both),
        single=scenes.single & ~chosen,
        active=either(active, torch.cat([scenes.active, scenes.active.roll(-1, 0)], dim=1)),
        label=either(label, torch.cat([scenes.label, scenes.label.roll(-1, 0)], dim=1)),
        weight=either(scenes.weight, torch.maximum(scenes.weight, scenes.weight.roll(-1, 0))),
        taught=scenes.taught & ~chosen,
    )
