"""Kinds of sound, from how long the sounds of each label last between pauses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from flam.library.bank import WaveformBank
from flam.library.source_library import SourceClip

PAUSE_S = 0.15
EDGES_S = (0.5, 1.6)
KINDS = ("hit", "call", "steady")
MOST_TEXTS = 60
FEWEST_CLIPS = 4


def stretch_seconds(spans_s: Sequence[tuple[float, float]], pause_s: float = PAUSE_S) -> list[float]:
    """Lengths of the stretches of a clip that no longer pause divides, seconds.

    >>> stretch_seconds([(0.0, 1.0), (1.1, 2.0), (3.0, 3.5)])
    [2.0, 0.5]
    """
    stretches: list[list[float]] = []
    for onset_s, offset_s in spans_s:
        if stretches and onset_s - stretches[-1][1] <= pause_s:
            stretches[-1][1] = offset_s
        else:
            stretches.append([onset_s, offset_s])
    return [round(offset_s - onset_s, 5) for onset_s, offset_s in stretches]


def label_seconds(clips: Sequence[SourceClip], bank: WaveformBank) -> dict[str, float]:
    """How long a sound of each label lasts: the median over its clips of the median of their stretches, seconds."""
    lengths: dict[str, list[float]] = {}
    for clip in clips:
        if clip.label and clip.kind != "background" and clip.clip_id in bank:
            lengths.setdefault(clip.label, []).append(float(np.median(stretch_seconds(bank.spans_s(clip.clip_id)))))
    return {label: float(np.median(each)) for label, each in lengths.items() if len(each) >= FEWEST_CLIPS}


def texts_by_kind(seconds: Mapping[str, float], n_clips: Mapping[str, int]) -> dict[str, tuple[str, ...]]:
    """Example texts of each kind, the labels with most clips first.

    >>> texts_by_kind({"knock": 0.2, "rain": 8.0, "meow": 1.0}, {"knock": 9, "rain": 9, "meow": 9})
    {'hit': ('knock',), 'call': ('meow',), 'steady': ('rain',)}
    """
    found: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for label in sorted(seconds, key=lambda label: (-n_clips[label], label)):
        found[KINDS[int(np.searchsorted(EDGES_S, seconds[label], side="right"))]].append(label)
    return {kind: tuple(labels[:MOST_TEXTS]) for kind, labels in found.items()}
