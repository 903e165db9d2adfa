"""FLAM: open-vocabulary sound detection. Give it a recording and words, and it finds when each sound occurs."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flam.core import Event, FrameScores
    from flam.detection.load import load
    from flam.search import Archive

__all__ = ["Archive", "Event", "FrameScores", "load"]
__version__ = "0.1.0"

_LATER = {"Archive": "flam.search", "Event": "flam.core", "FrameScores": "flam.core", "load": "flam.detection.load"}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
