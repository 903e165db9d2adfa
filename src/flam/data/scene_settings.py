"""What a set of scenes on disk holds: two sets of equal settings are equal."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import flam
from flam.annotations import FORMATS
from flam.core import to_mapping
from flam.scenes.scene_config import SceneConfig


@dataclass(frozen=True)
class SceneSetSettings:
    """Everything that decides what a set of scenes holds.

    Parameters
    ----------
    clips_from : str
        the library, as it was named, for people
    clips_sha256 : str
        ``flam.scenes.plan_lists.clips_sha256``
    n_scenes : int
        how many
    seed : int | None, optional
        of the drawing; both None for plans of unknown origin
    scene : SceneConfig | None, optional
        of the drawing; both None for plans of unknown origin
    plans_sha256 : str | None, optional
        of the file that the plans are read from; None where they are drawn
    format : Literal['flac', 'opus', 'wav'], default "flac"
        of the audio; flac gives the same bytes each time, opus differs in a serial number
    shard_scenes : int, default 250
        scenes in a shard
    stems : bool, default False
        whether each source is stored too
    files : str | None, optional
        None for tar shards; else a folder in the place of each, with event lists in this format of ``flam.annotations``
    version : str, optional
        of this package
    """

    clips_from: str
    clips_sha256: str
    n_scenes: int
    seed: int | None = None
    scene: SceneConfig | None = None
    plans_sha256: str | None = None
    format: Literal["flac", "opus", "wav"] = "flac"
    shard_scenes: int = 250
    stems: bool = False
    files: str | None = None
    version: str = flam.__version__

    def __post_init__(self) -> None:
        for name in ("n_scenes", "shard_scenes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.files is not None and (self.files not in FORMATS or FORMATS[self.files].read is None):
            known = ", ".join(name for name, format in FORMATS.items() if format.read is not None)
            raise ValueError(f"files is {self.files!r}; it must be one of {known}")

    def fingerprint(self) -> str:
        """Hash of the settings: equal for two sets if their shards are."""
        decisive = {name: value for name, value in to_mapping(self).items() if name != "clips_from"}
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]


def differences(there: SceneSetSettings, requested: SceneSetSettings) -> str:
    """Describe what differs, as ``seed 0, not 1``."""

    def differing(one: Any, other: Any, names: Sequence[str], prefix: str) -> Iterator[str]:
        for name in names:
            a, b = getattr(one, name), getattr(other, name)
            if a != b and isinstance(a, SceneConfig) and isinstance(b, SceneConfig):
                yield from differing(a, b, [field.name for field in fields(a)], "scene.")
            elif a != b:
                short = [str(to_mapping(value))[:40] for value in (a, b)]
                yield f"{prefix}{name} {short[0]}, not {short[1]}"

    names = [field.name for field in fields(there) if field.name != "clips_from"]
    return "; ".join(differing(there, requested, names, ""))
