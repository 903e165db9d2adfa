"""Lists of plans: drawn when they are asked for, or read one by one from a file of JSON lines."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import flam
from flam.core import ConfigError, atomic_text, load_yaml, save_yaml
from flam.library.source_library import SourceClip
from flam.library.stores import ClipMeasures
from flam.scenes.plan import SceneDrawer
from flam.scenes.scene import ScenePlan, plan_from_json, plan_to_json
from flam.scenes.scene_config import SceneConfig


@dataclass(frozen=True)
class PlanSettings:
    """What a plan file was drawn from; it is saved beside it as ``NAME.settings.yaml``.

    Parameters
    ----------
    clips_from : str
        the library, as it was named
    clips_sha256 : str
        ``clips_sha256`` of its clips
    seed, n_scenes : int
        of the drawing
    scene : SceneConfig
        how scenes were drawn
    version : str, optional
        of this package
    """

    clips_from: str
    clips_sha256: str
    seed: int
    n_scenes: int
    scene: SceneConfig
    version: str = flam.__version__


class Plans(Protocol):
    """Plans by number."""

    def __len__(self) -> int: ...

    def __getitem__(self, number: int) -> ScenePlan: ...


@dataclass(frozen=True)
class DrawnPlans:
    """The first so many plans of a seed."""

    drawer: SceneDrawer
    seed: int
    n_scenes: int

    def __len__(self) -> int:
        return self.n_scenes

    def __getitem__(self, number: int) -> ScenePlan:
        return self.drawer.draw(self.seed, number)


class PlanFile:
    """The plans of a file that ``write_plans`` wrote; each is read when it is asked for.

    Parameters
    ----------
    path : str | Path
        one ``plan_to_json`` a line; empty lines are passed over

    Attributes
    ----------
    sha256
        of the whole file
    settings
        what it was drawn from; None where nothing lies beside it

    Raises
    ------
    ConfigError
        the file or its settings can't be read, or it holds no plan

    Examples
    --------
    >>> import tempfile
    >>> plan = ScenePlan(10.0, None, ())
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_plans([plan, plan], f"{folder}/plans.jsonl")
    ...     plans = PlanFile(f"{folder}/plans.jsonl")
    ...     len(plans), plans[1] == plan
    (2, True)
    """

    def __init__(self, path: str | Path):
        self.path = Path(path).absolute()
        self._starts = array("Q")
        digest, start = hashlib.sha256(), 0
        try:
            with open(self.path, "rb") as file:
                for line in file:
                    digest.update(line)
                    if line.strip():
                        self._starts.append(start)
                    start += len(line)
        except OSError as error:
            raise ConfigError(f"{path}: can't be read ({error.strerror}); check the path") from error
        if not self._starts:
            raise ConfigError(f"{path}: holds no plan; write some with flam synth plan")
        self.sha256 = digest.hexdigest()
        settings = _settings_path(self.path)
        self.settings = load_yaml(PlanSettings, settings) if settings.exists() else None

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, number: int) -> ScenePlan:
        try:
            with open(self.path, "rb") as file:
                file.seek(self._starts[number])
                line = file.readline().decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{self.path}, plan {number}: can't be read ({error}); write it again") from error
        try:
            return plan_from_json(line)
        except ConfigError as error:
            raise ConfigError(f"{self.path}, plan {number}: {error}") from error


def write_plans(
    plans: Iterator[ScenePlan] | Sequence[ScenePlan], path: str | Path, settings: PlanSettings | None = None
) -> None:
    """Write plans as JSON lines, one at a time; the file appears once it is complete.

    Parameters
    ----------
    plans : Iterator[ScenePlan] | Sequence[ScenePlan]
        taken one after the other
    path : str | Path
        the file
    settings : PlanSettings | None, optional
        what they are drawn from, written beside them

    Raises
    ------
    OutputError
        the file can't be written
    """
    path = Path(path)
    with atomic_text(path) as file:
        for plan in plans:
            file.write(plan_to_json(plan) + "\n")
    if settings is not None:
        save_yaml(settings, _settings_path(path))


def clips_sha256(clips: Sequence[SourceClip], measures: ClipMeasures) -> str:
    """A checksum of what scenes draw from: who the clips are and what they measure, wherever their files lie.

    Examples
    --------
    >>> from flam.procedural.built_in import built_in_library
    >>> one, other = (built_in_library(1, seed, labels=["door slam"]) for seed in (0, 1))
    >>> clips_sha256(*one) == clips_sha256(*other)
    False
    """
    digest = hashlib.sha256()
    for clip in sorted(clips, key=lambda clip: clip.clip_id):
        try:
            measured = measures.identity(clip.clip_id)
        except KeyError:
            continue  # can't be drawn
        known = [clip.clip_id, clip.label, clip.caption, clip.kind, clip.source, clip.licence]
        digest.update(json.dumps([*known, *measured]).encode())
    return digest.hexdigest()


def _settings_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.settings.yaml")
