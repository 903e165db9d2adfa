"""Models of others, written as checkpoints of this package."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor

from flam.core import ModelError, OutputError, atomic_text, parse_json, read_text, to_mapping
from flam.core.placeholders import require_content
from flam.hub.card import FORMAT, ModelCard
from flam.hub.registry import CLAP_FACTS, REGISTRY, ModelKind
from flam.model.checkpoint import save_checkpoint
from flam.model.convert_flam import flam_from_clap, flam_from_openflam
from flam.model.export import add_graphs

CLAP_START_ID, CLAP_END_ID = 0, 2
CLAP_WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
CARDS: dict[ModelKind, ModelCard] = {
    "openflam": REGISTRY["openflam"].card,
    "clap": ModelCard(
        name="clap",
        summary="CLAP used as FLAM-Global: 10 s windows, 3.2 frames a second, never trained to tell frames apart",
        licence="Apache-2.0",
        source="https://huggingface.co/laion",
        facts=CLAP_FACTS,
    ),
    "pe-a-frame": ModelCard(
        name="pe-a-frame",
        summary="PE-A-Frame: 10 s windows, 25 frames a second",
        licence="Apache-2.0",
        source="https://huggingface.co/facebook",
    ),
}
PE_A_FRAME_FILES = ("model.safetensors", "tokenizer.json")
# its score is the sigmoid of its own logit: there is no training prior that could be taken out
PE_A_FRAME_DETECTION = {
    "score": "posterior",
    "threshold": 0.5,
    "median_s": 0.2,
    "merge_gap_s": 0.2,
    "min_duration_s": 0.2,
}
NESTED_UNDER = ("state_dict", "model")
WRAPPER_PREFIX = "module."
# what the two readers raise for missing, cut off, foreign and malicious files
UNREADABLE = (
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    pickle.UnpicklingError,
    SafetensorError,
)


def convert(
    source: str | Path,
    destination: str | Path,
    kind: ModelKind | None = None,
    tokenizer: str | Path | None = None,
    card: ModelCard | None = None,
) -> None:
    """Write a released model as a checkpoint folder that ``load_checkpoint`` reads.

    Parameters
    ----------
    source : str | Path
        the state dict of an OpenFLAM release (``.pth`` or ``.safetensors``), or the folder of a Hugging Face
        ``ClapModel`` (config.json and weights)
    destination : str | Path
        folder to write; it appears whole or not at all, and replaces one that is there
    kind : ModelKind | None, optional
        what the source is; None guesses: a folder is CLAP, a file OpenFLAM
    tokenizer : str | Path | None, optional
        RoBERTa's tokenizer.json; None takes the one beside the weights
    card : ModelCard | None, optional
        what to tell users of the model; None says what is known of its kind

    Raises
    ------
    ModelError
        the source is no such model, or there is no tokenizer that fits it
    OutputError
        the destination can't be written
    """
    source = Path(source)
    kind = _guess_kind(source) if kind is None else kind
    if kind not in get_args(ModelKind):
        raise ModelError(f"unknown kind of model {kind!r}; choose one of {', '.join(get_args(ModelKind))}")
    folder = source if source.is_dir() else source.parent
    if kind == "pe-a-frame":
        adopt_pe_a_frame(folder, Path(destination), CARDS[kind] if card is None else card)
        return
    if kind == "clap":
        model = flam_from_clap(read_weights(_clap_weights(folder)), folder)
    else:
        model = flam_from_openflam(read_weights(source), str(source))
    model.tokenizer = _tokenizer(
        folder / "tokenizer.json" if tokenizer is None else Path(tokenizer), model.config.text.vocab_size
    )
    save_checkpoint(model, destination, CARDS[kind] if card is None else card)
    add_graphs(destination)


def _guess_kind(source: Path) -> ModelKind:
    if source.is_file():
        return "openflam"
    try:
        config = parse_json((source / "config.json").read_bytes(), f"{source}/config.json", ModelError)
    except OSError as error:
        raise ModelError(
            f"{source}: neither a file of weights nor a folder with config.json ({error}); give one of the two"
        ) from error
    if not isinstance(config, dict):
        raise ModelError(f"{source}: config.json is no object; give the folder of a model")
    if config.get("format") == FORMAT:
        raise ModelError(f"{source}: already a checkpoint of this package; use it as it is")
    kinds: dict[str, ModelKind] = {"clap": "clap", "pe_audio": "pe-a-frame"}
    if config.get("model_type") not in kinds:
        raise ModelError(
            f"{source}: config.json is of a model of type {config.get('model_type')!r}; "
            f"only folders of type {' or '.join(map(repr, kinds))} and OpenFLAM weight files can be converted"
        )
    return kinds[config["model_type"]]


def _clap_weights(folder: Path) -> Path:
    for name in CLAP_WEIGHT_FILES:
        if (folder / name).exists():
            return folder / name
    raise ModelError(f"{folder}: holds no weights; it needs one of {', '.join(CLAP_WEIGHT_FILES)}")


def _tokenizer(path: Path, vocab_size: int) -> Tokenizer:
    try:
        tokenizer = Tokenizer.from_str(path.read_text(encoding="utf-8"))
    except Exception as error:  # the library raises nothing narrower for a damaged file
        raise ModelError(
            f"{path}: no tokenizer can be read ({error}); give RoBERTa's tokenizer.json, beside the weights or by name"
        ) from error
    if tokenizer.get_vocab_size() > vocab_size:
        raise ModelError(
            f"{path}: a tokenizer of {tokenizer.get_vocab_size()} pieces, the model knows {vocab_size}; "
            "give the tokenizer that the model was trained with"
        )
    tokenizer.no_padding()
    ids = tokenizer.encode("sound").ids
    if ids[:1] != [CLAP_START_ID] or ids[-1:] != [CLAP_END_ID]:
        raise ModelError(
            f"{path}: encodes 'sound' as {ids}, without RoBERTa's start {CLAP_START_ID} and end {CLAP_END_ID}; "
            "give RoBERTa's tokenizer.json"
        )
    return tokenizer


def adopt_pe_a_frame(source: Path, destination: Path, card: ModelCard) -> None:
    """Make a model folder of the published files of a PE-A-Frame model.

    Parameters
    ----------
    source : Path
        Folder with ``config.json``, ``model.safetensors`` and ``tokenizer.json`` as published.
    destination : Path
        Folder to make; weights are linked into it where the file system can, and copied elsewhere.
    card : ModelCard
        What to tell users of the model.

    Raises
    ------
    ModelError
        A file is missing, or the folder holds another kind of model.
    OutputError
        The destination holds something already, or can't be written.
    """
    config = _published_config(source)
    for name in PE_A_FRAME_FILES:
        if not (source / name).is_file():
            raise ModelError(
                f"{source}: {name} is missing; a PE-A-Frame model needs config.json, {', '.join(PE_A_FRAME_FILES)}"
            )
    if destination.exists() and any(destination.iterdir()):
        raise OutputError(f"{destination}: exists and is not empty; choose a new or an empty folder")
    content = {
        "format": FORMAT,
        "card": to_mapping(card),
        "detection": PE_A_FRAME_DETECTION,
        "model": {"kind": "pe-a-frame", "config": config},
    }
    try:
        destination.mkdir(parents=True, exist_ok=True)
        for name in PE_A_FRAME_FILES:
            try:
                os.link(source / name, destination / name)
            except OSError:
                shutil.copyfile(source / name, destination / name)
        with atomic_text(destination / "config.json") as file:
            json.dump(content, file, indent=2)
    except (OSError, OutputError) as error:
        for name in PE_A_FRAME_FILES:
            (destination / name).unlink(missing_ok=True)
        reason = error.strerror if isinstance(error, OSError) else error
        raise OutputError(
            f"{destination}: the model can't be written ({reason}); make space, or choose another folder"
        ) from error


def _published_config(source: Path) -> dict[str, Any]:
    path = source / "config.json"
    config = parse_json(read_text(path, ModelError), str(path), ModelError)
    if not isinstance(config, dict) or config.get("model_type") != "pe_audio":
        raise ModelError(f"{path}: not a model of type 'pe_audio'; give the folder of a PE-A-Frame model")
    if "PeAudioFrameLevelModel" not in (config.get("architectures") or ()):
        raise ModelError(f"{path}: this PE-Audio model has no frames; give a PE-A-Frame model")
    return config


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """The named tensors of a file, floating-point ones as float32, on the CPU.

    Tensors that lie under "state_dict" or "model" are found; the prefix "module.", which data parallel training leaves,
    is taken off.

    Parameters
    ----------
    path : str | Path
        ``.safetensors``, or any other suffix for what ``torch.save`` wrote

    Raises
    ------
    ModelError
        the file can't be read, holds no tensors, or would run code when unpickled

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     torch.save({"epoch": 3, "state_dict": {"module.bias": torch.zeros(2)}}, f"{folder}/a.pth")
    ...     read_weights(f"{folder}/a.pth")
    {'bias': tensor([0., 0.])}
    """
    path = Path(path)
    require_content(path, ModelError)
    try:
        content: Any
        if path.suffix == ".safetensors":
            content = load_file(path)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # about protocols of files that are refused anyway
                content = torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        raise ModelError(
            f"{path}: weights can't be read ({_reason(error)}); give a .safetensors file, or a PyTorch file of tensors "
            "alone"
        ) from error
    for key in NESTED_UNDER:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    tensors = (
        {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
        if isinstance(content, Mapping)
        else {}
    )
    if not tensors:
        raise ModelError(f"{path}: holds no named tensors; give the file of a state dict")
    if all(name.startswith(WRAPPER_PREFIX) for name in tensors):
        tensors = {name.removeprefix(WRAPPER_PREFIX): value for name, value in tensors.items()}
    return {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}


def _reason(error: Exception) -> str:
    """One phrase; PyTorch's own would advise to run whatever the file holds."""
    if isinstance(error, OSError) and error.strerror is not None:
        return error.strerror
    if isinstance(error, SafetensorError):
        return str(error)
    return "it is damaged, or holds more than tensors, which could be harmful code"
