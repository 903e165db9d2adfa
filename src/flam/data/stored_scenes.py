"""Reading scenes that ``flam synth`` wrote: the facts of each, and single scenes with their audio."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from flam.core import AudioError, ConfigError, FlamError, load_yaml, parse_json, read_text
from flam.core.progress import Reporter
from flam.data.audio_bytes import decode_audio
from flam.data.scene_facts import scene_facts
from flam.data.scene_settings import SceneSetSettings
from flam.data.scene_shards import SETTINGS_NAME
from flam.data.tar_shards import AUDIO_SUFFIXES, Shard
from flam.library.source_library import SourceClip
from flam.library.stores import ClipStore
from flam.scenes.captions.mixture import label_phrases
from flam.scenes.plan_lists import PlanFile
from flam.scenes.render import Renderer
from flam.scenes.scene import ScenePlan, plan_from_json
from flam.scenes.scene_config import SceneConfig


@dataclass(frozen=True)
class StoredScene:
    """A scene to look at.

    Parameters
    ----------
    name : str
        of the file that it comes from, and its number
    waveform : np.ndarray
        (N,) float32 array
    sample_rate : int
        Hz
    plan : ScenePlan
        what was to be rendered
    facts : dict[str, Any]
        ``flam.data.scene_facts.scene_facts`` of it
    """

    name: str
    waveform: np.ndarray
    sample_rate: int
    plan: ScenePlan
    facts: dict[str, Any]


def stored_config(path: Path) -> SceneConfig | None:
    """The recipe of a folder of scenes or of a plan file; None where nothing says it."""
    if path.is_dir():
        settings = path / SETTINGS_NAME
        return load_yaml(SceneSetSettings, settings).scene if settings.exists() else None
    stored = PlanFile(path).settings
    return None if stored is None else stored.scene


def stored_scenes(path: Path, reporter: Reporter) -> Iterator[tuple[ScenePlan, dict[str, Any] | None]]:
    """Plans of a folder or plan file, with the facts of rendered scenes; damaged scenes are reported and skipped.

    Raises
    ------
    ConfigError
        nothing of the kind is there
    """
    if not path.is_dir():
        plans = PlanFile(path)
        with reporter.counting("plans", len(plans)) as progress:
            for number in range(len(plans)):
                yield plans[number], None
                progress(number + 1, len(plans))
        return
    places = _places(path)
    with reporter.counting("shards", len(places)) as progress:
        for number, place in enumerate(places, start=1):
            try:
                for facts in _facts(place):
                    yield _plan(facts, place), facts
            except FlamError as error:
                reporter.error(str(error))
            progress(number, len(places))


def stored_scene(folder: Path, number: int) -> StoredScene:
    """A scene of a folder by its number.

    Raises
    ------
    ConfigError
        the folder does not hold it
    """
    key = f"{number:09d}"
    for place in _places(folder):
        if place.is_dir():
            audio = next((path for suffix in AUDIO_SUFFIXES if (path := place / f"{key}{suffix}").exists()), None)
            if audio is not None:
                facts = _json(place / f"{key}.json")
                waveform, sample_rate = decode_audio(audio.read_bytes(), str(audio))
                return StoredScene(f"{place.name}, scene {number}", waveform, sample_rate, _plan(facts, place), facts)
            continue
        shard = Shard(place)
        row = next((row for row in range(len(shard)) if shard.key(row) == key), None)
        if row is not None:
            sample = shard[row]
            waveform, sample_rate = decode_audio(sample.audio, f"{place}, {key}")
            plan = _plan(sample.facts, place)
            return StoredScene(f"{place.name}, scene {number}", waveform, sample_rate, plan, sample.facts)
    raise ConfigError(f"{folder}: holds no scene {number}; the index names those that are left out")


def planned_scene(path: Path, number: int, clips: Sequence[SourceClip], waveforms: ClipStore) -> StoredScene:
    """Render a scene of a plan file.

    Raises
    ------
    ConfigError
        the file does not hold it, or the library lacks a clip of it
    """
    plans = PlanFile(path)
    if not 0 <= number < len(plans):
        raise ConfigError(f"{path}: holds no scene {number}, but 0 to {len(plans) - 1}")
    by_id, plan = {clip.clip_id: clip for clip in clips}, plans[number]
    lacking = [placement.clip_id for placement in plan.placements if placement.clip_id not in by_id]
    if lacking:
        raise ConfigError(
            f"{path}: the library has no clip {lacking[0]!r}; name the one that the plans were drawn from"
        )
    responses = None if plans.settings is None else plans.settings.scene.room.impulse_responses
    scene = Renderer(waveforms, {name: name for name in by_id}, responses).render(plan)
    facts = scene_facts(plan, scene, by_id, label_phrases(clips))
    return StoredScene(f"{path.name}, scene {number}", scene.waveform, scene.sample_rate, plan, facts)


def _places(folder: Path) -> list[Path]:
    tars = sorted(folder.glob("*.tar"))
    places = tars if tars else sorted(path for path in folder.glob("scenes-*") if path.is_dir())
    if not places:
        raise ConfigError(f"{folder}: holds no scenes; make some with flam synth render")
    return places


def _facts(place: Path) -> Iterator[dict[str, Any]]:
    if place.is_dir():
        for path in sorted(place.glob("?????????.json")):
            yield _json(path)
    else:
        shard = Shard(place)
        yield from (shard.facts(row) for row in range(len(shard)))


def _json(path: Path) -> dict[str, Any]:
    facts = parse_json(read_text(path, AudioError), str(path), AudioError, "make the scenes again")
    if not isinstance(facts, dict):
        raise AudioError(f"{path}: is not a mapping of keys to values; make the scenes again")
    return facts


def _plan(facts: dict[str, Any], place: Path) -> ScenePlan:
    if "plan" not in facts or "levels" not in facts:
        raise AudioError(f"{place}: holds samples without a plan; only scenes of flam synth can be inspected")
    return plan_from_json(json.dumps(facts["plan"]))
