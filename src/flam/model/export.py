"""ONNX graphs of a checkpoint: three small files whose tensors are parts of its ``model.safetensors``."""

from __future__ import annotations

import copy
import json
import logging
import math
import os
import shutil
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from flam.core import ModelError, OutputError, atomic_path
from flam.core.errors import MissingExtraError, require_extra
from flam.hub.card import (
    AUDIO_GRAPH,
    GRAPH_FILES,
    METADATA_KEY,
    PROJECTION_GRAPH,
    TEXT_GRAPH,
    WEIGHTS_FILE,
    read_header,
    weights_identity,
    write_metadata,
)
from flam.model.checkpoint import load_checkpoint
from flam.model.convnet import ConvEncoder
from flam.model.flam import FLAM
from flam.model.text import TextTokens

OPSET = 20
LARGEST_GRAPH_BYTES = 8_000_000  # tables of positions and masks of windows; weights lie outside
# between torch and ONNX Runtime, on frame embeddings that are normalised, on features and on logits
TOLERANCE = 1e-4

logger = logging.getLogger(__name__)


def export_onnx(folder: str | Path, destination: str | Path | None = None) -> Path:
    """Write the graphs of a model, and compare what they compute with torch.

    Parameters
    ----------
    folder : str or Path
        A checkpoint.
    destination : str or Path, optional
        Folder for a copy of the checkpoint with the graphs; None puts them beside the weights.

    Returns
    -------
    Path
        The folder that ONNX Runtime can use from now on.

    Raises
    ------
    ModelError
        A model that can't be exported, or a graph that computes something else than torch.
    OutputError
        The folder can't be written.
    """
    folder = Path(folder)
    require_extra("onnx", "torch", "to export models")
    model = load_checkpoint(folder).model
    if not isinstance(model, FLAM):
        raise ModelError(f"{folder}: models of kind {model.config.kind!r} can't be exported; they run with torch")
    target = folder if destination is None else Path(destination)
    try:
        if target.resolve() != folder.resolve():
            target.mkdir(parents=True, exist_ok=True)
            # the config comes last: without it, a folder is no model
            for path in sorted(folder.iterdir(), key=lambda path: path.name == "config.json"):
                if path.is_file() and path.name not in GRAPH_FILES:
                    with atomic_path(target / path.name) as part:
                        shutil.copyfile(path, part)
        _write_graphs(model, target)
        _compare(model, target)
    except BaseException as error:
        for name in GRAPH_FILES:
            (target / name).unlink(missing_ok=True)
            (target / f".{name}.part").unlink(missing_ok=True)
        if isinstance(error, OSError):
            reason = error.strerror or error
            raise OutputError(
                f"{target}: graphs can't be written ({reason}); make space, or choose another folder with -o"
            ) from error
        raise
    return target


def add_graphs(folder: str | Path) -> bool:
    """Put graphs beside weights that were just written, where that can be done; a log message says why it was not.

    Returns
    -------
    bool
        Whether the model can now be used without torch.
    """
    try:
        export_onnx(folder)
    except (MissingExtraError, ModelError) as error:
        logger.warning("%s", error)
        return False
    return True


class _AudioGraph(nn.Module):
    def __init__(self, model: FLAM):
        super().__init__()
        self.model = model

    def forward(self, logmel: Tensor) -> Tensor:
        return self.model.audio_encoder.encode_logmel(logmel)


class _ProjectionGraph(nn.Module):
    def __init__(self, model: FLAM):
        super().__init__()
        self.model = model

    def forward(self, frames: Tensor) -> Tensor:
        return self.model.project_audio(frames[None]).frame_features[0]


class _TextGraph(nn.Module):
    def __init__(self, model: FLAM):
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return tuple(self.model.encode_tokens(TextTokens(ids, mask)))  # type: ignore[return-value]


def _with_distinct_weights(model: FLAM) -> FLAM:
    """A copy to trace: of tensors that hold the same values, such as biases of 0, the exporter would keep one."""
    twin = copy.deepcopy(model)
    for value in twin.state_dict().values():
        if value.is_floating_point():
            value.uniform_(0.5, 1.5)
    return twin


def _write_graphs(model: FLAM, folder: Path) -> None:
    identity = weights_identity(folder / WEIGHTS_FILE)
    model = _with_distinct_weights(model)
    encoder, text = model.audio_encoder, model.text_encoder
    takes_any_length = isinstance(encoder, ConvEncoder)
    hop_samples = encoder.logmel.config.hop_samples
    n_frames = 1 + (2 * encoder.frame_hop_samples if takes_any_length else encoder.window_samples) // hop_samples
    graphs: list[tuple[str, nn.Module, dict[str, Tensor], dict[str, dict[int, str]], dict[str, Any]]] = [
        (
            AUDIO_GRAPH,
            _AudioGraph(model),
            {"logmel": torch.zeros(2, n_frames, encoder.logmel.config.n_mels)},
            {
                "logmel": {0: "clips"} | ({1: "logmel_frames"} if takes_any_length else {}),
                "frames": {0: "clips"} | ({1: "frames"} if takes_any_length else {}),
            },
            {
                "sample_rate": encoder.sample_rate,
                "hop_samples": encoder.frame_hop_samples,
                "window_samples": encoder.window_samples,
                "variable_length": takes_any_length,
                "context_frames": encoder.context_frames if takes_any_length else None,
                "logmel": asdict(encoder.logmel.config),
            },
        ),
        (
            PROJECTION_GRAPH,
            _ProjectionGraph(model),
            {"frames": torch.zeros(3, encoder.embed_dim)},
            {"frames": {0: "frames"}, "features": {0: "frames"}},
            {},
        ),
        (
            TEXT_GRAPH,
            _TextGraph(model),
            {"ids": torch.ones(2, 5, dtype=torch.long), "mask": torch.ones(2, 5, dtype=torch.bool)},
            {
                "ids": {0: "texts", 1: "tokens"},
                "mask": {0: "texts", 1: "tokens"},
                "text_features": {0: "texts"},
                "logit_scale": {0: "texts"},
                "logit_bias": {0: "texts"},
            },
            {"max_tokens": text.max_tokens, "pad_id": text.pad_id, "joint_dim": model.config.joint_dim},
        ),
    ]
    tensors = json.loads(read_header(folder / WEIGHTS_FILE))
    data_start = 8 + len(read_header(folder / WEIGHTS_FILE))
    for name, module, inputs, axes, facts in graphs:
        part = folder / f".{name}.part"
        _trace(module, inputs, axes, part)
        _point_into_weights(part, tensors, data_start, write_metadata(identity, facts))
        os.replace(part, folder / name)


