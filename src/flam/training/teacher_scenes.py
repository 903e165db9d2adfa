"""Data of a distillation: scenes with a teacher's answers, and several texts for every label.

Shapes: B scenes, T frames, F mel bands, W windows of the teacher, E its embedding, C its classes, K labels, S sounds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from zlib import crc32

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from flam.core import ConfigError, read_text
from flam.data.phrases import PhraseSet, load_phrases
from flam.data.scene_pool import LOGMEL_FRAMES, ScenePool, labels_and_valid
from flam.data.texts import LabelVariants
from flam.library.source_library import HeldOutConfig, SourceClip, read_manifest
from flam.training.augment import degraded
from flam.training.mixtures import with_mixtures


@dataclass(frozen=True)
class TeacherScenesConfig:
    """Scenes with a teacher's answers, and what their labels are called.

    Parameters
    ----------
    library : tuple of Path
        Manifests of the clips that the scenes hold; their labels, in order, are those of the scenes.
    split : HeldOutConfig
        Which of them are held out.
    training, validation : Path
        Folders of finished shards, see ``flam.data.scene_pool``; more may come while a training runs.
    phrases : Path or None
        Folder of phrase sets, see ``flam.data.phrases``.
    teacher_classes : Path or None
        Names of the teacher's classes, one a line.
    withheld_share : float
        Part of the labels that is never trained, to measure what new words do; 0 for a model that ships.
    hop_frames : int
        Distance of two windows of the teacher, in frames.
    """

    library: tuple[Path, ...]
    training: Path
    validation: Path
    split: HeldOutConfig = field(default_factory=HeldOutConfig)
    phrases: Path | None = None
    teacher_classes: Path | None = None
    withheld_share: float = 0.0
    hop_frames: int = 10

    def require_files(self) -> None:
        """Refuse files and folders that are not there.

        Raises
        ------
        ConfigError
            One is missing.
        """
        named = [
            *(("library", path) for path in self.library),
            *(("training", self.training), ("validation", self.validation)),
            *(("phrases", self.phrases), ("teacher_classes", self.teacher_classes)),
        ]
        for key, path in named:
            if path is not None and not path.exists():
                raise ConfigError(
                    f"task.scenes.{key} {path}: is not there; make it first, see recipes/flam_mini/README.md"
                )


class TeacherScenes:
    """The scenes and texts of a configuration, opened when they are first asked for.

    Parameters
    ----------
    config : TeacherScenesConfig
        Where they are.
    tokenizer : Tokenizer
        Of the text tower.
    """

    def __init__(self, config: TeacherScenesConfig, tokenizer: Tokenizer):
        self.config, self._tokenizer = config, tokenizer

    @cached_property
    def clips(self) -> list[SourceClip]:
        """The library."""
        return [clip for path in self.config.library for clip in read_manifest(path)]

    @cached_property
    def training_clips(self) -> list[SourceClip]:
        """What training may hear."""
        return [clip for clip in self.clips if not self.config.split.holds_out(clip)]

    @cached_property
    def held_out_clips(self) -> list[SourceClip]:
        """What only validation and evaluation hear."""
        return [clip for clip in self.clips if self.config.split.holds_out(clip)]

    @cached_property
    def labels(self) -> list[str]:
        """Every label of the library, in the order that the scenes count them."""
        return sorted({clip.label for clip in self.clips if clip.label})

    @cached_property
    def withheld(self) -> frozenset[str]:
        """The labels that are never trained; the same ones for the same share."""
        mixed = sorted(self.labels, key=lambda label: crc32(label.encode()))
        return frozenset(mixed[: round(self.config.withheld_share * len(mixed))])

    @cached_property
    def phrase_sets(self) -> dict[str, PhraseSet]:
        """Ways to say labels."""
        return {} if self.config.phrases is None else load_phrases(self.config.phrases)

    @cached_property
    def texts(self) -> LabelVariants:
        """Ways to say every label, and the teacher's classes where those have names."""
        path = self.config.teacher_classes
        classes = None if path is None else read_text(path, ConfigError).strip().splitlines()
        return LabelVariants(
            self.labels, self.training_clips, self.phrase_sets, self._tokenizer, self.withheld, classes
        )

    @cached_property
    def training(self) -> ScenePool:
        """Scenes to learn from, those without a withheld label."""
        return self._pool(self.config.training, lambda labels: ~self._holds_new_words(labels))

    @cached_property
    def validation(self) -> ScenePool:
        """Scenes of held-out clips."""
        return ScenePool(self.config.validation)

    @cached_property
    def with_new_words(self) -> ScenePool | None:
        """Scenes that hold a withheld label; None where none is withheld."""
        return self._pool(self.config.training, self._holds_new_words) if self.withheld else None

    def _pool(self, folder: Path, wanted: Callable[[np.ndarray], np.ndarray]) -> ScenePool:
        return ScenePool(folder, wanted if self.withheld else None)

    def _holds_new_words(self, labels: np.ndarray) -> np.ndarray:
        withheld = [row for row, label in enumerate(self.labels) if label in self.withheld]
        return np.asarray(np.isin(labels, withheld).any(axis=1))


