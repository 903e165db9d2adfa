"""Everything that decides what ``flam detect`` finds, as one value that is saved beside the results and replayed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import flam
from flam.core import file_sha256, to_mapping
from flam.detection.prompt_file import PromptEntry, PromptList
from flam.hub.card import WEIGHTS_FILE, has_graphs
from flam.hub.registry import DEFAULT_MODEL

SEARCH_AXES = "search_axes.safetensors"
# settings that change where and how fast events are found, not which
INDIFFERENT = ("recordings", "device", "model", "backend", "jobs")


@dataclass(frozen=True)
class DetectSettings:
    """A run of ``flam detect``.

    Parameters
    ----------
    recordings : tuple[str, ...]
        files and folders
    prompts : tuple[str | PromptEntry, ...]
        what to find, and what must not be mistaken for it; entries for prompts of which a prompts file says more than
        the text
    suppress : tuple[str, ...], default ()
        what to find, and what must not be mistaken for it; entries for prompts of which a prompts file says more than
        the text
    model : str, optional
        name or folder
    device : str, default "auto"
        "auto", "cpu", "cuda" or "mps"
    precision : Literal['auto', 'fp32', 'bf16', 'int8'], default "auto"
        of the audio tower
    backend : Literal['auto', 'onnx', 'torch'], default "auto"
        what computes
    jobs : int | None, optional
        processes; None decides by the number of recordings
    format : str | None, optional
        a key of ``flam.annotations.FORMATS``; None until it is settled
    time_zone : str | None, optional
        where times of day are written, a zone of ``flam.audio.parse_time_zone`` or "recorder"
    detection : dict[str, Any], optional
        fields of ``flam.detection.DetectionConfig``, all of them once the model is loaded
    model_id : str | None, optional
        what the model's files hold, so that a replay with another model of that name is noticed
    version : str, optional
        of this package
    channel : str, default "auto"
        "auto", "mix" or the number of a channel, see ``flam.audio.open_recording``
    track : int | None, optional
        audio track of a video; None hears all of them
    """

    recordings: tuple[str, ...]
    prompts: tuple[str | PromptEntry, ...]
    suppress: tuple[str, ...] = ()
    model: str = DEFAULT_MODEL
    device: str = "auto"
    precision: Literal["auto", "fp32", "bf16", "int8"] = "auto"
    backend: Literal["auto", "onnx", "torch"] = "auto"
    jobs: int | None = None
    format: str | None = None
    time_zone: str | None = None
    detection: dict[str, Any] = field(default_factory=dict)
    model_id: str | None = None
    version: str = flam.__version__
    channel: str = "auto"
    track: int | None = None

    @property
    def prompt_list(self) -> PromptList:
        """The prompts with all that is known of them."""
        return PromptList.of(self.prompts)

    def identity(self) -> str:
        """A short text that is equal for two runs if they find the same events in a recording."""
        decisive = {key: value for key, value in to_mapping(self).items() if key not in INDIFFERENT}
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]


def model_identity(folder: Path) -> str:
    """A short text that tells what a model folder holds, wherever it lies and whatever it is called.

    Weights are not read where there are graphs: those carry the hash of the weights they were made for.
    """
    digest = hashlib.sha256()
    # search axes say how an archive stores what the model gives, not what it gives
    files = {path for path in folder.iterdir() if path.is_file() and path.name != SEARCH_AXES}
    if has_graphs(folder):
        files.discard(folder / WEIGHTS_FILE)
    for path in sorted(files):
        digest.update(path.name.encode())
        digest.update(bytes.fromhex(file_sha256(path)))
    return digest.hexdigest()[:16]
