"""Distillation: a small model learns from scenes with exact labels and from what a teacher says of them.

Scenes are rendered ahead of training (``flam.data.scene_pool``). Four losses copy the teacher: its embedding, its
scores, what its head says in the joint space (``tasks.teacher_head``), and its classes by their names. The others are
those of labels. Linear readings of the frame embedding, needed in training alone, are kept beside the packaged model.
Shapes: B scenes, T frames, W windows of the teacher, E its embedding, C its classes, K labels, M near misses, D joint.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from flam.core import ConfigError
from flam.data.scene_pool import LOGMEL_FRAMES, window_means
from flam.data.texts import LabelVariants, TextVariants
from flam.hub.hub import resolve
from flam.library.bank import WaveformBank
from flam.model.convnet import ConvEncoder, ConvEncoderConfig
from flam.model.flam import FLAM
from flam.model.text import TextTokens
from flam.training.optimization import stage_at
from flam.training.start import read_beside_model, start_beside_model, starting_model
from flam.training.task import Notify, Task, needed_for
from flam.training.tasks.teacher_head import TeacherHead
from flam.training.teacher_scenes import SceneBatch, TeacherScenes, TeacherScenesConfig, make_batch
from flam.training.validation import clip_accuracy, pool_auroc

if TYPE_CHECKING:
    from flam.training.distribution import World
    from flam.training.recipe import Recipe

REFRESH_STEPS = 50
NEW_WORD_SCENES = 2000
BATCH_OF_VALIDATION = 64


@dataclass(frozen=True)
class DistillSettings:
    """Settings of the task.

    Parameters
    ----------
    scenes : TeacherScenesConfig
        Scenes and labels.
    bank : Path or None
        Decoded clips; with it, naming clips of held-out folds is validated.
    batch_size : int
        Scenes in a step.
    augment : bool
        Whether scenes are cropped and degraded anew each time they are drawn.
    crop_windows : int or None
        So many windows of the teacher, and the frames around them, are heard of each scene; None hears all.
    mix_share : float
        Part of the scenes that another one is added to, each time anew; the teacher's losses leave them out.
    """

    scenes: TeacherScenesConfig
    bank: Path | None = None
    kind: Literal["distill"] = "distill"
    batch_size: int = 32
    augment: bool = True
    crop_windows: int | None = None
    mix_share: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.mix_share < 1:
            raise ValueError(f"mix_share {self.mix_share} must be at least 0 and below 1")


class DistillBatch(NamedTuple):
    """Scenes, what the teacher's head says of them, texts as tokens where they are needed, and what is needed."""

    scenes: SceneBatch
    teacher_features: Tensor
    texts: TextTokens | None
    classes: TextTokens | None
    near: TextTokens | None
    needed: frozenset[str]


class DistillFeatures(NamedTuple):
    """What the losses look at; None for what none of a stage needs.

    ``embedding (B, W, E)`` and ``scores (B, W, C)`` read from the frame embedding; ``windows (B, W, D)``,
    ``frame_features (B, T, D)``, ``audio_features (B, D)``, ``class_features (C, D)``, ``text_features (K, D)``,
    ``near_features (M, D)``, ``logit_scale (K,)``, ``logit_bias (K,)``, ``log_temperature_inverse ()``,
    ``text_distance ()`` of the text tower's weights from where they started.
    """

    embedding: Tensor | None
    scores: Tensor | None
    windows: Tensor | None
    frame_features: Tensor | None
    audio_features: Tensor | None
    class_features: Tensor | None
    text_features: Tensor | None
    near_features: Tensor | None
    logit_scale: Tensor | None
    logit_bias: Tensor | None
    log_temperature_inverse: Tensor | None
    text_distance: Tensor | None


@dataclass(frozen=True)
class DistillStep:
    """What the losses look at: features, the scenes, the teacher's features ``(B, W, D)``, and the labels."""

    features: DistillFeatures
    scenes: SceneBatch
    teacher_features: Tensor
    texts: LabelVariants


class Readings(nn.Module):
    """Linear readings of the frame embedding: the teacher's embedding and its class scores."""

    def __init__(self, embed_dim: int, teacher_dim: int, n_classes: int):
        super().__init__()
        self.embedding = nn.Linear(embed_dim, teacher_dim)
        self.scores = nn.Linear(embed_dim, n_classes)


