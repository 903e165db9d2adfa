"""An audio graph in int8 beside the others: faster where the processor multiplies bytes, close to the model elsewhere.

The first convolution and the depthwise ones stay in fp32: they take little time and lose most. Ranges of activations
come from the bundled recordings.
"""

from __future__ import annotations

import importlib.resources
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from flam.audio import read_audio
from flam.audio.logmel import LogMelConfig, log_mel
from flam.core import ModelError, from_mapping
from flam.core.errors import require_extra
from flam.hub.card import AUDIO_GRAPH, INT8_GRAPH, METADATA_KEY, read_metadata


def add_int8_graph(folder: str | Path) -> Path:
    """Write ``audio_int8.onnx`` for a model with graphs whose encoder is convolutional.

    Parameters
    ----------
    folder : str or Path
        A model folder that ``export_onnx`` wrote.

    Returns
    -------
    Path
        The new graph, which holds its weights.

    Raises
    ------
    ModelError
        An encoder that is not convolutional.
    MissingExtraError
        onnx is not installed.
    """
    require_extra("onnx", "torch", "to quantise models")
    import onnx
    import onnxruntime
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    folder = Path(folder)
    graph = onnx.load(str(folder / AUDIO_GRAPH))
    metadata = {entry.key: entry.value for entry in graph.metadata_props}[METADATA_KEY]
    facts = read_metadata(metadata, folder / AUDIO_GRAPH)
    if facts["context_frames"] is None:
        raise ModelError(f"{folder}: int8 is for convolutional encoders; leave --int8 out")
    with tempfile.TemporaryDirectory() as work:
        whole, plain, quantised = (os.path.join(work, f"{name}.onnx") for name in ("whole", "plain", "int8"))
        onnx.save(graph, whole)  # with its weights inside
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        # folds casts and normalisation into the convolutions, in a form that any processor runs
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = plain
        onnxruntime.InferenceSession(whole, options, providers=["CPUExecutionProvider"])
        folded = onnx.load(plain)
        onnx.helper.set_model_props(folded, {"onnx.quant.pre_process": "onnxruntime.quant"})
        onnx.save(folded, plain)
        convolutions = [node for node in folded.graph.node if node.op_type == "Conv"]
        quantize_static(
            plain,
            quantised,
            _Calibration(facts),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=[convolutions[0].name, *(node.name for node in convolutions if _is_grouped(node))],
        )
        result = onnx.load(quantised)
        onnx.helper.set_model_props(result, {METADATA_KEY: metadata})
        part = folder / f".{INT8_GRAPH}.part"
        onnx.save(result, str(part))
        os.replace(part, folder / INT8_GRAPH)
    return folder / INT8_GRAPH


def _is_grouped(node: Any) -> bool:
    return any(attribute.name == "group" and attribute.i > 1 for attribute in node.attribute)


class _Calibration:
    """Windows of the bundled recordings, as ``quantize_static`` reads them."""

    def __init__(self, facts: dict[str, Any]):
        self._inputs = self._windows(facts)

    def _windows(self, facts: dict[str, Any]) -> Iterator[dict[str, np.ndarray]]:
        config = from_mapping(LogMelConfig, facts["logmel"], "logmel")
        n_window = facts["window_samples"]
        demo = Path(str(importlib.resources.files("flam"))) / "assets" / "demo"
        for path in sorted(demo.glob("*.ogg")):
            waveform = read_audio(path, facts["sample_rate"])
            for start in range(0, len(waveform) - n_window + 1, n_window):
                yield {"logmel": log_mel(waveform[None, start : start + n_window], config)}

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next input, None at the end."""
        return next(self._inputs, None)
