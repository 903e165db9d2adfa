"""Checkpoints: a folder of config.json, model.safetensors and tokenizer.json; nothing in it is ever unpickled."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor

from flam.core import ModelError, OutputError, to_mapping
from flam.hub.card import FORMAT, ModelCard, read_card, read_config
from flam.model.build import build_model, model_config
from flam.model.towers import TwoTowers


@dataclass(frozen=True)
class Checkpoint:
    """A loaded checkpoint.

    Parameters
    ----------
    model : TwoTowers
        in evaluation mode, float32, on the CPU
    card : ModelCard
        what to know about it
    detection : dict[str, Any]
        the operating point that was chosen for this model; keys of ``flam.detection.DetectionConfig``
    """

    model: TwoTowers
    card: ModelCard
    detection: dict[str, Any]


def save_checkpoint(
    model: TwoTowers,
    folder: str | Path,
    card: ModelCard | None = None,
    detection: dict[str, Any] | None = None,
    dtype: torch.dtype | None = None,
    beside: Mapping[str, Mapping[str, Tensor]] = MappingProxyType({}),
) -> None:
    """Write a checkpoint folder; it appears whole or not at all, and replaces a checkpoint that is there.

    Parameters
    ----------
    dtype : torch.dtype | None, optional
        type that floating-point weights are stored in, for example ``torch.float16``; None keeps theirs
    beside : Mapping[str, Mapping[str, Tensor]], optional
        weights that are no part of the model, by the name of the file that they are written into

    Raises
    ------
    OutputError
        the folder can't be written, or holds something else than a checkpoint
    """
    folder = Path(folder)
    _refuse_to_replace_other_files(folder)
    weights = {
        name: value.to(dtype) if dtype is not None and value.is_floating_point() else value
        for name, value in model.state_dict().items()
    }
    config = {
        "format": FORMAT,
        "model": to_mapping(model.config),
        "card": to_mapping(ModelCard() if card is None else card),
        "detection": {} if detection is None else detection,
    }
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            save_file({name: value.contiguous().cpu() for name, value in weights.items()}, part / "model.safetensors")
            for name, others in beside.items():
                save_file({key: value.contiguous().cpu() for key, value in others.items()}, part / name)
                (part / name).chmod(0o644)
            (part / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
            if model.tokenizer is not None:
                model.tokenizer.save(str(part / "tokenizer.json"))
            # safetensors writes for the owner alone
            shutil.copymode(part / "config.json", part / "model.safetensors")
            part.chmod(0o755)
            replaced = part.with_name(f"{part.name}.replaced")
            if folder.exists():
                os.replace(folder, replaced)
            os.replace(part, folder)
            shutil.rmtree(replaced, ignore_errors=True)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
    except (OSError, SafetensorError) as error:
        raise OutputError(f"{folder}: the checkpoint can't be written ({error}); choose another folder") from error


def load_checkpoint(folder: str | Path) -> Checkpoint:
    """Read a checkpoint folder.

    Raises
    ------
    ModelError
        a file is missing or damaged, or the weights don't fit the configuration
    ConfigError
        the configuration holds an unknown key

    Examples
    --------
    >>> from flam.model.convnet import ConvEncoderConfig
    >>> from flam.model.flam import FLAM, FLAMConfig
    >>> from flam.model.text import LightTextConfig
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model = FLAM(FLAMConfig(audio=ConvEncoderConfig(), text=LightTextConfig(vocab_size=10)))
    ...     save_checkpoint(model, f"{folder}/tiny", ModelCard("tiny", licence="CC0-1.0"), {"threshold": 0.4})
    ...     checkpoint = load_checkpoint(f"{folder}/tiny")
    >>> checkpoint.card.licence, checkpoint.detection
    ('CC0-1.0', {'threshold': 0.4})
    """
    folder = Path(folder)
    config = read_config(folder)
    tokenizer_path = folder / "tokenizer.json"
    try:
        weights = load_file(folder / "model.safetensors")
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{folder}: weights can't be read ({error}); fetch or convert the model again") from error
    try:
        tokenizer = Tokenizer.from_file(str(tokenizer_path)) if tokenizer_path.exists() else None
    except Exception as error:  # the library raises nothing narrower
        raise ModelError(f"{tokenizer_path}: can't be read ({error}); fetch or convert the model again") from error
    model = build_model(model_config(config["model"], f"{folder}/config.json: model"), weights, folder, tokenizer)
    return Checkpoint(model, read_card(folder), config.get("detection", {}))


def _refuse_to_replace_other_files(folder: Path) -> None:
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    try:
        read_config(folder)
    except ModelError as error:
        raise OutputError(f"{folder}: exists and is no checkpoint; choose a new or an empty folder") from error
