"""A head that carries the teacher's embedding into the joint space.

It is learnt from labels in minutes; the student then copies what it says of every window, labelled or not: a dense
target, where labels are few. Unmixed clips teach what a label sounds like, scenes what is left of it in a mixture and
what the teacher calls it. The text tower moves gently with the head.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from flam.core import ConfigError, atomic_path
from flam.data.scene_pool import labels_and_valid, window_means
from flam.data.texts import LabelVariants
from flam.model.text import TextTokens
from flam.model.towers import TwoTowers
from flam.training.start import starting_model
from flam.training.task import Notify, Task
from flam.training.teacher_scenes import TeacherScenes, TeacherScenesConfig

if TYPE_CHECKING:
    from flam.training.distribution import World
    from flam.training.recipe import Recipe

MEASURED_SCENES = 1000


@dataclass(frozen=True)
class TeacherHeadSettings:
    """Settings of the task.

    Parameters
    ----------
    scenes : TeacherScenesConfig
        Scenes and labels.
    windows : Path
        The teacher's embedding of unmixed clips, see ``ClipWindows``.
    n_windows, n_scenes : int
        Windows of unmixed clips, and scenes, in a step.
    pool_scenes : int
        So many scenes are kept in memory.
    hidden_dim, dropout : int, float
        Of the head.
    temperature : float
        Of the InfoNCE.
    """

    scenes: TeacherScenesConfig
    windows: Path
    kind: Literal["teacher_head"] = "teacher_head"
    n_windows: int = 384
    n_scenes: int = 48
    pool_scenes: int = 30_000
    hidden_dim: int = 1024
    dropout: float = 0.3
    temperature: float = 0.07


class TeacherHead(nn.Module):
    """From (..., E) embeddings of the teacher to (..., D) features in the joint space, L2-normalised.

    The teacher's embedding is standardised first, by the mean and deviation it has in the pool.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, teacher_dim: int, joint_dim: int, hidden_dim: int, dropout: float):
        super().__init__()
        self.register_buffer("mean", torch.zeros(teacher_dim))
        self.register_buffer("std", torch.ones(teacher_dim))
        self.layers = nn.Sequential(
            nn.Dropout(dropout / 3),
            nn.Linear(teacher_dim, hidden_dim),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden_dim, joint_dim),
        )

    def measure(self, embedding: Tensor) -> None:
        """Take mean and deviation from (..., E) embeddings; a nearly constant dimension is not blown up."""
        flat = embedding.flatten(0, -2)
        std = flat.std(dim=0)
        self.mean.copy_(flat.mean(dim=0))
        self.std.copy_(std.clamp(min=0.05 * float(std.mean())))

    def standardise(self, embedding: Tensor) -> Tensor:
        """Give the teacher's embedding mean 0 and deviation 1 in each dimension, heavy tails cut at 5 deviations."""
        return ((embedding - self.mean) / self.std).clamp(-5, 5)

    def forward(self, standardised: Tensor) -> Tensor:
        """Carry standardised embeddings into the joint space."""
        return functional.normalize(self.layers(standardised), dim=-1)


@dataclass(frozen=True)
class ClipWindows:
    """The teacher's windows of unmixed clips: ``clip_ids (W,)`` and ``embedding (W, E)``."""

    clip_ids: np.ndarray
    embedding: np.ndarray

    def save(self, path: Path) -> None:
        """Write them as ``.npz``, whole or not at all."""
        with atomic_path(path) as part, open(part, "wb") as file:
            np.savez(file, clip_ids=self.clip_ids, embedding=self.embedding)

    @staticmethod
    def load(path: Path) -> ClipWindows:
        """Read what ``save`` wrote.

        Raises
        ------
        ConfigError
            The file can't be read.
        """
        try:
            with np.load(path) as arrays:
                return ClipWindows(arrays["clip_ids"], arrays["embedding"])
        except (OSError, ValueError, KeyError) as error:
            raise ConfigError(f"{path}: can't be read as windows of clips ({error}); make them again") from error


