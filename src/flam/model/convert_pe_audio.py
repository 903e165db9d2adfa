"""PE-A-Frame as it is published, made a model folder of this package: its weights stay as they are."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from flam.core import ModelError, OutputError, atomic_text, read_text, to_mapping
from flam.core.documents import parse_json
from flam.hub.card import FORMAT, ModelCard

FILES = ("model.safetensors", "tokenizer.json")
# its score is the sigmoid of its own logit: there is no training prior that could be taken out
DETECTION = {"score": "posterior", "threshold": 0.5, "median_s": 0.2, "merge_gap_s": 0.2, "min_duration_s": 0.2}


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
    for name in FILES:
        if not (source / name).is_file():
            raise ModelError(f"{source}: {name} is missing; a PE-A-Frame model needs config.json, {', '.join(FILES)}")
    if destination.exists() and any(destination.iterdir()):
        raise OutputError(f"{destination}: exists and is not empty; choose a new or an empty folder")
    content = {
        "format": FORMAT,
        "card": to_mapping(card),
        "detection": DETECTION,
        "model": {"kind": "pe-a-frame", "config": config},
    }
    try:
        destination.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            try:
                os.link(source / name, destination / name)
            except OSError:
                shutil.copyfile(source / name, destination / name)
        with atomic_text(destination / "config.json") as file:
            json.dump(content, file, indent=2)
    except OSError as error:
        raise OutputError(f"{destination}: the model can't be written ({error}); choose another folder") from error


def _published_config(source: Path) -> dict[str, Any]:
    path = source / "config.json"
    config = parse_json(read_text(path, ModelError), str(path), ModelError)
    if not isinstance(config, dict) or config.get("model_type") != "pe_audio":
        raise ModelError(f"{path}: not a model of type 'pe_audio'; give the folder of a PE-A-Frame model")
    if "PeAudioFrameLevelModel" not in (config.get("architectures") or ()):
        raise ModelError(f"{path}: this PE-Audio model has no frames; give a PE-A-Frame model")
    return config
