"""From a name to a detector that is ready to work."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

from flam.core import ModelError, from_mapping, to_mapping
from flam.core.errors import require_extra
from flam.detection.backends.base import Backend
from flam.detection.config import DetectionConfig, replace_settings
from flam.detection.detector import Detector
from flam.hub.card import has_graphs, read_card, read_config
from flam.hub.hub import resolve
from flam.hub.registry import DEFAULT_MODEL

BackendName = Literal["auto", "onnx", "torch"]
Precision = Literal["auto", "fp32", "bf16", "int8"]

logger = logging.getLogger(__name__)


def load(
    name_or_path: str | Path = DEFAULT_MODEL,
    device: str = "auto",
    precision: Precision = "auto",
    notify: Callable[[str], None] = logger.warning,
    backend: BackendName = "auto",
    n_threads: int | None = None,
    **overrides: Any,
) -> Detector:
    """Make a detector with the weights and the operating point of a model.

    ``flam.load().detect("walk.wav", ["dog barking"])`` is all it takes.

    Parameters
    ----------
    name_or_path : str or Path
        Name of a model, or folder of a checkpoint.
    device : str
        As torch names it. "auto" is the processor for a model with ONNX graphs; for others, a GPU where there is one.
    precision : {"auto", "fp32", "bf16", "int8"}
        Of the audio tower; bf16 is of torch, see ``TorchBackend``, and int8 of ONNX Runtime, see ``OnnxBackend``.
    notify : callable
        Told, in one line with size and licence, before a model is fetched; by default a logged warning.
    backend : {"auto", "onnx", "torch"}
        What computes. "auto" is ONNX Runtime for a model with graphs on the processor, which needs no torch.
    n_threads : int, optional
        Cores that ONNX Runtime may use; None takes those of this process.
    **overrides
        Fields of ``DetectionConfig`` to use instead of the model's own.

    Raises
    ------
    ModelError
        The model can't be found or loaded, or the device is not there.
    ConfigError
        An override that is unknown or out of range.
    MissingExtraError
        The model needs torch, which is not installed.
    """
    if backend not in get_args(BackendName):
        raise ModelError(f"unknown backend {backend!r}; choose one of {', '.join(get_args(BackendName))}")
    folder = resolve(name_or_path, notify=notify)
    operating_point = read_config(folder).get("detection", {})
    config = from_mapping(DetectionConfig, replace_settings(operating_point, to_mapping(overrides)), "detection")
    return Detector(_backend(folder, device, precision, backend, n_threads), config, card=read_card(folder))


def _backend(folder: Path, device: str, precision: Precision, backend: BackendName, n_threads: int | None) -> Backend:
    if read_config(folder)["model"].get("kind") == "pe-a-frame":
        return _pe_a_frame(folder, device, precision, backend)
    suits_onnx = has_graphs(folder) and device in ("auto", "cpu") and precision in ("auto", "fp32", "int8")
    if backend == "onnx" or (backend == "auto" and suits_onnx):
        from flam.detection.backends.onnx import OnnxBackend

        if not suits_onnx:
            raise ModelError(
                f"{folder}: ONNX Runtime needs a model with graphs, on the processor, not in bf16; "
                f"run flam models export {folder} --to onnx, or use backend torch"
            )
        return OnnxBackend(folder, n_threads, "int8" if precision == "int8" else "fp32")
    if precision == "int8":
        raise ModelError(f"{folder}: precision int8 is for models with graphs, on the processor; use precision auto")
    require_extra("torch", "torch", f"for {folder.name} on this backend, device or precision")
    from flam.detection.backends.torch import TorchBackend
    from flam.model.checkpoint import load_checkpoint

    return TorchBackend(load_checkpoint(folder).model, device, precision)


def _pe_a_frame(folder: Path, device: str, precision: Precision, backend: BackendName) -> Backend:
    if backend == "onnx" or precision not in ("auto", "fp32"):
        raise ModelError(f"{folder}: a PE-A-Frame model runs on torch in fp32; leave backend and precision out")
    require_extra("transformers", "base", "for PE-A-Frame models")
    from flam.detection.backends.pe_audio import PeAudioBackend

    return PeAudioBackend(folder, device)