class Student(nn.Module):
    """The model, readings of its frames, and the teacher's head, which stays as it is.

    Parameters
    ----------
    model : FLAM
        With a convolutional audio tower, which takes scenes of any length.
    teacher_dim, n_classes : int
        E and C.
    hop_frames : int
        Distance of two windows of the teacher.
    bf16 : bool
        Run the audio tower under bfloat16 autocast.
    """

    def __init__(self, model: FLAM, teacher_dim: int, n_classes: int, hop_frames: int, bf16: bool):
        super().__init__()
        assert isinstance(model.audio_encoder, ConvEncoder)
        self.readings = Readings(model.audio_encoder.embed_dim, teacher_dim, n_classes)
        self.model = model
        self.teacher_head: TeacherHead | None = None
        self._hop_frames, self._bf16 = hop_frames, bf16
        self._text_start = {name: value.clone() for name, value in model.text_encoder.state_dict().items()}
        model.audio_encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def take_head(self, weights: dict[str, Tensor]) -> None:
        """Take the teacher's head from its weights; it is not trained."""
        hidden_dim, teacher_dim = weights["layers.1.weight"].shape
        self.teacher_head = TeacherHead(teacher_dim, len(weights["layers.4.bias"]), hidden_dim, 0.0)
        self.teacher_head.load_state_dict(weights)
        self.teacher_head.requires_grad_(False)

    def forward(self, batch: DistillBatch) -> DistillFeatures:
        """Compute what the batch says is needed, and nothing else."""
        model, needed = self.model, batch.needed
        with torch.autocast(batch.scenes.logmel.device.type, torch.bfloat16, enabled=self._bf16):
            frames = model.audio_encoder.encode_logmel(batch.scenes.logmel)
        frames = frames.float()
        # (B, W, C): the student's embedding averaged over each window of the teacher
        windows = window_means(frames, batch.scenes.embedding.shape[1], self._hop_frames)
        projected = functional.normalize(model.audio_projection(windows), dim=-1) if "windows" in needed else None
        named = None if batch.classes is None else model.encode_tokens(batch.classes).text_features
        described = None if batch.texts is None else model.encode_tokens(batch.texts)
        near = None if batch.near is None else model.encode_tokens(batch.near).text_features
        heard = model.project_audio(frames) if needed & {"frame_features", "audio_features"} else None
        pulls = [
            (value - self._text_start[name]).square().mean() for name, value in model.text_encoder.named_parameters()
        ]
        return DistillFeatures(
            self.readings.embedding(windows) if "embedding" in needed else None,
            self.readings.scores(windows) if "scores" in needed else None,
            projected,
            None if heard is None else heard.frame_features,
            heard.audio_features if heard is not None and "audio_features" in needed else None,
            named,
            None if described is None else described.text_features,
            near,
            described.logit_scale if described is not None and "logit_scale" in needed else None,
            described.logit_bias if described is not None and "logit_bias" in needed else None,
            model.log_temperature_inverse * 1.0 if "temperature" in needed else None,
            torch.stack(pulls).sum() if "text_distance" in needed else None,
        )


