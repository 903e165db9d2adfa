"""FLAM: open-vocabulary sound detection. Give it a recording and words, and it finds when each sound occurs."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flam.core import Event, FrameScores
    from flam.detection.load import load
    from flam.search import Archive

# ONNX Runtime reports its use to its makers, and keeps an identifier on disk, unless this is set before its import
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__all__ = ["Archive", "Event", "FrameScores", "load"]
__version__ = "0.1.0"

_LATER = {"Archive": "flam.search", "Event": "flam.core", "FrameScores": "flam.core", "load": "flam.detection.load"}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
