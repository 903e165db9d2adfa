"""Which model an archive belongs to: features of two models can't be compared, whatever the models are called."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from flam.core import ModelError, file_sha256
from flam.hub.card import read_config
from flam.hub.hub import resolve
from flam.search.axes import FILE_NAME, SearchAxes

WEIGHTS, TOKENIZER = "model.safetensors", "tokenizer.json"

if TYPE_CHECKING:
    from flam.detection import Detector


def model_id(folder: Path) -> str:
    """Hash what decides a model's features: weights and sizes, not its thresholds, card or graphs.

    Raises
    ------
    ModelError
        The folder holds no model.
    """
    digest = hashlib.sha256(json.dumps(read_config(folder).get("model"), sort_keys=True).encode())
    for name in (WEIGHTS, TOKENIZER):
        try:
            digest.update(bytes.fromhex(file_sha256(folder / name)))
        except OSError as error:
            raise ModelError(f"{folder / name}: can't be read ({error.strerror}); get the model again") from error
    return digest.hexdigest()[:16]


def load_model(name: str, expected_id: str, archive: Path) -> Detector:
    """Load the model of an archive.

    Raises
    ------
    ModelError
        It can't be found, or is another one than the archive was made with.
    """
    import flam

    folder = resolve(name)
    require_model(folder, name, expected_id, archive)
    return flam.load(folder, device="cpu")


def require_model(folder: Path, name: str, expected_id: str, archive: Path) -> None:
    """Refuse a model that an archive was not made with.

    Raises
    ------
    ModelError
        The model's files differ from those that the archive was made with.
    """
    found = model_id(folder)
    if found != expected_id:
        raise ModelError(
            f"{archive}: made with model {expected_id}, but {name} is {found}; features of two models can't be "
            "compared: name the archive's model, or build a new archive"
        )


def model_axes(folder: Path) -> SearchAxes | None:
    """The axes that a model ships with; None where it has none."""
    path = folder / FILE_NAME
    return SearchAxes.load(path) if path.exists() else None