class DistillTask(Task):
    """Learn from scenes with a teacher's answers."""

    settings: ClassVar[type] = DistillSettings
    module: Student
    step_class: ClassVar[type] = DistillStep
    quality: ClassVar[str | None] = "validation_frame_auroc"

    def __init__(self, model: FLAM, recipe: Recipe, head: dict[str, Tensor]):
        settings: DistillSettings = recipe.task
        assert model.tokenizer is not None
        self._recipe, self._scenes = recipe, TeacherScenes(settings.scenes, model.tokenizer)
        first = self._scenes.training.take(np.arange(1))
        sizes = first["embedding"].shape[-1], first["scores"].shape[-1]
        self.module = Student(model, *sizes, settings.scenes.hop_frames, recipe.compute.precision == "bf16")
        self.module.take_head(head)

    @classmethod
    def check(cls, recipe: Recipe) -> None:
        """As ``Task``."""
        if not isinstance(recipe.model.audio, ConvEncoderConfig):
            raise ConfigError("task distill needs an audio tower that takes any length; set model.audio.kind to conv")
        scenes = recipe.task.scenes
        if "class" in recipe.enabled and scenes.teacher_classes is None:
            raise ConfigError(
                "the loss class needs the names of the teacher's classes; set task.scenes.teacher_classes"
            )
        if "near" in recipe.enabled and scenes.phrases is None:
            raise ConfigError("the loss near needs near misses; set task.scenes.phrases to phrase sets that name some")

    @classmethod
    def open(cls, recipe: Recipe, world: World, notify: Notify) -> DistillTask:
        """As ``Task``."""
        recipe.task.scenes.require_files()
        model = starting_model(recipe, notify)
        assert isinstance(model, FLAM)
        beside = {} if recipe.start.model is None else read_beside_model(resolve(recipe.start.model))
        head = {
            name.removeprefix("teacher_head."): value
            for name, value in beside.items()
            if name.startswith("teacher_head.")
        }
        if not head:
            raise ConfigError(
                f"start.model {recipe.start.model}: holds no head of a teacher; start from a run of task teacher_head"
            )
        task = cls(model, recipe, head)
        start_beside_model(task.module, recipe)
        return task

    def batches(self, first_step: int) -> Iterator[DistillBatch]:
        """As ``Task``."""
        settings, texts, head = self._recipe.task, self._scenes.texts, self.module.teacher_head
        assert head is not None
        pool, step = self._scenes.training, first_step
        stages = self._recipe.resolved_stages
        while step < self._recipe.n_steps:
            needed = needed_for(type(self), stage_at(stages, step)[0].enabled)
            if step % REFRESH_STEPS == 0:
                pool.refresh()
            rng = np.random.Generator(np.random.PCG64([self._recipe.seed, step]))
            rows = pool.take(rng.integers(len(pool), size=settings.batch_size))
            scenes = make_batch(
                rows,
                texts,
                head.standardise,
                rng if settings.augment else None,
                settings.crop_windows,
                settings.scenes.hop_frames,
                settings.mix_share,
            )
            classes = texts.classes.draw(rng) if texts.classes is not None and "class_features" in needed else None
            tokens = texts.draw(rng) if needed & {"text_features", "logit_bias"} else None
            near = self._near_misses.draw(rng) if "near_features" in needed else None
            with torch.no_grad():
                teacher_features = head(scenes.embedding)
            yield DistillBatch(scenes, teacher_features, tokens, classes, near, needed)
            step += 1

    def n_clips(self, batch: DistillBatch) -> int:
        """As ``Task``."""
        return len(batch.scenes.logmel)

    def step(self, features: DistillFeatures, batch: DistillBatch, n_pieces: int) -> DistillStep:
        """As ``Task``."""
        return DistillStep(features, batch.scenes, batch.teacher_features, self._scenes.texts)

    def validate(self, n_batches: int) -> dict[str, Any]:
        """As ``Task``."""
        scenes, model = self._scenes, self.module.model
        rows = scenes.validation.take(np.arange(min(n_batches * BATCH_OF_VALIDATION, len(scenes.validation))))
        figures = {"validation_frame_auroc": round(pool_auroc(model, rows, scenes.texts), 4)}
        if scenes.with_new_words is not None:
            pool = scenes.with_new_words
            with_new = pool.take(np.arange(min(NEW_WORD_SCENES, len(pool))))
            figures["new_words_frame_auroc"] = round(pool_auroc(model, with_new, scenes.texts, scenes.withheld), 4)
        if self._fold_logmels:
            answers, logmels = zip(*self._fold_logmels, strict=True)
            figures["validation_top1"] = round(clip_accuracy(model, logmels, answers), 4)
        return figures

    def saved(self, batch: DistillBatch) -> dict[str, Any]:
        """As ``Task``."""
        return dict(vars(batch.scenes))

    @cached_property
    def _near_misses(self) -> TextVariants:
        near_misses = self._scenes.texts.near_misses
        if not near_misses.ways:
            raise ConfigError("the loss near needs near misses; set task.scenes.phrases to phrase sets that name some")
        return near_misses

    @cached_property
    def _fold_logmels(self) -> list[tuple[str, Tensor]]:
        """Label and (8 T, F) log-mel of each clip of a held-out fold."""
        if self._recipe.task.bank is None:
            return []
        bank, encoder = WaveformBank(self._recipe.task.bank), self.model.audio_encoder
        found = []
        for clip in self._scenes.held_out_clips:
            if clip.fold and clip.clip_id in bank:
                waveform = torch.from_numpy(bank.waveform(clip.clip_id))[None]
                n_frames = waveform.shape[1] // encoder.frame_hop_samples
                with torch.inference_mode():
                    found.append((clip.label, encoder.logmel(waveform)[0, : LOGMEL_FRAMES * n_frames]))
        return found


TASK = DistillTask
