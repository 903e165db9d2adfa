"""Frame labels: from the sounds of clips to what is true of each frame, and to the texts that are asked for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from flam.core import TimeGrid
from flam.data.clip import Sound
from flam.data.label_texts import LabelTexts
from flam.data.texts import PADDING_ID, text_id
from flam.losses import FrameLabels

ClipSounds = Sequence[Sound] | None


def label_frames(clips: Sequence[ClipSounds], texts: LabelTexts, grid: TimeGrid, n_frames: int) -> FrameLabels:
    """Everything that is known of the clips, against any text.

    A frame is active where a sound covers at least half of it, see ``TimeGrid.frame_labels``. A clip in which a text is
    both true of one sound and unsure of another counts as true.

    Parameters
    ----------
    clips : Sequence[ClipSounds]
        the sounds of B clips; None for a clip that can't be read
    texts : LabelTexts
        which texts are true of a sound, and which may be
    grid : TimeGrid
        the frames, T of them
    n_frames : int
        the frames, T of them

    Examples
    --------
    >>> labels = label_frames([[Sound("siren", (), ((0.0, 0.6),))], None], LabelTexts({}, {}), TimeGrid(10, 10), 2)
    >>> labels.clip.tolist(), labels.active.tolist(), labels.clip_valid.tolist()
    ([0], [[True, False]], [True, False])
    """
    rows: list[tuple[int, int]] = []
    active: list[np.ndarray] = []
    unsure: list[tuple[int, int]] = []
    for row, sounds in enumerate(clips):
        true: dict[int, np.ndarray] = {}
        doubtful: set[int] = set()
        for sound in sounds or ():
            frames = grid.frame_labels(sound.spans_s, n_frames)
            for text in texts.true_texts(sound):
                number = text_id(text)
                true[number] = true[number] | frames if number in true else frames
            doubtful |= texts.unsure_ids(sound)
        rows += [(row, number) for number in true]
        active += true.values()
        unsure += [(row, number) for number in sorted(doubtful - true.keys())]
    return FrameLabels(
        *_columns(rows),
        torch.from_numpy(np.stack(active)) if active else torch.zeros(0, n_frames, dtype=torch.bool),
        *_columns(unsure),
        torch.tensor([sounds is not None for sounds in clips], dtype=torch.bool),
    )


def choose_texts(
    clips: Sequence[ClipSounds], texts: LabelTexts, per_clip: int, rngs: Sequence[np.random.Generator]
) -> tuple[list[str], Tensor]:
    """The texts to ask for: one for each of up to ``per_clip`` sounds of every clip, clip by clip, none twice.

    Parameters
    ----------
    clips : Sequence[ClipSounds]
        the sounds of B clips; None for a clip that can't be read
    texts : LabelTexts
        what may be said of a sound
    per_clip : int
        texts drawn for a clip at most
    rngs : Sequence[np.random.Generator]
        one for each clip, so that what is drawn for a clip does not depend on the others

    Returns
    -------
    tuple[list[str], Tensor]
        K = B * per_clip texts, the unused ones "", and their (K,) int64 ids
    """
    chosen: dict[int, str] = {}
    for sounds, rng in zip(clips, rngs, strict=True):
        by_label = {sound.label: sound for sound in sounds or ()}
        candidates = [by_label[label] for label in sorted(by_label)]
        for pick in rng.permutation(len(candidates))[:per_clip]:
            text = texts.draw(candidates[pick], rng)
            chosen.setdefault(text_id(text), text)
    n_empty = len(clips) * per_clip - len(chosen)
    return [*chosen.values(), *[""] * n_empty], torch.tensor([*chosen, *[PADDING_ID] * n_empty], dtype=torch.int64)


def _columns(pairs: Sequence[tuple[int, int]]) -> tuple[Tensor, Tensor]:
    columns = torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2)
    return columns[:, 0], columns[:, 1]
