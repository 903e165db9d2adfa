"""Cutting sounds out of a recording while it streams by; only what is cut is held."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from flam.audio import a_weighted_levels_db, mono_blocks
from flam.core import seconds_to_samples
from flam.data.clip import Spans
from flam.library.measure import LIBRARY_RATE, active_part, stream_levels_db
from flam.training.finetune.folder import LabelledRecording

RELATIVE_THRESHOLD_DB = 35.0
LONGEST_SOUND_S = 20.0
SHORTEST_GAP_S = 2.0


class FolderSound(NamedTuple):
    """Samples of one sound, in 16 bits of its own ``scale``, and where it is active in them, seconds."""

    samples: np.ndarray
    scale: float
    spans_s: list[tuple[float, float]]

    @property
    def length_s(self) -> float:
        """How long it is, silence included."""
        return len(self.samples) / LIBRARY_RATE


class Piece(NamedTuple):
    """A part of a recording, samples at 48 kHz; without a label, it is a background."""

    label: str
    start: int
    stop: int


def folder_sound(waveform: np.ndarray) -> FolderSound | None:
    """A sound as it is kept; None where nothing of it can be heard.

    Parameters
    ----------
    waveform : np.ndarray
        (N,) float32 array at 48 kHz.
    """
    levels_db = a_weighted_levels_db(waveform, LIBRARY_RATE)
    spans_s = active_part(levels_db, len(waveform), LIBRARY_RATE, RELATIVE_THRESHOLD_DB)[0]
    if not spans_s:
        return None
    scale = float(np.abs(waveform).max()) / 32767
    return FolderSound(np.round(waveform / scale).astype(np.int16), scale, spans_s)


def sounds_of(
    recording: LabelledRecording,
    kept_s: dict[str, float],
    most_s: float,
    on_problem: Callable[[str], None] = lambda line: None,
) -> list[tuple[str, FolderSound]]:
    """Label and samples of each sound of a recording; no label is a background.

    A recording with one label is a sound as a whole, its first ``LONGEST_SOUND_S`` at most. Of recordings with times,
    events that no other label overlaps are sounds, and gaps of ``SHORTEST_GAP_S`` and more between events are
    backgrounds.

    Parameters
    ----------
    recording : LabelledRecording
        It is decoded once, or twice to find where the sound of a whole recording begins.
    kept_s : dict of str to float
        So much of each label is there already, seconds; what is given here is added.
    most_s : float
        So much of each label is kept, seconds; a sound that goes beyond it is whole.
    on_problem : callable
        Called with a line for what can't be read.

    Raises
    ------
    AudioError
        The recording can't be read.
    """
    if recording.label is None:
        pieces = _pieces(recording)
        blocks = mono_blocks(recording.path, LIBRARY_RATE, on_problem=on_problem)
    else:
        pieces = _beginning(recording, recording.label, on_problem)
        blocks = mono_blocks(recording.path, LIBRARY_RATE, on_problem=lambda line: None)  # told already
    cut: list[tuple[str, FolderSound]] = []
    for piece, sound in zip(pieces, _cut(blocks, pieces, kept_s, most_s), strict=True):
        if sound is not None and kept_s.get(piece.label, 0.0) < most_s:
            kept_s[piece.label] = kept_s.get(piece.label, 0.0) + sound.length_s
            cut.append((piece.label, sound))
    return cut


def _beginning(recording: LabelledRecording, label: str, on_problem: Callable[[str], None]) -> list[Piece]:
    """The first part of a recording in which something can be heard."""
    n_samples = 0

    def counted() -> Iterable[np.ndarray]:
        nonlocal n_samples
        for block in mono_blocks(recording.path, LIBRARY_RATE, on_problem=on_problem):
            n_samples += len(block)
            yield block

    levels_db = stream_levels_db(counted())
    active_s = active_part(levels_db, n_samples, LIBRARY_RATE, RELATIVE_THRESHOLD_DB)[0]
    return [_piece(label, active_s[0][0], active_s[0][0] + LONGEST_SOUND_S)] if active_s else []


def _pieces(recording: LabelledRecording) -> list[Piece]:
    """Events that no other label overlaps, label by label, then gaps; the last one ends with the recording."""
    pieces = []
    for label, spans_s in recording.events.items():
        others = [span for other, times in recording.events.items() if other != label for span in times]
        for onset_s, offset_s in spans_s:
            if not any(start_s < offset_s and end_s > onset_s for start_s, end_s in others):
                pieces.append(_piece(label, onset_s, min(offset_s, onset_s + LONGEST_SOUND_S)))
    reached_s = 0.0
    for onset_s, offset_s in [*sorted(_all_spans(recording.events.values())), (math.inf, math.inf)]:
        if onset_s - reached_s >= SHORTEST_GAP_S:
            pieces.append(_piece("", reached_s, min(onset_s, reached_s + LONGEST_SOUND_S)))
        reached_s = max(reached_s, offset_s)
    return pieces


def _all_spans(by_label: Iterable[Spans]) -> Iterable[tuple[float, float]]:
    return (span for spans in by_label for span in spans)


def _piece(label: str, onset_s: float, offset_s: float) -> Piece:
    return Piece(label, seconds_to_samples(onset_s, LIBRARY_RATE), seconds_to_samples(offset_s, LIBRARY_RATE))


def _cut(
    blocks: Iterable[np.ndarray], pieces: Sequence[Piece], kept_s: Mapping[str, float], most_s: float
) -> list[FolderSound | None]:
    """Each piece as a sound; None where nothing can be heard, a gap is short, or those before it are enough."""
    found: list[FolderSound | None] = [None] * len(pieces)
    by_label: dict[str, list[int]] = {}
    for number, piece in enumerate(pieces):
        by_label.setdefault(piece.label, []).append(number)

    def is_enough(number: int) -> bool:
        length_s = kept_s.get(pieces[number].label, 0.0)
        for other in by_label[pieces[number].label]:
            if length_s >= most_s or other >= number:
                break
            sound = found[other]
            length_s += 0.0 if sound is None else sound.length_s
        return length_s >= most_s

    waiting = sorted(range(len(pieces)), key=lambda number: pieces[number].start, reverse=True)
    running: dict[int, list[np.ndarray]] = {}
    position = 0
    for block in blocks:
        end = position + len(block)
        while waiting and pieces[waiting[-1]].start < end:
            number = waiting.pop()
            if pieces[number].stop > pieces[number].start and not is_enough(number):
                running[number] = []
        for number, parts in list(running.items()):
            _, start, stop = pieces[number]
            parts.append(block[max(start - position, 0) : stop - position].copy())
            if stop <= end:
                found[number] = folder_sound(np.concatenate(running.pop(number)))
        position = end
    for number, parts in running.items():  # the recording ends within them
        waveform = np.concatenate(parts)
        if pieces[number].label or len(waveform) >= SHORTEST_GAP_S * LIBRARY_RATE:
            found[number] = folder_sound(waveform)
    return found
