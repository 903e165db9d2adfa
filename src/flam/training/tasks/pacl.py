"""PACL, a baseline (Mukhoti et al., arXiv 2212.04994): a clip is as near to a text as its frames are, softly weighted.

The similarity of a clip and a text is the mean of the cosines of its frames with the text, weighted by their softmax.
Frames are learnt from captions of whole clips; no frame is labelled.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

from flam.core import ConfigError
from flam.losses import pooled_similarity
from flam.model.flam import FLAMConfig
from flam.training.embedding import Features
from flam.training.task import Objective
from flam.training.tasks.flam import FlamBatch, FlamStep, FlamTask, step_parts

if TYPE_CHECKING:
    from flam.training.recipe import Recipe


@dataclass(frozen=True)
class PACLSettings:
    """Settings of the task.

    Parameters
    ----------
    sharpness : float
        Factor of the cosines inside the softmax: 0 weights all frames alike, a large one takes the nearest frame.
    """

    kind: Literal["pacl"] = "pacl"
    sharpness: float = 1.0

    def __post_init__(self) -> None:
        if self.sharpness < 0:
            raise ValueError(f"sharpness {self.sharpness} must be 0 or greater; 1 is the paper's")


class PACLTask(FlamTask):
    """Train a model on clips with captions, compared frame by frame."""

    settings: ClassVar[type] = PACLSettings

    @classmethod
    def known_losses(cls) -> dict[str, Objective]:
        """As ``Task``: only the instance loss compares clips by their frames."""
        return {"clip": super().known_losses()["clip"]}

    @classmethod
    def check(cls, recipe: Recipe) -> None:
        """As ``Task``."""
        if not isinstance(recipe.model, FLAMConfig):
            raise ConfigError("task pacl trains the model of kind flam; set model.kind to flam")
        super().check(recipe)

    def step(self, features: Features, batch: FlamBatch, n_pieces: int) -> FlamStep:
        """As ``Task``."""
        captions, frames = step_parts(features, batch, n_pieces)
        if captions is not None:
            captions = replace(captions, audio_features=features.frame_features[: len(captions.audio_features)])
        similarity = partial(pooled_similarity, sharpness=self.recipe.task.sharpness)
        return FlamStep(features, captions, frames, similarity=similarity)


TASK = PACLTask
