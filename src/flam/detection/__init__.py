"""Windows to frame scores to events, and the object that a user holds. Torch is imported when it is needed."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from flam.detection.config import DetectionConfig, PromptSettings

if TYPE_CHECKING:
    from flam.detection.batch import detect_clips
    from flam.detection.binarize import Binarizer
    from flam.detection.detector import Detector

__all__ = ["Binarizer", "DetectionConfig", "Detector", "PromptSettings", "detect_clips"]

_LATER = {
    "Binarizer": "flam.detection.binarize",
    "Detector": "flam.detection.detector",
    "detect_clips": "flam.detection.batch",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