class WindowDrawer:
    """Draws windows so that every label is heard.

    A label is drawn in proportion to the root of its number of clips, at most ``label_cap``, then one of its clips,
    then one of its windows.

    Parameters
    ----------
    windows : ClipWindows
        Of all clips.
    label_of : dict of str to int
        Clip id to row of the label list; windows of other clips are never drawn.
    label_cap : int
        A label with more clips counts as one with so many.
    """

    def __init__(self, windows: ClipWindows, label_of: dict[str, int], label_cap: int = 60):
        places: dict[int, dict[str, list[int]]] = {}
        for place, clip_id in enumerate(windows.clip_ids.tolist()):
            if clip_id in label_of:
                places.setdefault(label_of[clip_id], {}).setdefault(clip_id, []).append(place)
        self._labels = sorted(places)
        self._places = [[np.array(of_clip) for of_clip in places[label].values()] for label in self._labels]
        weights = np.sqrt([min(len(of_label), label_cap) for of_label in self._places])
        self._probability = weights / weights.sum()

    def draw(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw (n,) places among the windows, and (n,) rows of their labels."""
        chosen = rng.choice(len(self._labels), size=n, p=self._probability)
        places = []
        for label in chosen:
            of_label = self._places[label]
            of_clip = of_label[rng.integers(len(of_label))]
            places.append(of_clip[rng.integers(len(of_clip))])
        return np.array(places), np.array(self._labels)[chosen]


class HeadBatch(NamedTuple):
    """Standardised windows of clips ``(N, E)`` and their labels ``(N,)``, scenes as records, texts as tokens."""

    windows: Tensor
    rows: Tensor
    scenes: np.ndarray
    scene_windows: Tensor
    texts: TextTokens
    classes: TextTokens | None


class HeadFeatures(NamedTuple):
    """Windows of clips ``(N, D)`` and of scenes ``(B, W, D)``, labels ``(K, D)`` and classes ``(C, D)``."""

    windows: Tensor
    scene_windows: Tensor
    text_features: Tensor
    class_features: Tensor | None


@dataclass(frozen=True)
class HeadStep:
    """What the losses look at: features, batch, labels, temperature, and distance of the teacher's windows."""

    features: HeadFeatures
    batch: HeadBatch
    texts: LabelVariants
    log_temperature_inverse: Tensor
    hop_frames: int

    @property
    def scene_labels(self) -> tuple[Tensor, Tensor]:
        """(B, W, K) share of each window of scenes that a label fills, and (B, K) whether it can be judged."""
        labels, valid = labels_and_valid(self.batch.scenes, self.texts)
        return window_means(labels.float(), self.features.scene_windows.shape[1], self.hop_frames), valid


class HeadModule(nn.Module):
    """The model's text side, and the teacher's head beside it."""

    def __init__(self, model: TwoTowers, teacher_head: TeacherHead):
        super().__init__()
        self.model = model
        self.teacher_head = teacher_head

    def forward(self, batch: HeadBatch) -> HeadFeatures:
        """Carry windows and texts into the joint space."""
        model = self.model
        classes = None if batch.classes is None else model.encode_tokens(batch.classes).text_features
        return HeadFeatures(
            self.teacher_head(batch.windows),
            self.teacher_head(batch.scene_windows),
            model.encode_tokens(batch.texts).text_features,
            classes,
        )


class TeacherHeadTask(Task):
    """Learn the head from labels."""

    module: HeadModule
    settings: ClassVar[type] = TeacherHeadSettings
    step_class: ClassVar[type] = HeadStep

    def __init__(self, model: TwoTowers, recipe: Recipe):
        settings: TeacherHeadSettings = recipe.task
        assert model.tokenizer is not None
        self._recipe, self._scenes = recipe, TeacherScenes(settings.scenes, model.tokenizer)
        scenes = self._scenes
        self._rows = scenes.training.load(("embedding", "scores", "label", "active", "complete"), settings.pool_scenes)
        windows = ClipWindows.load(settings.windows)
        row_of = {label: row for row, label in enumerate(scenes.labels)}
        label_of = {
            clip.clip_id: row_of[clip.label]
            for clip in scenes.training_clips
            if clip.label and clip.label not in scenes.withheld
        }
        self._drawer = WindowDrawer(windows, label_of)
        self._embedding = torch.from_numpy(windows.embedding.astype(np.float32))
        torch.manual_seed(recipe.seed)
        head = TeacherHead(self._embedding.shape[-1], model.config.joint_dim, settings.hidden_dim, settings.dropout)
        in_scenes = torch.from_numpy(self._rows["embedding"][:MEASURED_SCENES].astype(np.float32)).flatten(0, 1)
        of_training = torch.from_numpy(np.isin(windows.clip_ids, list(label_of)))
        head.measure(torch.cat([self._embedding[of_training][::4], in_scenes]))
        self.module = HeadModule(model, head)

    @classmethod
    def check(cls, recipe: Recipe) -> None:
        """As ``Task``."""
        if "class" in recipe.enabled and recipe.task.scenes.teacher_classes is None:
            raise ConfigError(
                "the loss class needs the names of the teacher's classes; set task.scenes.teacher_classes"
            )

    @classmethod
    def open(cls, recipe: Recipe, world: World, notify: Notify) -> TeacherHeadTask:
        """As ``Task``."""
        recipe.task.scenes.require_files()
        return cls(starting_model(recipe, notify), recipe)

    def batches(self, first_step: int) -> Iterator[HeadBatch]:
        """As ``Task``."""
        settings, texts, head = self._recipe.task, self._scenes.texts, self.module.teacher_head
        step = first_step
        while True:
            rng = np.random.Generator(np.random.PCG64([self._recipe.seed, step]))
            tokens = texts.draw(rng)
            places, rows = self._drawer.draw(settings.n_windows, rng)
            scenes = self._rows[rng.integers(len(self._rows), size=settings.n_scenes)]
            yield HeadBatch(
                head.standardise(self._embedding[places]),
                torch.from_numpy(rows),
                scenes,
                head.standardise(torch.from_numpy(scenes["embedding"].astype(np.float32))),
                tokens,
                None if texts.classes is None else texts.classes.draw(rng),
            )
            step += 1

    def n_clips(self, batch: HeadBatch) -> int:
        """As ``Task``."""
        return len(batch.windows) + len(batch.scenes)

    def step(self, features: HeadFeatures, batch: HeadBatch, n_pieces: int) -> HeadStep:
        """As ``Task``."""
        temperature = torch.tensor(math.log(1 / self._recipe.task.temperature))
        return HeadStep(features, batch, self._scenes.texts, temperature, self._recipe.task.scenes.hop_frames)

    def saved(self, batch: HeadBatch) -> dict[str, Any]:
        """As ``Task``."""
        return {"windows": batch.windows, "rows": batch.rows, "scene_windows": batch.scene_windows}


TASK = TeacherHeadTask
