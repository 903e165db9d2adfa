"""From a name to a detector that is ready to work."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from flam.core import from_mapping, to_mapping
from flam.detection.config import DetectionConfig, overridden
from flam.detection.detector import Detector
from flam.hub.hub import resolve
from flam.hub.registry import DEFAULT_MODEL
from flam.model.checkpoint import load_checkpoint
from flam.model.fast_htsat import Precision

logger = logging.getLogger(__name__)


def load(
    name_or_path: str | Path = DEFAULT_MODEL,
    device: str = "auto",
    precision: Precision = "fp32",
    notify: Callable[[str], None] = logger.warning,
    **overrides: Any,
) -> Detector:
    """A detector with the weights and the operating point of a model.

    ``flam.load().detect("walk.wav", ["dog barking"])`` is all it takes.

    Parameters
    ----------
    name_or_path : name of a model, or folder of a checkpoint
    device : as torch names it; "auto" takes a GPU where there is one
    precision : see ``Detector``
    notify : told, in one line with size and licence, before a model is fetched; by default a logged warning
    overrides : fields of ``DetectionConfig`` to use instead of the model's own

    Raises
    ------
    ModelError : the model can't be found or loaded, or the device is not there
    ConfigError : an override that is unknown or out of range
    """
    checkpoint = load_checkpoint(resolve(name_or_path, notify=notify))
    config = from_mapping(DetectionConfig, overridden(checkpoint.detection, to_mapping(overrides)), "detection")
    return Detector(checkpoint, config, best_device() if device == "auto" else device, precision)


def best_device() -> str:
    """The fastest kind of device that this machine has: cuda, mps or cpu."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
