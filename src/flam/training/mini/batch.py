"""From rows of the pool to tensors: labels against every text, what may count as absent, and augmentation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from flam.training.mini.pool import TEACHER_WINDOW_FRAMES
from flam.training.mini.texts import LabelTexts


@dataclass(frozen=True)
class Batch:
    """Scenes as tensors: ``logmel (B, 8 T, F)``, teacher targets, and labels against every text.

    ``labels (B, T, K)`` True where text k sounds; ``valid (B, K)`` False where it may sound unnoticed; ``single (B,)``
    True for scenes of one source; ``active (B, E, T)`` the frames of each label of a scene, none for empty places;
    ``label (B, E)`` those labels, -1 for empty places.
    """

    logmel: Tensor
    embedding: Tensor
    scores: Tensor
    labels: Tensor
    valid: Tensor
    single: Tensor
    active: Tensor
    label: Tensor


def make_batch(
    rows: np.ndarray,
    texts: LabelTexts,
    standardise: Callable[[Tensor], Tensor],
    rng: np.random.Generator | None,
) -> Batch:
    """Pool rows to tensors; with a generator, the log-mel is warped, shifted in level, coloured and masked."""
    logmel = torch.from_numpy(rows["logmel"].astype(np.float32))
    if rng is not None:
        logmel = _augmented(logmel, rng)
    labels, valid = labels_and_valid(rows, texts)
    embedding = standardise(torch.from_numpy(rows["embedding"].astype(np.float32)))
    scores = torch.from_numpy(rows["scores"].astype(np.float32) / 255)
    single, active = (torch.from_numpy(rows[name].copy()) for name in ("single", "active"))
    label = torch.from_numpy(rows["label"].astype(np.int64))
    return Batch(logmel, embedding, scores, labels, valid, single, active, label)


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


def _augmented(logmel: Tensor, rng: np.random.Generator) -> Tensor:
    """Bands moved and stretched, level +-8 dB, a smooth colour of 3 dB, and SpecAugment along frequency.

    A third of the scenes keep their bands; masks are 2 of up to 8 bands.
    """
    n_scenes, _, n_mels = logmel.shape
    moved = rng.random(n_scenes) < 2 / 3
    logmel[moved] = warped_bands(logmel[moved], rng.uniform(-2, 2, moved.sum()), rng.uniform(0.92, 1.08, moved.sum()))
    bands, knots = np.arange(n_mels), np.linspace(0, n_mels - 1, 6)
    colour = np.stack([np.interp(bands, knots, gains_db) for gains_db in rng.normal(0, 3, (n_scenes, 6))])
    shift = rng.uniform(-8, 8, (n_scenes, 1)) + colour
    logmel = logmel + torch.from_numpy(shift.astype(np.float32))[:, None]
    for scene in range(n_scenes):
        for _ in range(2):
            width = int(rng.integers(0, 9))
            start = int(rng.integers(0, n_mels - width + 1))
            logmel[scene, :, start : start + width] = logmel[scene].mean()
    return logmel


def window_means(frames: Tensor, n_windows: int, hop_frames: int) -> Tensor:
    """(B, T, C) frames to (B, W, C) means over the teacher's windows, which last 0.975 s: 12 frames of 0.08 s.

    >>> window_means(torch.arange(22.0)[None, :, None], 2, 10).flatten().tolist()
    [5.5, 15.5]
    """
    return frames.unfold(1, TEACHER_WINDOW_FRAMES, hop_frames).mean(dim=-1)[:, :n_windows]


def warped_bands(logmel: Tensor, shift: np.ndarray, stretch: np.ndarray) -> Tensor:
    """(B, T, F) log-mel as it would be of a higher or larger source: band f is read from ``(f - shift) / stretch``.

    Parameters
    ----------
    shift : (B,) bands
    stretch : (B,) about the middle band

    >>> warped_bands(torch.arange(4.0).view(1, 1, 4), np.array([1.0]), np.array([1.0])).tolist()
    [[[0.0, 0.0, 1.0, 2.0]]]
    """
    last = logmel.shape[2] - 1
    bands = (np.arange(last + 1) - last / 2 - shift[:, None]) / stretch[:, None] + last / 2
    places = torch.from_numpy(np.clip(bands, 0, last).astype(np.float32))
    low = places.floor().long().clamp(max=last - 1)
    weight = (places - low)[:, None]
    low = low[:, None].expand(-1, logmel.shape[1], -1)
    return torch.lerp(logmel.gather(2, low), logmel.gather(2, low + 1), weight)
