"""From rows of the pool to tensors: labels against every text, what may count as absent, and augmentation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from flam.training.mini.degradation import degraded
from flam.training.mini.pool import TEACHER_WINDOW_FRAMES
from flam.training.mini.texts import LabelTexts


@dataclass(frozen=True)
class Batch:
    """Scenes as tensors: ``logmel (B, 8 T, F)``, teacher targets, and labels against every text.

    ``labels (B, T, K)`` True where text k sounds; ``valid (B, K)`` False where it may sound unnoticed; ``single (B,)``
    True for scenes of one source; ``active (B, E, T)`` the frames of each label of a scene, none for empty places;
    ``label (B, E)`` those labels, -1 for empty places; ``weight (B, T, K)`` how much each frame counts in the frame
    loss: those of a short sound count more.
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


def make_batch(
    rows: np.ndarray,
    texts: LabelTexts,
    standardise: Callable[[Tensor], Tensor],
    rng: np.random.Generator | None,
    crop_windows: int | None = None,
    hop_frames: int = 10,
) -> Batch:
    """Pool rows to tensors.

    Parameters
    ----------
    rng : with a generator, scenes are cropped and their log-mel is degraded
    crop_windows : windows of the teacher in a crop; None keeps scenes whole
    hop_frames : distance of two windows of the teacher
    """
    logmel, embedding, scores, active = (rows[name] for name in ("logmel", "embedding", "scores", "active"))
    labels, valid = labels_and_valid(rows, texts)
    weight = _short_sounds_weigh_more(rows, labels)
    if rng is not None and crop_windows is not None and crop_windows < embedding.shape[1]:
        n_frames = crop_windows * hop_frames + hop_frames
        firsts = rng.integers(
            min(embedding.shape[1] - crop_windows, (active.shape[2] - n_frames) // hop_frames) + 1, size=len(rows)
        )
        logmel = _cut(logmel, 8 * hop_frames * firsts, 8 * n_frames)
        embedding, scores = (_cut(each, firsts, crop_windows) for each in (embedding, scores))
        active = _cut(active.transpose(0, 2, 1), hop_frames * firsts, n_frames).transpose(0, 2, 1)
        labels, weight = (
            torch.from_numpy(_cut(each.numpy(), hop_frames * firsts, n_frames)) for each in (labels, weight)
        )
    heard = torch.from_numpy(logmel.astype(np.float32))
    if rng is not None:
        heard = degraded(heard, rng)
    return Batch(
        heard,
        standardise(torch.from_numpy(embedding.astype(np.float32))),
        torch.from_numpy(scores.astype(np.float32) / 255),
        labels,
        valid,
        torch.from_numpy(rows["single"].copy()),
        torch.from_numpy(active.copy()),
        torch.from_numpy(rows["label"].astype(np.int64)),
        weight,
    )


def _cut(values: np.ndarray, firsts: np.ndarray, length: int) -> np.ndarray:
    return np.stack([each[first : first + length] for each, first in zip(values, firsts, strict=True)])


def _short_sounds_weigh_more(rows: np.ndarray, labels: Tensor, whole_frames: int = 18, most: float = 4.0) -> Tensor:
    """(B, T, K) weights: 1, but frames of a sound that lasts less than ``whole_frames`` together weigh more."""
    n_active = labels.sum(dim=1, keepdim=True).clamp(min=1)
    return torch.where(labels, (whole_frames / n_active).clamp(1.0, most), 1.0)


def labels_and_valid(rows: np.ndarray, texts: LabelTexts) -> tuple[Tensor, Tensor]:
    """``labels (B, T, K)`` and ``valid (B, K)`` of pool rows, as ``Batch`` has them."""
    n_scenes, _, n_frames = rows["active"].shape
    labels = torch.zeros(n_scenes, n_frames, len(texts.labels), dtype=torch.bool)
    valid = torch.from_numpy(rows["complete"].copy())[:, None] & texts.trained
    for scene, row in enumerate(rows):
        present = torch.from_numpy(row["label"][row["label"] >= 0].astype(np.int64))
        valid[scene] &= ~texts.related[present].any(dim=0)
        # what is known to sound is never in doubt
        valid[scene, present] = True
        labels[scene, :, present] = torch.from_numpy(row["active"][: len(present)].T)
    return labels, valid


def window_means(frames: Tensor, n_windows: int, hop_frames: int) -> Tensor:
    """(B, T, C) frames to (B, W, C) means over the teacher's windows, which last 0.975 s: 12 frames of 0.08 s.

    >>> window_means(torch.arange(22.0)[None, :, None], 2, 10).flatten().tolist()
    [5.5, 15.5]
    """
    return frames.unfold(1, TEACHER_WINDOW_FRAMES, hop_frames).mean(dim=-1)[:, :n_windows]