@dataclass(frozen=True)
class SceneBatch:
    """Scenes as tensors.

    Parameters
    ----------
    logmel : torch.Tensor
        (B, 8 T, F), dB.
    embedding : torch.Tensor
        (B, W, E), the teacher's, standardised.
    scores : torch.Tensor
        (B, W, C), the teacher's probabilities.
    labels : torch.Tensor
        (B, T, K) bool, True where a label sounds.
    valid : torch.Tensor
        (B, K) bool, False where a label may sound unnoticed.
    single : torch.Tensor
        (B,) bool, True for scenes of one source.
    active : torch.Tensor
        (B, S, T) bool, the frames of each sound; none for empty places.
    label : torch.Tensor
        (B, S) int64, the label of each sound, -1 for empty places.
    weight : torch.Tensor
        (B, T, K), how much each frame counts in the frame loss: those of a short sound count more.
    taught : torch.Tensor
        (B,) bool, False for scenes that the teacher has not heard, whose embedding and scores don't count.
    """

    logmel: Tensor
    embedding: Tensor
    scores: Tensor
    labels: Tensor
    valid: Tensor
    single: Tensor
    active: Tensor
    label: Tensor
    weight: Tensor
    taught: Tensor


def make_batch(
    rows: np.ndarray,
    texts: LabelVariants,
    standardise: Callable[[Tensor], Tensor],
    rng: np.random.Generator | None,
    crop_windows: int | None = None,
    hop_frames: int = 10,
    mix_share: float = 0.0,
) -> SceneBatch:
    """Make tensors of pool rows.

    Parameters
    ----------
    rows : numpy.ndarray
        (B,) records of ``flam.data.scene_pool``.
    texts : LabelVariants
        The labels.
    standardise : callable
        Of the teacher's embedding.
    rng : numpy.random.Generator or None
        With a generator, scenes are cropped and their log-mel is degraded.
    crop_windows : int or None
        Windows of the teacher in a crop; None keeps scenes whole.
    hop_frames : int
        Distance of two windows of the teacher.
    mix_share : float
        With a generator, so many of the scenes get another one added, see ``with_mixtures``.
    """
    logmel, embedding, scores, active = (rows[name] for name in ("logmel", "embedding", "scores", "active"))
    labels, valid = labels_and_valid(rows, texts)
    weight = _short_sounds_weigh_more(labels)
    if rng is not None and crop_windows is not None and crop_windows < embedding.shape[1]:
        n_frames = crop_windows * hop_frames + hop_frames
        firsts = rng.integers(
            min(embedding.shape[1] - crop_windows, (active.shape[2] - n_frames) // hop_frames) + 1, size=len(rows)
        )
        logmel = _cut(logmel, LOGMEL_FRAMES * hop_frames * firsts, LOGMEL_FRAMES * n_frames)
        embedding, scores = (_cut(each, firsts, crop_windows) for each in (embedding, scores))
        active = _cut(active.transpose(0, 2, 1), hop_frames * firsts, n_frames).transpose(0, 2, 1)
        labels, weight = (
            torch.from_numpy(_cut(each.numpy(), hop_frames * firsts, n_frames)) for each in (labels, weight)
        )
    scenes = SceneBatch(
        torch.from_numpy(logmel.astype(np.float32)),
        standardise(torch.from_numpy(embedding.astype(np.float32))),
        torch.from_numpy(scores.astype(np.float32) / 255),
        labels,
        valid,
        torch.from_numpy(rows["single"].copy()),
        torch.from_numpy(active.copy()),
        torch.from_numpy(rows["label"].astype(np.int64)),
        weight,
        torch.ones(len(rows), dtype=torch.bool),
    )
    if rng is None:
        return scenes
    if mix_share > 0:
        scenes = with_mixtures(scenes, mix_share, rng)
    return replace(scenes, logmel=degraded(scenes.logmel, rng))


def _cut(values: np.ndarray, firsts: np.ndarray, length: int) -> np.ndarray:
    return np.stack([each[first : first + length] for each, first in zip(values, firsts, strict=True)])


def _short_sounds_weigh_more(labels: Tensor, whole_frames: int = 18, most: float = 4.0) -> Tensor:
    """(B, T, K) weights: 1, but frames of a sound that lasts less than ``whole_frames`` together weigh more."""
    n_active = labels.sum(dim=1, keepdim=True).clamp(min=1)
    return torch.where(labels, (whole_frames / n_active).clamp(1.0, most), 1.0)
