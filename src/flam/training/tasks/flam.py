"""FLAM: clips with captions for the instance loss, clips with labelled sounds for the frame and prior losses.

Everything here holds one process's part of the batch; ``flam.losses`` meets the other processes.
Shapes: B clips, T frames, K texts, D joint dimension.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor
from torch.distributed import ProcessGroup

from flam.core import ConfigError
from flam.data.training_data import CaptionBatch, FrameBatch, TrainingData
from flam.losses import FrameLabels, TextShard
from flam.model.towers import TwoTowers
from flam.training.augment import augment_in_training
from flam.training.embedding import Embedder, Features, Inputs, cut
from flam.training.recipe import needed_data
from flam.training.start import start_beside_model, starting_model
from flam.training.task import Notify, Task, needed_for
from flam.training.validation import NO_TEXT, held_out_figures

if TYPE_CHECKING:
    from flam.training.distribution import World
    from flam.training.recipe import Recipe


@dataclass(frozen=True)
class FlamSettings:
    """Settings of the task.

    Parameters
    ----------
    unsure_weight : float
        How much a text that may be true of a clip counts as a negative of its frames, 0 to 1.
    """

    kind: Literal["flam"] = "flam"
    unsure_weight: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.unsure_weight <= 1:
            raise ValueError(f"unsure_weight {self.unsure_weight} must be within [0, 1]")


class FlamBatch(NamedTuple):
    """The two batches of a step; None where no loss asks for it."""

    captions: CaptionBatch | None
    frames: FrameBatch | None


@dataclass(frozen=True)
class CaptionPart:
    """The clips with captions of a step.

    Parameters
    ----------
    audio_features : torch.Tensor
        (B, D), or (B, T, D) where clips are compared frame by frame.
    texts : TextShard
        The caption of each clip.
    """

    audio_features: Tensor
    texts: TextShard


@dataclass(frozen=True)
class FramePart:
    """The clips with labelled sounds of a step: ``frame_features (B, T, D)``, what sounds in them, and K texts."""

    frame_features: Tensor
    labels: FrameLabels
    texts: TextShard


@dataclass(frozen=True)
class FlamStep:
    """What the losses of FLAM and its baselines look at.

    Parameters
    ----------
    features : Features
        Of everything that was embedded.
    captions, frames : CaptionPart, FramePart or None
        The two parts of the batch; None where no loss asks for one.
    group : ProcessGroup or None
        Processes that share the batch; None for all.
    hardness : float
        How much more the wrong captions that look right count, see ``losses.infonce_loss``.
    similarity : callable or None
        From clips and texts to (B, K) similarities; None for the cosine.
    unsure_weight : float
        See ``FlamSettings``.
    """

    features: Features
    captions: CaptionPart | None
    frames: FramePart | None
    group: ProcessGroup | None = None
    hardness: float = 0.0
    similarity: Callable[[Tensor, Tensor], Tensor] | None = None
    unsure_weight: float = 0.0


class FlamTask(Task):
    """Train a model on clips with captions, clips with labelled sounds, or both.

    Parameters
    ----------
    model : TwoTowers
        What is trained.
    recipe : Recipe
        Everything else.
    world : World
        This process among all.
    """

    settings: ClassVar[type] = FlamSettings
    step_class: ClassVar[type] = FlamStep
    quality: ClassVar[str | None] = "validation_frame_auroc"
    can_be_spread: ClassVar[bool] = True

    def __init__(self, model: TwoTowers, recipe: Recipe, world: World):
        assert recipe.validation_data is not None
        self.recipe, self.world = recipe, world
        self._data = TrainingData(needed_data(recipe), model.grid)
        self._held_out = TrainingData(replace(recipe.validation_data, captions=()), model.grid)
        augment_in_training(model.audio_encoder.logmel, recipe.augment)
        compute, with_sigmoid = recipe.compute, "sigmoid" in needed_for(type(self), recipe.enabled)
        self.module = Embedder(model, compute.precision == "bf16", compute.frozen_norms, with_sigmoid)
        start_beside_model(self.module, recipe)
        self.module.to(world.device)

    @classmethod
    def check(cls, recipe: Recipe) -> None:
        """Refuse a recipe whose data is not that of its losses."""
        if recipe.data is None or recipe.validation_data is None:
            raise ConfigError(f"task {recipe.task.kind} needs the sections data and validation_data; add them")
        needed = needed_for(cls, recipe.enabled)
        if ("captions" in needed and not recipe.data.captions) or ("frames" in needed and not recipe.data.frames):
            raise ConfigError(
                "losses: clip needs sources in data.captions, as sigmoid does; frame and prior in data.frames"
            )
        if not recipe.validation_data.frames:
            raise ConfigError("validation_data.frames is empty; name clips with labels, whatever the losses")

    @classmethod
    def open(cls, recipe: Recipe, world: World, notify: Notify) -> FlamTask:
        """As ``Task``."""
        return cls(starting_model(recipe, notify), recipe, world)

    def batches(self, first_step: int) -> Iterator[FlamBatch]:
        """As ``Task``."""
        world, workers = self.world, self.recipe.compute.workers
        return (FlamBatch(*batches) for batches in self._data.loader(first_step, world.rank, world.world_size, workers))

    def n_clips(self, batch: FlamBatch) -> int:
        """As ``Task``."""
        return sum(len(part.waveform) for part in batch if part is not None)

    def pieces(self, batch: FlamBatch, n_pieces: int) -> list[Inputs]:
        """As ``Task``."""
        return cut(inputs_of(batch, n_pieces), n_pieces)

    def step(self, features: Features, batch: FlamBatch, n_pieces: int) -> FlamStep:
        """As ``Task``."""
        return FlamStep(features, *step_parts(features, batch, n_pieces), unsure_weight=self.recipe.task.unsure_weight)

    def validate(self, n_batches: int) -> dict[str, Any]:
        """As ``Task``."""
        return held_out_figures(self.module, map(self._held_out.frames, range(n_batches)))

    def saved(self, batch: FlamBatch) -> dict[str, Any]:
        """As ``Task``."""
        inputs = inputs_of(batch)
        return {"waveform": inputs.waveform.cpu(), "texts": list(inputs.texts)}


def inputs_of(batch: FlamBatch, n_pieces: int = 1) -> Inputs:
    """Collect all clips and all texts of a step: captions first, then mixtures.

    Empty text slots are left out, but for as many as it takes to give every piece a text.
    """
    waveforms, texts = [], []
    if batch.captions is not None:
        waveforms.append(batch.captions.waveform)
        texts += [caption or NO_TEXT for caption in batch.captions.captions]
    if batch.frames is not None:
        waveforms.append(batch.frames.waveform)
        texts += [batch.frames.texts[slot] or NO_TEXT for slot in _slots(batch.frames, n_pieces)]
    return Inputs(torch.cat(waveforms), texts)


def step_parts(features: Features, batch: FlamBatch, n_pieces: int) -> tuple[CaptionPart | None, FramePart | None]:
    """Take the features of ``inputs_of(batch, n_pieces)`` apart."""
    device = features.frame_features.device
    captions = frames = None
    n_captions = 0
    if batch.captions is not None:
        n_captions = len(batch.captions.captions)
        text_ids, valid = batch.captions.text_ids.to(device), batch.captions.clip_valid.to(device)
        texts = _shard(features, slice(0, n_captions), text_ids, valid)
        captions = CaptionPart(features.audio_features[:n_captions], texts)
    if batch.frames is not None:
        slots = torch.tensor(_slots(batch.frames, n_pieces))
        text_ids, valid = batch.frames.text_ids[slots].to(device), batch.frames.text_valid[slots].to(device)
        labels = FrameLabels(*(value.to(device) for value in batch.frames.labels))
        texts = _shard(features, slice(n_captions, None), text_ids, valid)
        frames = FramePart(features.frame_features[n_captions:], labels, texts)
    return captions, frames


def _slots(frames: FrameBatch, n_pieces: int) -> list[int]:
    """The text slots to embed: those that hold a text, or ``n_pieces`` of them where fewer do."""
    filled = torch.nonzero(frames.text_valid).flatten().tolist()
    empty = torch.nonzero(~frames.text_valid).flatten().tolist()
    return filled + empty[: max(n_pieces - len(filled), 0)]


def _shard(features: Features, rows: slice, text_ids: Tensor, valid: Tensor) -> TextShard:
    return TextShard(
        features.text_features[rows], features.logit_scale[rows], features.logit_bias[rows], text_ids, valid
    )


TASK = FlamTask
