"""Models by name or path as systems: checkpoints of this package, ``ClapModel`` folders and OpenFLAM's weights."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

import flam
from flam.benchmark.operating_point import in_terms_of
from flam.benchmark.system import System
from flam.core import ConfigError, FrameScores, ScoreMethod, from_mapping, parse_json
from flam.detection import DetectionConfig, Detector
from flam.hub.card import read_config
from flam.hub.hub import resolve
from flam.jobs.settings import model_identity

WEIGHTS = (".pth", ".pt", ".safetensors")


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
        return in_terms_of(config, self._score, prompts, self._detector.embed_text(prompts).logit_bias.tolist())


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
