"""Scenes with a teacher's answers, rendered ahead of training: log-mel, exact frame labels, the teacher's targets.

Shapes: B scenes, T frames of 0.08 s, F mel bands, W windows of the teacher, E its embedding, C its classes, K labels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.lib.recfunctions import repack_fields
from torch import Tensor

from flam.core import ConfigError
from flam.data.texts import LabelVariants

MAX_TEXTS = 6
TEACHER_WINDOW_FRAMES = 12
LOGMEL_FRAMES = 8  # of one frame


def n_teacher_windows(n_frames: int, hop_frames: int) -> int:
    """Count the teacher's windows, each a little longer than 12 frames, that lie wholly in so many frames.

    Examples
    --------
    >>> n_teacher_windows(64, 10)
    6
    """
    return (n_frames - TEACHER_WINDOW_FRAMES - 1) // hop_frames + 1


def shard_dtype(n_frames: int, n_windows: int, n_mels: int, embedding_dim: int, n_classes: int) -> np.dtype:
    """Make the record of a scene; a shard is an array of them.

    logmel (8 T, F) dB; embedding (W, E) and scores (W, C) of the teacher's windows; label (6,) rows of the label list,
    -1 for none; active (6, T) frames in which the label sounds; single is True where one source stands alone with its
    label; complete is False where a source without label sounds, so that nothing can be said to be absent.
    """
    return np.dtype(
        [
            ("logmel", np.float16, (LOGMEL_FRAMES * n_frames, n_mels)),
            ("embedding", np.float16, (n_windows, embedding_dim)),
            ("scores", np.uint8, (n_windows, n_classes)),
            ("label", np.int16, (MAX_TEXTS,)),
            ("active", np.bool_, (MAX_TEXTS, n_frames)),
            ("single", np.bool_),
            ("complete", np.bool_),
        ]
    )


class ScenePool:
    """The finished shards of a folder; looks again for new ones when asked.

    Parameters
    ----------
    wanted : Callable[[np.ndarray], np.ndarray] | None, optional
        of the (N, 6) label rows of scenes, gives (N,) True for those to take part. None: all do

    Raises
    ------
    ConfigError
        the folder holds no shard, or no wanted scene
    """

    def __init__(self, folder: str | Path, wanted: Callable[[np.ndarray], np.ndarray] | None = None):
        self._folder = Path(folder)
        self._wanted = wanted
        self._seen: set[Path] = set()
        self._shards: list[np.ndarray] = []
        # (N,) shard and row of every scene
        self._shard_of, self._row_of = np.empty(0, int), np.empty(0, int)
        self.refresh()
        if not len(self):
            raise ConfigError(
                f"{folder}: no finished shard of a pool, or no wanted scene; render some first, see recipes/flam_mini"
            )

    def refresh(self) -> None:
        """Take in the shards that were finished since."""
        for path in sorted(set(self._folder.glob("*.npy")) - self._seen):
            self._seen.add(path)
            shard = np.load(path, mmap_mode="r")
            rows = np.arange(len(shard)) if self._wanted is None else np.flatnonzero(self._wanted(shard["label"]))
            self._shard_of = np.append(self._shard_of, np.full(len(rows), len(self._shards)))
            self._row_of = np.append(self._row_of, rows)
            self._shards.append(shard)

    def __len__(self) -> int:
        return len(self._row_of)

    def take(self, indices: np.ndarray) -> np.ndarray:
        """Rows of these scenes, as one record array."""
        places = zip(self._shard_of[indices], self._row_of[indices], strict=True)
        return np.stack([self._shards[shard][row] for shard, row in places])

    def load(self, fields: Sequence[str], n_scenes: int) -> np.ndarray:
        """Some fields of the first scenes, in memory, where they can be drawn from quickly."""
        parts = []
        for number, shard in enumerate(self._shards[: 1 + self._shard_of[:n_scenes][-1]]):
            parts.append(repack_fields(shard[list(fields)])[self._row_of[self._shard_of == number]])
        return np.concatenate(parts)[:n_scenes]


def labels_and_valid(rows: np.ndarray, texts: LabelVariants) -> tuple[Tensor, Tensor]:
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

    Examples
    --------
    >>> window_means(torch.arange(22.0)[None, :, None], 2, 10).flatten().tolist()
    [5.5, 15.5]
    """
    return frames.unfold(1, TEACHER_WINDOW_FRAMES, hop_frames).mean(dim=-1)[:, :n_windows]
