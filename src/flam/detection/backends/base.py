"""The seam between models and detection: numpy in, numpy out, whatever computes in between.

Shapes: B clips, N samples, T frames, K texts, C size of a frame embedding, D joint dimension.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from flam.core import TimeGrid


class TextFeatures(NamedTuple):
    """What a model knows of K texts: the logit of a frame is ``logit_scale * (frame @ text) + logit_bias``.

    Parameters
    ----------
    text_features : numpy.ndarray
        (K, D) float32; of length 1 for FLAM, of any length for other models.
    logit_scale, logit_bias : numpy.ndarray
        (K,) float32; equal for all texts in models that have one global scale and bias.
    """

    text_features: np.ndarray
    logit_scale: np.ndarray
    logit_bias: np.ndarray


class Backend(ABC):
    """A model that is ready to compute.

    A new model takes one file with a subclass. ``encode`` may be called from several threads at once.

    Attributes
    ----------
    grid : TimeGrid
        Sample rate and length of a frame.
    window_samples : int
        Longest input of ``encode``, a multiple of ``grid.hop_samples``.
    variable_length : bool
        Whether ``encode`` takes any multiple of ``grid.hop_samples`` up to ``window_samples``, or nothing else than
        ``window_samples``.
    context_frames : int or None
        How many frames before and after a frame its embedding depends on, so that a part of a window can be encoded on
        its own; None where every frame depends on the whole window.
    n_parallel : int
        How many calls of ``encode`` at once make good use of the machine.
    device : str
        Where it computes: "cpu", "cuda", ...
    """

    grid: TimeGrid
    window_samples: int
    variable_length: bool
    context_frames: int | None = None
    n_parallel: int = 1
    device: str = "cpu"

    @property
    def sample_rate(self) -> int:
        """Hz that waveforms must have."""
        return self.grid.sample_rate

    @abstractmethod
    def encode(self, waveforms: np.ndarray) -> np.ndarray:
        """Embed (B, N) float32 clips of equal length.

        Returns
        -------
        numpy.ndarray
            (B, T, C) float32, frame t covering samples ``[t, t + 1) * grid.hop_samples``.
        """

    @abstractmethod
    def project(self, frames: np.ndarray) -> np.ndarray:
        """Take (T, C) frame embeddings to (T, D) float32 features, which texts are compared with."""

    @abstractmethod
    def pool(self, pieces: Iterable[np.ndarray]) -> np.ndarray:
        """Make the (D,) float32 feature of a recording, whose (T, C) frame embeddings come in consecutive pieces."""

    @abstractmethod
    def embed_text(self, texts: Sequence[str]) -> TextFeatures:
        """Describe K texts, in their order; K may be 0.

        Raises
        ------
        ModelError
            A text that is empty, or that holds nothing the model can read.
        """

    def text_problems(self, texts: Sequence[str]) -> list[str]:
        """Say in one line each which texts the model can read only in part, or not at all.

        Returns
        -------
        list of str
            Warnings for users; empty where all texts are read in full.
        """
        return []
