"""Which recordings are held out: whole groups, of every label its share."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from flam.training.finetune.folder import LabelledRecording


def split(
    recordings: Sequence[LabelledRecording], held_out_share: float, seed: int
) -> tuple[list[LabelledRecording], list[LabelledRecording]]:
    """Recordings to learn from, and recordings to compare on.

    Groups are held out, in an order that the seed and their names decide, as long as a label in them has less than its
    share and no label loses its last group.

    Parameters
    ----------
    held_out_share : part of the recordings of each label

    >>> from pathlib import Path
    >>> named = [LabelledRecording(Path(name), name, "seal", {}) for name in "abcd"]
    >>> [len(part) for part in split(named, 0.25, seed=0)]
    [3, 1]
    """
    groups: dict[str, list[LabelledRecording]] = {}
    for recording in recordings:
        groups.setdefault(recording.group, []).append(recording)
    left: dict[str, int] = {}
    wanted: dict[str, int] = {}
    for members in groups.values():
        for label in _labels(members):
            left[label] = left.get(label, 0) + 1
        for recording in members:
            for label in _labels([recording]):
                wanted[label] = wanted.get(label, 0) + 1
    missing = {label: round(held_out_share * n) for label, n in wanted.items()}
    chosen = set()
    for group in sorted(groups, key=lambda name: hashlib.sha256(f"{seed} {name}".encode()).digest()):
        labels = _labels(groups[group])
        if any(missing[label] > 0 for label in labels) and all(left[label] > 1 for label in labels):
            chosen.add(group)
            for label in labels:
                left[label] -= 1
            for recording in groups[group]:
                for label in _labels([recording]):
                    missing[label] -= 1
    held_out = [recording for recording in recordings if recording.group in chosen]
    return [recording for recording in recordings if recording.group not in chosen], held_out


def _labels(members: Sequence[LabelledRecording]) -> frozenset[str]:
    """Labels of recordings; those without any share the empty one, so that some of them are held out as well."""
    return frozenset().union(*(recording.labels or {""} for recording in members))
