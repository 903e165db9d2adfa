"""Systems to compare: models by name or path, and scores or event lists made by other programs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

import flam
from flam.annotations import read_events
from flam.audio import RECORDING_SUFFIXES, open_recording
from flam.benchmark.benchmark import System
from flam.benchmark.operating_point import convert_thresholds
from flam.core import (
    AnnotationError,
    ConfigError,
    FlamError,
    FrameScores,
    RecordingEvents,
    ScoreMethod,
    TimeGrid,
    from_mapping,
    parse_json,
)
from flam.detection import DetectionConfig, Detector
from flam.hub.card import read_config
from flam.hub.hub import resolve
from flam.jobs.settings import model_identity

WEIGHTS = (".pth", ".pt", ".safetensors")
GRID = TimeGrid(1_000, 20)  # event lists have no frames of their own
CERTAIN = 1.0  # the score of an event that nobody scored
EVENT_RULES = DetectionConfig(threshold=0.5, median_s=0.0, min_duration_s=0.0, merge_gap_s=0.0)


class DetectorSystem:
    """A checkpoint folder; it is loaded when it is first asked something that is not remembered.

    Parameters
    ----------
    folder : Path
        of a checkpoint of this package
    name : str
        to show
    score : ScoreMethod, default "posterior"
        kind of score; the order of a prompt's frames is the same for all of them
    device : str, default "auto"
        as ``flam.load``
    """

    def __init__(self, folder: Path, name: str, score: ScoreMethod = "posterior", device: str = "auto"):
        self.name = name
        self.fingerprint = f"{model_identity(folder)} {score} {flam.__version__}"
        self._folder, self._score, self._device = folder, score, device

    @cached_property
    def _detector(self) -> Detector:
        from flam.detection.load import load

        return load(self._folder, device=self._device, score=self._score)

    def frame_scores(self, audio: Path, prompts: Sequence[str]) -> FrameScores:
        """As ``System``."""
        return self._detector.score(audio, prompts)

    def audio_features(self, audio: Path) -> np.ndarray:
        """As ``System``."""
        return self._detector.embed_audio(audio)

    def text_features(self, texts: Sequence[str]) -> np.ndarray:
        """As ``System``."""
        return self._detector.embed_text(texts).text_features

    def operating_point(self, prompts: Sequence[str]) -> DetectionConfig | None:
        """The rules that the checkpoint brings, in terms of the kind of score that is asked for."""
        stored = read_config(self._folder).get("detection")
        if not stored:
            return None
        config = from_mapping(DetectionConfig, stored, f"{self._folder}/config.json: detection")
        config = self._detector.operating_point(prompts, config)
        if config.score == self._score:
            return config
        return convert_thresholds(config, self._score, prompts, self._detector.embed_text(prompts).logit_bias.tolist())


def open_system(
    model: str,
    cache: Path,
    score: ScoreMethod = "posterior",
    device: str = "auto",
    notify: Callable[[str], None] | None = None,
) -> System:
    """The system of a name that ``flam models list`` gives, or of a path.

    A Hugging Face ``ClapModel`` is a FLAM-Global that nobody trained on frames: the last map of its audio tower,
    frame by frame through the projection that it was trained to put the mean through.

    Parameters
    ----------
    model : str
        a name; a folder of a checkpoint or of a ``ClapModel``; or an OpenFLAM weight file
    cache : Path
        where others' models are kept once they are converted
    notify : Callable[[str], None] | None, optional
        told before a model is fetched

    Raises
    ------
    ModelError
        no such model, or one that can't be converted
    """
    path = Path(model)
    if _is_foreign(path):
        return DetectorSystem(_converted(path, cache), path.name, score, device)
    return DetectorSystem(resolve(model, notify=notify), path.name, score, device)


def _is_foreign(path: Path) -> bool:
    if path.is_file():
        return path.suffix in WEIGHTS
    try:
        config = parse_json((path / "config.json").read_bytes(), f"{path}/config.json")
    except (OSError, ConfigError):
        return False
    return isinstance(config, dict) and config.get("model_type") == "clap"


def _converted(source: Path, cache: Path) -> Path:
    from flam.model.convert import convert

    stands_at = [source, source.parent / "tokenizer.json"] if source.is_file() else sorted(source.iterdir())
    files = [path for path in stands_at if path.is_file()]
    stamps = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    folder = cache / "models" / hashlib.sha256(repr(stamps).encode()).hexdigest()[:16]
    if not (folder / "config.json").exists():
        convert(source, folder)
    return folder


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
