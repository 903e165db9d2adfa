"""Models on ONNX Runtime: small graphs over the weights of a checkpoint, without torch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from flam.audio.logmel import LogMelConfig, log_mel
from flam.core import ModelError, TimeGrid, from_mapping
from flam.core.processor import available_cores, has_fast_int8
from flam.detection.backends.base import Backend, TextFeatures
from flam.hub.card import (
    AUDIO_GRAPH,
    INT8_GRAPH,
    METADATA_KEY,
    PROJECTION_GRAPH,
    TEXT_GRAPH,
    WEIGHTS_FILE,
    WeightsIdentity,
    read_metadata,
    require_all_tensors,
    require_same_weights,
    require_whole_weights,
)
from flam.hub.tokens import text_problems, token_batches

# sessions of a parent process, kept because ending their threads in a forked child would wait for ever
_abandoned: list[Any] = []


class OnnxBackend(Backend):
    """A model folder with graphs, on the processor.

    A model whose frames depend on what is near takes one thread for each call, and as many calls at once as there are
    cores; one whose frames depend on the whole window takes all cores for each call. It may be pickled, and used in a
    process that was forked after loading: the graphs are then loaded again.

    Parameters
    ----------
    folder : Path
        A model folder with ``audio.onnx``, ``projection.onnx`` and ``text.onnx``.
    n_threads : int, optional
        Cores to use; None takes those that this process may use.
    precision : {"fp32", "int8"}
        Of the audio tower; int8 needs ``audio_int8.onnx`` in the folder, and a processor that multiplies bytes: on
        others sums overflow.

    Raises
    ------
    ModelError
        A file is missing or damaged, the graphs belong to other weights, or the processor is not made for int8.
    """

    def __init__(self, folder: str | Path, n_threads: int | None = None, precision: Literal["fp32", "int8"] = "fp32"):
        self.folder = Path(folder)
        self.precision = precision
        if precision == "int8":
            self._require_int8()
        self.n_threads = available_cores() if n_threads is None else n_threads
        self._load()

    def _load(self) -> None:
        self._pid = os.getpid()
        # the graphs that texts and features need are small: more threads would wait for each other
        audio_graph = INT8_GRAPH if self.precision == "int8" else AUDIO_GRAPH
        require_all_tensors(self.folder / WEIGHTS_FILE)
        self._audio, facts = self._open(audio_graph, 1)
        self.grid = TimeGrid(facts["sample_rate"], facts["hop_samples"])
        self.window_samples = facts["window_samples"]
        self.variable_length = facts["variable_length"]
        self.context_frames = facts["context_frames"]
        self._logmel = from_mapping(LogMelConfig, facts["logmel"], f"{self.folder / AUDIO_GRAPH}: logmel")
        self.n_parallel = self.n_threads
        if self.context_frames is None and self.n_threads > 1:
            self._audio, _ = self._open(audio_graph, self.n_threads)
            self.n_parallel = 1
        self._projection, _ = self._open(PROJECTION_GRAPH, 1)
        self._text, self._text_facts = self._open(TEXT_GRAPH, 1)
        path = self.folder / "tokenizer.json"
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises nothing narrower
            raise ModelError(f"{path}: can't be read ({error}); fetch or convert the model again") from error

    def _open(self, name: str, n_threads: int) -> tuple[onnxruntime.InferenceSession, dict[str, Any]]:
        path = self.folder / name
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = n_threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # what matters is in the exception
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the library raises nothing narrower
            reason = str(error).splitlines()[0]
            raise ModelError(
                f"{path}: can't be loaded ({reason}); run flam models export {self.folder} --to onnx"
            ) from error
        metadata = read_metadata(session.get_modelmeta().custom_metadata_map.get(METADATA_KEY, ""), path)
        weights = from_mapping(WeightsIdentity, metadata["weights"], f"{path}: weights")
        (require_whole_weights if name == INT8_GRAPH else require_same_weights)(self.folder, weights)
        return session, metadata

    def _require_int8(self) -> None:
        if not (self.folder / INT8_GRAPH).is_file():
            raise ModelError(
                f"{self.folder}: has no graph in int8; make a folder with one: flam models export {self.folder} --int8 "
                "-o FOLDER, or use precision fp32"
            )
        if not has_fast_int8():
            raise ModelError(
                "precision int8 needs a processor that multiplies bytes (VNNI, or Arm's dot product), which this one "
                "is not known for; use precision fp32"
            )

    def encode(self, waveforms: np.ndarray) -> np.ndarray:
        """(B, N) clips to (B, T, C) frame embeddings, see ``Backend``."""
        self._reload_after_fork()
        return self._audio.run(None, {"logmel": log_mel(waveforms, self._logmel)})[0]

    def project(self, frames: np.ndarray) -> np.ndarray:
        """(T, C) frame embeddings to (T, D) features of length 1."""
        self._reload_after_fork()
        return self._projection.run(None, {"frames": np.ascontiguousarray(frames, np.float32)})[0]

    def pool(self, pieces: Iterable[np.ndarray]) -> np.ndarray:
        """The mean of all frame embeddings, projected."""
        n_frames, total = 0, 0.0
        for piece in pieces:
            n_frames += len(piece)
            total = total + piece.sum(axis=0, dtype=np.float64)
        return self.project((np.asarray(total) / n_frames)[None])[0]

    def embed_text(self, texts: Sequence[str]) -> TextFeatures:
        """Features, scale and bias of K texts, see ``Backend``."""
        self._reload_after_fork()
        features = np.empty((len(texts), self._text_facts["joint_dim"]), np.float32)
        scale, bias = np.empty(len(texts), np.float32), np.empty(len(texts), np.float32)
        facts = self._text_facts
        for rows, tokens in token_batches(self._tokenizer, texts, facts["max_tokens"], facts["pad_id"]):
            inputs = {"ids": tokens.ids, "mask": tokens.mask}
            features[rows], scale[rows], bias[rows] = self._text.run(None, inputs)
        return TextFeatures(features, scale, bias)

    def text_problems(self, texts: Sequence[str]) -> list[str]:
        """Texts that are cut, or of which the tokenizer knows nothing."""
        return text_problems(self._tokenizer, texts, self._text_facts["max_tokens"])

    def _reload_after_fork(self) -> None:
        if self._pid != os.getpid():
            _abandoned.append((self._audio, self._projection, self._text))
            self._load()

    def __reduce__(self) -> tuple[type[OnnxBackend], tuple[Path, int, str]]:
        return OnnxBackend, (self.folder, self.n_threads, self.precision)
