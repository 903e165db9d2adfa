"""What a model folder says of itself, readable without torch and without loading weights: its card and its graphs."""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from flam.core import ModelError, file_sha256, from_mapping, parse_json, read_text
from flam.core.placeholders import require_content

FORMAT = "flam-checkpoint-1"
GRAPH_FORMAT = "flam-graphs-1"
METADATA_KEY = "flam"
WEIGHTS_FILE = "model.safetensors"
AUDIO_GRAPH, PROJECTION_GRAPH, TEXT_GRAPH = "audio.onnx", "projection.onnx", "text.onnx"
GRAPH_FILES = (AUDIO_GRAPH, PROJECTION_GRAPH, TEXT_GRAPH)
INT8_GRAPH = "audio_int8.onnx"  # holds its weights, rounded


@dataclass(frozen=True)
class ModelCard:
    """What a user should know before using a model.

    Parameters
    ----------
    name, summary : str, default ""
        one line each
    licence : str, default "unknown"
        of the weights, an SPDX name where there is one
    source : str, default ""
        where the weights come from
    facts : dict[str, str], optional
        further lines for ``flam models info``, title to text
    """

    name: str = ""
    summary: str = ""
    licence: str = "unknown"
    source: str = ""
    facts: dict[str, str] = field(default_factory=dict)


def read_config(folder: str | Path) -> dict[str, Any]:
    """The content of a checkpoint's config.json, without loading weights.

    Raises
    ------
    ModelError
        not a checkpoint folder
    """
    path = Path(folder) / "config.json"
    try:
        config = parse_json(read_text(path, ModelError), str(path), ModelError)
    except ModelError as error:
        raise ModelError(
            f"{folder}: not a model folder ({error}); it needs config.json and model.safetensors, "
            "as flam models convert and flam models download write them"
        ) from error
    for name in ("model.safetensors", "tokenizer.json", *GRAPH_FILES):
        require_content(Path(folder) / name, ModelError)
    if not isinstance(config, dict) or config.get("format") != FORMAT or "model" not in config:
        raise ModelError(f"{path}: not in the format {FORMAT!r}; convert the model with flam models convert")
    for key in ("model", "card", "detection"):
        if not isinstance(config.get(key, {}), dict):
            raise ModelError(f"{path}: {key} is no mapping of keys to values; fetch or convert the model again")
    return config


def read_card(folder: str | Path) -> ModelCard:
    """What a model folder says of itself, without loading weights.

    Raises
    ------
    ModelError
        not a checkpoint folder
    ConfigError
        a card with an unknown key
    """
    return from_mapping(ModelCard, read_config(folder).get("card", {}), f"{folder}/config.json: card")


@dataclass(frozen=True)
class WeightsIdentity:
    """What a graph knows of the weights file it was made for.

    Parameters
    ----------
    n_bytes : int
        Size of the file.
    header_sha256 : str
        Of the header, which holds name, type, shape and place of every tensor.
    sha256 : str
        Of the whole file.
    """

    n_bytes: int
    header_sha256: str
    sha256: str


def weights_identity(path: Path) -> WeightsIdentity:
    """Read and hash a whole weights file."""
    return WeightsIdentity(path.stat().st_size, header_sha256(path), file_sha256(path))


def header_sha256(path: Path) -> str:
    """Hash the header of a ``.safetensors`` file."""
    return hashlib.sha256(read_header(path)).hexdigest()


def read_header(path: Path) -> bytes:
    """Read the header of a ``.safetensors`` file, JSON behind its 8-byte length.

    Raises
    ------
    ModelError
        The file can't be read, or ends inside its header.
    """
    try:
        with open(path, "rb") as file:
            (n_bytes,) = struct.unpack("<Q", file.read(8))
            header = file.read(min(n_bytes, 100_000_000))
    except (OSError, struct.error) as error:
        raise ModelError(f"{path}: weights can't be read ({error}); fetch or convert the model again") from error
    if len(header) != n_bytes:
        raise ModelError(f"{path}: ends inside its header; fetch or convert the model again")
    return header


def require_all_tensors(path: Path) -> None:
    """Check that a ``.safetensors`` file holds all tensors that its header names.

    Raises
    ------
    ModelError
        The file is damaged, or was cut off.
    """
    header = read_header(path)
    tensors = parse_json(header, str(path), ModelError, "fetch or convert the model again")
    try:
        n_bytes = max(int(tensor["data_offsets"][1]) for name, tensor in tensors.items() if name != "__metadata__")
    except (AttributeError, KeyError, IndexError, TypeError, ValueError):
        raise ModelError(f"{path}: its header names no tensors; fetch or convert the model again") from None
    found = path.stat().st_size - 8 - len(header)
    if found < n_bytes:
        raise ModelError(f"{path}: holds {found} of {n_bytes} bytes of weights; fetch or convert the model again")


def has_graphs(folder: Path) -> bool:
    """Whether a model folder holds all graphs, so that ONNX Runtime can run the model."""
    return all((folder / name).is_file() for name in GRAPH_FILES)


def write_metadata(weights: WeightsIdentity, facts: dict[str, Any]) -> str:
    """The text that a graph carries under ``METADATA_KEY``."""
    return json.dumps({"format": GRAPH_FORMAT, "weights": asdict(weights), **facts}, sort_keys=True)


def read_metadata(text: str, path: Path) -> dict[str, Any]:
    """Read what ``write_metadata`` wrote; ``path`` is the graph that errors name.

    Raises
    ------
    ModelError
        Not a graph of this package, or one of another version.
    """
    try:
        metadata = json.loads(text)
        found = metadata["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: not a graph that this package wrote; run flam models export again") from error
    if found != GRAPH_FORMAT:
        raise ModelError(f"{path}: in the format {found!r}, not {GRAPH_FORMAT!r}; run flam models export again")
    return metadata


def require_whole_weights(folder: Path, expected: WeightsIdentity) -> None:
    """Check that a graph with weights of its own was made from those beside it, by their hash.

    Raises
    ------
    ModelError
        It was made from others.
    """
    if file_sha256(folder / WEIGHTS_FILE) != expected.sha256:
        raise ModelError(
            f"{folder / INT8_GRAPH}: was made from another {WEIGHTS_FILE}; run flam models export {folder} --int8"
        )


def require_same_weights(folder: Path, expected: WeightsIdentity) -> None:
    """Check that graphs belong to the weights beside them, by size and header: no tensor has to be read.

    Raises
    ------
    ModelError
        They belong to other weights.
    """
    path = folder / WEIGHTS_FILE
    found = (path.stat().st_size, header_sha256(path))
    if found != (expected.n_bytes, expected.header_sha256):
        raise ModelError(
            f"{folder}: the graphs were made for another {WEIGHTS_FILE}; run flam models export {folder} --to onnx"
        )
