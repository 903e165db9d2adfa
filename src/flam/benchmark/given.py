"""Scores and event lists that other programs made, as systems to compare with."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from flam.annotations import read_events
from flam.audio import RECORDING_SUFFIXES, open_recording
from flam.core import AnnotationError, ConfigError, FlamError, FrameScores, RecordingEvents, TimeGrid
from flam.detection import DetectionConfig

GRID = TimeGrid(1_000, 20)  # event lists have no frames of their own
CERTAIN = 1.0  # the score of an event that nobody scored
EVENT_RULES = DetectionConfig(threshold=0.5, median_s=0.0, min_duration_s=0.0, merge_gap_s=0.0)


class GivenSystem:
    """A system of which only its answers are there: frame scores as ``.npz``, or events in any format that is read.

    A recording is matched by its name without folder and suffix, whatever the case.

    Parameters
    ----------
    path : str or Path
        A file of events of one or many recordings, or a folder of such files and of scores that ``flam detect
        --save-scores`` or ``FrameScores.save`` wrote, one for each recording.
    name : str
        In tables and pictures.

    Raises
    ------
    ConfigError
        Nothing is there.
    AnnotationError
        An event list can't be read.
    """

    def __init__(self, path: str | Path, name: str):
        self.name = name
        path = Path(path)
        if not path.exists():
            raise ConfigError(f"{path}: no such file or folder of results; check the path")
        files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
        files = [file for file in files if not any(part.startswith(".") for part in file.relative_to(path).parts)]
        self._scores = {_key(file.name): file for file in files if file.suffix == ".npz"}
        self._events = dict(_events(file for file in files if file.suffix not in (".npz", ".yaml")))
        if not (self._scores or self._events):
            raise ConfigError(f"{path}: holds neither scores (.npz) nor event lists; name the results of a system")
        stamps = [f"{file} {file.stat().st_size} {file.stat().st_mtime_ns}" for file in files]
        self.fingerprint = hashlib.sha256("\n".join(["given", *stamps]).encode()).hexdigest()

    def frame_scores(self, audio: Path, prompts: Sequence[str]) -> FrameScores:
        """The scores that are there; a prompt of which a recording's results say nothing scores 0.

        Raises
        ------
        FlamError
            Nothing is there for this recording.
        """
        key = _key(audio.name)
        if key in self._scores:
            return _with_prompts(FrameScores.load(self._scores[key]), prompts)
        if key not in self._events:
            raise FlamError(f"{audio.name}: {self.name} has no results of it; add them")
        return _of_events(self._events[key], _length_s(audio), prompts)

    def audio_features(self, audio: Path) -> np.ndarray:
        """Not there."""
        raise FlamError(f"{self.name} has scores alone; ask it for events, not for retrieval or classification")

    def text_features(self, texts: Sequence[str]) -> np.ndarray:
        """Not there."""
        raise FlamError(f"{self.name} has scores alone; ask it for events, not for retrieval or classification")

    def operating_point(self, prompts: Sequence[str]) -> DetectionConfig | None:
        """Events are judged as they are; scores come without rules."""
        return EVENT_RULES if self._events and not self._scores else None


def _events(files: Iterable[Path]) -> Iterable[tuple[str, RecordingEvents]]:
    for file in files:
        for recording in read_events(file):
            yield _key(recording.recording), recording


def _of_events(recording: RecordingEvents, length_s: float, prompts: Sequence[str]) -> FrameScores:
    n_samples = round(length_s * GRID.sample_rate)
    scores = np.zeros((GRID.n_frames(n_samples), len(prompts)), np.float32)
    columns = {prompt: column for column, prompt in enumerate(prompts)}
    for event in recording.events:
        if event.prompt in columns:
            score = CERTAIN if event.max_score is None else event.max_score
            # an event that its maker reported is one, however low that score was
            score = min(max(0.5 + score / 2, 0.5), 1.0)
            first = int(event.onset_s / GRID.hop_s + 0.5)
            rows = scores[first : max(int(event.offset_s / GRID.hop_s + 0.5), first + 1), columns[event.prompt]]
            np.maximum(rows, score, out=rows)
    return FrameScores(scores, tuple(prompts), GRID, 0, n_samples)


def _with_prompts(given: FrameScores, prompts: Sequence[str]) -> FrameScores:
    columns = {prompt: column for column, prompt in enumerate(given.prompts)}
    if not columns.keys() & set(prompts):
        raise AnnotationError(f"scores are of {', '.join(given.prompts[:5])}, none of the prompts of this benchmark")
    scores = np.zeros((len(given.scores), len(prompts)), np.float32)
    for column, prompt in enumerate(prompts):
        if prompt in columns:
            scores[:, column] = given.scores[:, columns[prompt]]
    return FrameScores(scores, tuple(prompts), given.grid, given.start_frame, given.n_samples)


def _length_s(audio: Path) -> float:
    with open_recording(audio, lambda problem: None) as recording:
        if recording.duration_s is not None:
            return recording.duration_s
        return sum(len(block) for block in recording.blocks()) / recording.sample_rate


def _key(name: str) -> str:
    """A recording's name without folder, suffix and case."""
    path = Path(name.replace("\\", "/"))
    is_suffix = path.suffix.lower() in (*RECORDING_SUFFIXES, ".npz")
    return (path.stem if is_suffix else path.name).casefold()
