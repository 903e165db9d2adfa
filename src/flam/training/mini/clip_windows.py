"""The teacher's embedding of every clip of the library, unmixed: the cleanest answers to what a label sounds like."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flam.core import atomic_path
from flam.library.bank import WaveformBank
from flam.library.source_library import SourceClip
from flam.training.mini.teacher import Teacher

HOP_S = 0.48
WINDOW_S = 1.2  # a little more than the teacher's, so that its last sample exists
MOST_WINDOWS = 16
PEAK = 0.5


@dataclass(frozen=True)
class ClipWindows:
    """Windows of clips: ``clip_ids (W,)`` and the teacher's ``embedding (W, E)``."""

    clip_ids: np.ndarray
    embedding: np.ndarray

    def save(self, path: Path) -> None:
        """Write them as ``.npz``, whole or not at all."""
        with atomic_path(path) as part, open(part, "wb") as file:
            np.savez(file, clip_ids=self.clip_ids, embedding=self.embedding)

    @staticmethod
    def load(path: Path) -> ClipWindows:
        """Read what ``save`` wrote."""
        with np.load(path) as arrays:
            return ClipWindows(arrays["clip_ids"], arrays["embedding"])


def embed_clips(
    clips: Sequence[SourceClip],
    bank: WaveformBank,
    teacher: Teacher,
    progress: Callable[[int, int], None] | None = None,
) -> ClipWindows:
    """Run the teacher over the active part of every clip in the bank, at most 16 windows of each, at one peak level."""
    clip_ids: list[str] = []
    embeddings = []
    for done, clip in enumerate(clips, start=1):
        if clip.clip_id in bank:
            waveform, spans_s = bank.waveform(clip.clip_id), bank.spans_s(clip.clip_id)
            first_s, last_s = spans_s[0][0], spans_s[-1][1]
            starts_s = np.arange(first_s, max(last_s - WINDOW_S / 2, first_s + 1e-6), HOP_S)
            if len(starts_s) > MOST_WINDOWS:
                starts_s = starts_s[np.linspace(0, len(starts_s) - 1, MOST_WINDOWS).astype(int)]
            missing = int((starts_s[-1] + WINDOW_S) * bank.sample_rate) - len(waveform)
            waveform = np.pad(waveform * (PEAK / np.abs(waveform).max()), (0, max(missing, 0)))
            embeddings.append(teacher(waveform, bank.sample_rate, starts_s).embedding.astype(np.float16))
            clip_ids += [clip.clip_id] * len(starts_s)
        if progress is not None:
            progress(done, len(clips))
    return ClipWindows(np.array(clip_ids), np.concatenate(embeddings))


class WindowDrawer:
    """Draws windows so that every label is heard: a label in proportion to the root of its number of clips, at most
    ``label_cap``, then one of its clips, then one of its windows.

    Parameters
    ----------
    windows : what ``embed_clips`` gave
    label_of : clip id to row of the label list; windows of other clips are never drawn
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
        """(n,) places among the windows, and (n,) rows of their labels."""
        chosen = rng.choice(len(self._labels), size=n, p=self._probability)
        places = []
        for label in chosen:
            of_label = self._places[label]
            of_clip = of_label[rng.integers(len(of_label))]
            places.append(of_clip[rng.integers(len(of_clip))])
        return np.array(places), np.array(self._labels)[chosen]
