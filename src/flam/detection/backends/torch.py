"""Models on torch: for GPUs, for checkpoints without graphs, and for models that can't be exported."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from flam.core import ModelError
from flam.core.processor import has_fast_bf16
from flam.detection.backends.base import Backend, TextFeatures
from flam.hub.tokens import text_problems
from flam.model.htsat import HTSAT
from flam.model.towers import TwoTowers

Precision = Literal["auto", "fp32", "bf16"]

logger = logging.getLogger(__name__)


class TorchBackend(Backend):
    """A model of this package, computed by torch.

    Parameters
    ----------
    model : TwoTowers
        It is moved to the device and put in evaluation mode.
    device : str
        As torch names it; "auto" takes a GPU where there is one.
    precision : {"auto", "fp32", "bf16"}
        Of the audio tower. "bf16" rounds to about three digits, and is faster only on hardware that computes in it.
        "auto" is fp32 on a processor, so that all processors give the same numbers, and bf16 for HTS-AT on a GPU that
        computes in it.

    Raises
    ------
    ModelError
        Unknown precision, a device that is not there, or a model whose window is not a whole number of frames.
    """

    def __init__(self, model: TwoTowers, device: str | torch.device = "cpu", precision: Precision = "auto"):
        if precision not in get_args(Precision):
            raise ModelError(f"unknown precision {precision!r}; choose one of {', '.join(get_args(Precision))}")
        self._device = move_to(model, device)
        self.model = model.eval()
        encoder = model.audio_encoder
        self.device = str(self._device)
        self.grid = model.grid
        self.window_samples = encoder.window_samples
        self.variable_length = encoder.variable_length
        self.context_frames = getattr(encoder, "context_frames", None)
        if self.window_samples % self.grid.hop_samples:
            raise ModelError(
                f"window of {self.window_samples} samples must be a multiple of the frame, "
                f"{self.grid.hop_samples} samples; set the model's window_s"
            )
        self.precision = self._chosen(precision)

    def _chosen(self, precision: Precision) -> Literal["fp32", "bf16"]:
        if precision == "auto":
            is_large = isinstance(self.model.audio_encoder, HTSAT)
            gains = is_large and self._device.type == "cuda" and torch.cuda.is_bf16_supported()
            return "bf16" if gains else "fp32"
        if precision == "bf16" and self._device.type == "cpu" and not has_fast_bf16():
            logger.warning("bf16 is slower than fp32 on this processor, which has to emulate it; leave precision out")
        return precision

    @torch.inference_mode()
    def encode(self, waveforms: np.ndarray) -> np.ndarray:
        """(B, N) clips to (B, T, C) frame embeddings, see ``Backend``."""
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            return self.model.audio_encoder(torch.from_numpy(waveforms).to(self._device)).float().cpu().numpy()

    @torch.inference_mode()
    def project(self, frames: np.ndarray) -> np.ndarray:
        """(T, C) frame embeddings to (T, D) features of length 1."""
        return self.model.project_audio(self._tensor(frames)[None]).frame_features[0].cpu().numpy()

    @torch.inference_mode()
    def pool(self, pieces: Iterable[np.ndarray]) -> np.ndarray:
        """The model's own way from the frame embeddings of a recording to one feature."""
        return self.model.pool_audio(map(self._tensor, pieces)).cpu().numpy()

    @torch.inference_mode()
    def embed_text(self, texts: Sequence[str]) -> TextFeatures:
        """Features, scale and bias of K texts, see ``Backend``."""
        return TextFeatures(*(part.cpu().numpy() for part in self.model.embed_text(texts)))

    def text_problems(self, texts: Sequence[str]) -> list[str]:
        """Texts that are cut, or of which the tokenizer knows nothing."""
        tokenizer = getattr(self.model, "tokenizer", None)
        return [] if tokenizer is None else text_problems(tokenizer, texts, self.model.text_encoder.max_tokens)

    def _tensor(self, frames: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(frames, np.float32)).to(self._device)


def move_to(model: torch.nn.Module, device: str | torch.device) -> torch.device:
    """Move a model to a device, "auto" being the fastest that is there.

    Returns
    -------
    torch.device
        Where it is now.

    Raises
    ------
    ModelError
        The device is not there, or holds no such model.
    """
    try:
        found = torch.device(best_device() if device == "auto" else device)
        model.to(found)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"device {str(device)!r} can't be used ({reason}); choose cpu") from error
    return found


def best_device() -> str:
    """The fastest kind of device that this machine has: cuda, mps or cpu."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
