"""What a model folder says of itself, readable without torch and without loading weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flam.core import ModelError, from_mapping, parse_json, read_text

FORMAT = "flam-checkpoint-1"


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
    if not isinstance(config, dict) or config.get("format") != FORMAT or "model" not in config:
        raise ModelError(f"{path}: not in the format {FORMAT!r}; convert the model with flam models convert")
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
