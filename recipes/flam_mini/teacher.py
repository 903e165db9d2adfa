"""The teacher of a distillation: a sound tagger in TensorFlow Lite form, given by path and never shipped."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import soxr

from flam.core import ConfigError


class TeacherOutput(NamedTuple):
    """What the tagger says of W windows: ``embedding (W, E)`` float32 and ``scores (W, C)`` float32 in [0, 1]."""

    embedding: np.ndarray
    scores: np.ndarray


class Teacher:
    """A tagger that takes mono windows at 16 kHz and gives class probabilities; its last pooled layer is its embedding.

    Parameters
    ----------
    path : the ``.tflite`` file
    embedding_tensor : index of the tensor before the classifier
    embedding_dim : its size, checked on loading

    Raises
    ------
    ConfigError : no such file, no interpreter installed, or a tensor of another size
    """

    sample_rate = 16_000

    def __init__(self, path: str | Path, embedding_tensor: int = 115, embedding_dim: int = 1024):
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise ConfigError('the teacher needs ai-edge-litert: pip install "flam-audio[train]"') from error
        if not Path(path).is_file():
            raise ConfigError(f"{path}: no such teacher; give the path of a .tflite tagger")
        self._interpreter = Interpreter(str(path), num_threads=1, experimental_preserve_all_tensors=True)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]
        self._output = self._interpreter.get_output_details()[0]
        self._embedding_tensor = embedding_tensor
        self.window_samples = int(np.prod(self._input["shape"]))
        tensors = {details["index"]: details for details in self._interpreter.get_tensor_details()}
        size = int(np.prod(tensors[embedding_tensor]["shape"])) if embedding_tensor in tensors else 0
        if size != embedding_dim:
            raise ConfigError(
                f"{path}: tensor {embedding_tensor} has {size} values, not {embedding_dim}; "
                "give the index of the layer before the classifier"
            )
        self._embedding_scale, self._embedding_zero = tensors[embedding_tensor]["quantization"]

    def __call__(self, waveform: np.ndarray, sample_rate: int, starts_s: np.ndarray) -> TeacherOutput:
        """Run the tagger on windows of a waveform that begin at ``starts_s`` seconds, zero past its end."""
        resampled = soxr.resample(waveform, sample_rate, self.sample_rate, quality="LQ")
        embeddings, scores = [], []
        for start in np.round(np.asarray(starts_s) * self.sample_rate).astype(int):
            window = np.zeros(self.window_samples, dtype=np.float32)
            part = resampled[start : start + self.window_samples]
            window[: len(part)] = part
            self._interpreter.set_tensor(self._input["index"], window.reshape(self._input["shape"]))
            self._interpreter.invoke()
            scores.append(self._interpreter.get_tensor(self._output["index"]).reshape(-1).copy())
            embeddings.append(self._embedding())
        return TeacherOutput(np.stack(embeddings), np.stack(scores))

    def _embedding(self) -> np.ndarray:
        values = self._interpreter.get_tensor(self._embedding_tensor).reshape(-1).astype(np.float32)
        # an unquantised tensor has scale 0
        return values if self._embedding_scale == 0 else (values - self._embedding_zero) * self._embedding_scale
