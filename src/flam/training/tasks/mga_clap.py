"""MGA-CLAP, a baseline (arXiv 2408.07919): clips and captions alone, negatives that look right count more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from flam.core import ConfigError
from flam.model.mga_clap import MGACLAPConfig
from flam.training.embedding import Features
from flam.training.task import Objective
from flam.training.tasks.flam import FlamBatch, FlamStep, FlamTask, step_parts

if TYPE_CHECKING:
    from flam.training.recipe import Recipe


@dataclass(frozen=True)
class MGACLAPSettings:
    """Settings of the task.

    Parameters
    ----------
    hardness : float
        How much more the wrong captions that look right count, see ``losses.infonce_loss``.
    """

    kind: Literal["mga_clap"] = "mga_clap"
    hardness: float = 0.15


class MGACLAPTask(FlamTask):
    """Train a model with a shared codebook on clips with captions."""

    settings: ClassVar[type] = MGACLAPSettings

    @classmethod
    def known_losses(cls) -> dict[str, Objective]:
        """As ``Task``: frames have no labels here."""
        return {name: found for name, found in super().known_losses().items() if "frames" not in found.needs}

    @classmethod
    def check(cls, recipe: Recipe) -> None:
        """As ``Task``."""
        if not isinstance(recipe.model, MGACLAPConfig):
            raise ConfigError("task mga_clap trains a model of its own; set model.kind to mga_clap")
        super().check(recipe)

    def step(self, features: Features, batch: FlamBatch, n_pieces: int) -> FlamStep:
        """As ``Task``."""
        return FlamStep(features, *step_parts(features, batch, n_pieces), hardness=self.recipe.task.hardness)


TASK = MGACLAPTask
