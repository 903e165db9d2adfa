"""What a model has to be able to do to be evaluated: one small class makes any of them comparable."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from flam.core import FrameScores

if TYPE_CHECKING:
    from flam.detection import DetectionConfig


class System(Protocol):
    """A model under evaluation; a method that no asked benchmark needs may raise.

    Attributes
    ----------
    name : str
        in tables and pictures, unique among the systems of a report
    fingerprint : str
        equal only for systems that give equal answers; what was computed is remembered under it

    Examples
    --------
    >>> class Silence:
    ...     name, fingerprint = "silence", "silence-1"
    ...     def frame_scores(self, audio, prompts):
    ...         from flam.core import TimeGrid
    ...         return FrameScores(np.zeros((100, len(prompts)), np.float32), tuple(prompts), TimeGrid(10, 1), 0, 100)
    >>> Silence().frame_scores(Path("ten_seconds.wav"), ["dog"]).end_s
    10.0
    """

    name: str
    fingerprint: str

    def frame_scores(self, audio: Path, prompts: Sequence[str]) -> FrameScores:
        """Scores in [0, 1] of every frame of a recording, whole, for K prompts; its errors are told per recording."""

    def audio_features(self, audio: Path) -> np.ndarray:
        """(D,) vector of a recording; its product with a text's is their similarity."""

    def text_features(self, texts: Sequence[str]) -> np.ndarray:
        """(K, D) vectors of texts."""


@runtime_checkable
class HasOperatingPoint(Protocol):
    """A system that comes with rules for making events of its scores, and is judged by them as well."""

    def operating_point(self, prompts: Sequence[str]) -> DetectionConfig | None:
        """The rules for ``frame_scores`` of these prompts; None where nobody chose any."""
