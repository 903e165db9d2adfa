"""What training and evaluation read: libraries, shards, labelled recordings, scenes, and batches of them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flam.data.config import DataConfig
    from flam.data.training_data import CaptionBatch, FrameBatch, TrainingData

__all__ = ["CaptionBatch", "DataConfig", "FrameBatch", "TrainingData"]

# listing corpora and writing shards must not wait for torch
_LATER = {
    "CaptionBatch": "flam.data.training_data",
    "DataConfig": "flam.data.config",
    "FrameBatch": "flam.data.training_data",
    "TrainingData": "flam.data.training_data",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