def _trace(module: nn.Module, inputs: dict[str, Tensor], axes: dict[str, dict[int, str]], path: Path) -> None:
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of the tracer, about shapes that are meant to be fixed
        module.eval()(*inputs.values())  # masks of attention windows are remembered, so they come out as constants
        torch.onnx.export(
            module,
            tuple(inputs.values()),
            str(path),
            dynamo=False,
            input_names=list(inputs),
            output_names=[name for name in axes if name not in inputs],
            dynamic_axes=axes,
            opset_version=OPSET,
            # the weights must stay as the checkpoint holds them; ONNX Runtime folds them when it loads
            do_constant_folding=False,
            training=torch.onnx.TrainingMode.PRESERVE,
        )


def _point_into_weights(path: Path, tensors: dict[str, Any], data_start: int, metadata: str) -> None:
    """Replace the weights that a graph holds by their place in ``model.safetensors``."""
    import onnx
    from onnx import TensorProto, helper

    types = {"F32": TensorProto.FLOAT, "F16": TensorProto.FLOAT16, "BF16": TensorProto.BFLOAT16}
    proto = onnx.load(str(path))
    graph, casts = proto.graph, []
    for initializer in graph.initializer:
        stored = tensors.get(initializer.name.removeprefix("model."))
        if stored is None:
            continue
        stored_type = types[stored["dtype"]]
        name = initializer.name
        if stored_type != initializer.data_type:
            initializer.name = f"{name}.stored"
            casts.append(helper.make_node("Cast", [initializer.name], [name], to=initializer.data_type))
        start, end = stored["data_offsets"]
        initializer.ClearField("raw_data")
        initializer.data_type = stored_type
        initializer.data_location = TensorProto.EXTERNAL
        place = {"location": WEIGHTS_FILE, "offset": str(data_start + start), "length": str(end - start)}
        for key, value in place.items():
            initializer.external_data.add(key=key, value=value)
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    helper.set_model_props(proto, {METADATA_KEY: metadata})
    proto.producer_name = "flam-audio"
    content = proto.SerializeToString()
    if len(content) > LARGEST_GRAPH_BYTES:
        raise ModelError(f"graph {path.name} would hold {len(content)} bytes of its own; this model can't be exported")
    path.write_bytes(content)


def _compare(model: FLAM, folder: Path) -> None:
    """Check on noise and a few texts that the graphs compute what torch does.

    Raises
    ------
    ModelError
        They differ by more than ``TOLERANCE``.
    """
    import onnxruntime

    def run(name: str, **inputs: Tensor) -> list[Tensor]:
        session = onnxruntime.InferenceSession(str(folder / name), providers=["CPUExecutionProvider"])
        return [torch.from_numpy(value) for value in session.run(None, {k: v.numpy() for k, v in inputs.items()})]

    worst: dict[str, float] = {}

    def compare(what: str, found: Tensor, expected: Tensor) -> None:
        difference = float((found - expected).abs().max())
        worst[what] = max(worst.get(what, 0.0), difference if math.isfinite(difference) else math.inf)

    encoder, random = model.audio_encoder, torch.Generator().manual_seed(0)
    shorter = 13 * encoder.frame_hop_samples if isinstance(encoder, ConvEncoder) else encoder.window_samples
    with torch.inference_mode():
        for n_clips, n_samples in ((1, encoder.window_samples), (3, shorter)):
            logmel = encoder.logmel(0.1 * torch.randn(n_clips, n_samples, generator=random))
            expected = encoder.encode_logmel(logmel)
            scale = expected.abs().max()
            compare("frame embeddings", run(AUDIO_GRAPH, logmel=logmel)[0] / scale, expected / scale)
            features = model.project_audio(expected[:1]).frame_features[0]
            compare("features", run(PROJECTION_GRAPH, frames=expected[0])[0], features)
        for n_tokens in (1, 9):
            ids = torch.randint(model.config.text.vocab_size, (3, n_tokens), generator=random)
            mask = torch.arange(n_tokens) < torch.tensor([[n_tokens], [1], [n_tokens]])
            ids = ids.where(mask, torch.tensor(model.text_encoder.pad_id))
            parts = zip(run(TEXT_GRAPH, ids=ids, mask=mask), model.encode_tokens(TextTokens(ids, mask)), strict=True)
            for what, (found, wanted) in zip(("text features", "logit scales", "logit biases"), parts, strict=True):
                compare(what, found, wanted)
    too_far = {what: value for what, value in worst.items() if value > TOLERANCE}
    if too_far:
        listed = ", ".join(f"{what} by {value:.2g}" for what, value in too_far.items())
        raise ModelError(f"{folder}: graphs differ from torch ({listed}; {TOLERANCE} is allowed); use torch instead")
