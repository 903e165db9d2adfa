"""A set of scenes on disk, shard by shard: equal for any number of processes, and resumed where it was stopped."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flam.annotations import FORMATS, write_events
from flam.core import (
    ConfigError,
    FlamError,
    OutputError,
    RecordingEvents,
    atomic_text,
    from_mapping,
    load_yaml,
    output_lock,
    parse_json,
    save_yaml,
    to_mapping,
)
from flam.data.audio_bytes import encode_audio
from flam.data.scene_facts import labelled_events, scene_facts
from flam.data.scene_settings import SceneSetSettings, differences
from flam.data.tar_shards import ShardSample, finished, write_index, write_shard
from flam.library.source_library import SourceClip
from flam.library.stores import ClipStore
from flam.scenes.captions.mixture import label_phrases
from flam.scenes.plan_lists import Plans
from flam.scenes.render import Renderer

SETTINGS_NAME = "settings.yaml"


@dataclass(frozen=True)
class SkippedScene:
    """A scene that could not be rendered, and why."""

    scene: int
    reason: str


@dataclass(frozen=True)
class ShardRecord:
    """What is remembered of a shard, in ``NAME.scenes.json`` beside it.

    Parameters
    ----------
    fingerprint : str
        of the set
    n_scenes : int
        scenes in it
    left_out : tuple[SkippedScene, ...], default ()
        those that could not be rendered
    """

    fingerprint: str
    n_scenes: int
    left_out: tuple[SkippedScene, ...] = ()


class SceneSet:
    """A folder of scenes: which shards it needs, which are there, and how one is made.

    It travels to other processes and machines, which make a shard each.

    Parameters
    ----------
    folder : str | Path
        of the shards
    plans : Plans | Sequence[Any]
        of all scenes
    clips : Sequence[SourceClip]
        the library, as ``flam.data.scene_source.named_clips`` gives it
    waveforms : ClipStore
        of the clips
    settings : SceneSetSettings
        what the shards hold

    Examples
    --------
    >>> import tempfile
    >>> from flam.procedural.built_in import built_in_library
    >>> from flam.scenes.scene import Piece, Placement, ScenePlan
    >>> clips, waveforms = built_in_library(1, labels=["door slam"])
    >>> plan = ScenePlan(1.0, None, (Placement("door slam/0", (Piece(0.0, 0.1, 0.5),), -20.0),))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     scenes = SceneSet(folder, [plan], clips, waveforms, SceneSetSettings("made", "", n_scenes=1))
    ...     scenes.prepare()
    ...     record = scenes.make(scenes.missing()[0])
    ...     scenes.write_index().keys(), scenes.missing(), record.n_scenes
    (dict_keys(['n_scenes', 'left_out']), [], 1)
    """

    def __init__(
        self,
        folder: str | Path,
        plans: Plans | Sequence[Any],
        clips: Sequence[SourceClip],
        waveforms: ClipStore,
        settings: SceneSetSettings,
    ):
        self.folder = Path(folder).absolute()
        self.settings = settings
        self._plans = plans
        self._clips = {clip.clip_id: clip for clip in clips}
        self._phrases = label_phrases(clips)
        self._waveforms = waveforms
        self._fingerprint = settings.fingerprint()
        self._renderer: Renderer | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Travels without what rendering has measured, which depends on the way it took."""
        return {**self.__dict__, "_renderer": None}

    @property
    def paths(self) -> list[Path]:
        """All shards of the set, whether they are there or not."""
        n_shards = -(-self.settings.n_scenes // self.settings.shard_scenes)
        suffix = ".tar" if self.settings.files is None else ""
        return [self.folder / f"scenes-{number:06d}{suffix}" for number in range(n_shards)]

    def prepare(self) -> None:
        """Make the folder and note the settings in it.

        Raises
        ------
        ConfigError
            the folder holds other scenes
        OutputError
            it can't be made or written to
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self.folder}: can't be made ({error.strerror}); choose another folder") from error
        path = self.folder / SETTINGS_NAME
        if path.exists():
            different = differences(load_yaml(SceneSetSettings, path), self.settings)
            if different:
                raise ConfigError(
                    f"{self.folder}: holds scenes made with other settings ({different}); "
                    "repeat those to go on, name another folder, or remove this one"
                )
        elif any(self.folder.glob("scenes-*")):
            raise ConfigError(f"{self.folder}: holds scenes of unknown settings; name another folder")
        else:
            save_yaml(self.settings, path)

    @contextmanager
    def reserved(self) -> Iterator[None]:
        """Prepare the folder, keep other runs out of it, and remove what one that was killed had begun to write.

        Raises
        ------
        ConfigError
            the folder holds other scenes
        OutputError
            it can't be made or written to, or another run is at work in it
        """
        self.prepare()
        with output_lock(self.folder):
            for path in self.folder.glob(".*.part"):
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)
            yield

    def recall(self, path: Path) -> ShardRecord | None:
        """What is remembered of a shard; None where it is not finished, or not of this set."""
        try:
            record = from_mapping(ShardRecord, parse_json(_record_path(path).read_bytes(), str(path)))
        except (OSError, ConfigError):
            return None
        if record.fingerprint != self._fingerprint:
            return None
        is_there = record.n_scenes == 0 or (finished(path) if self.settings.files is None else path.is_dir())
        return record if is_there else None

    def missing(self) -> list[Path]:
        """The shards that are still to be made."""
        return [path for path in self.paths if self.recall(path) is None]

    def make(self, path: Path) -> ShardRecord | OutputError:
        """Render the scenes of a shard and write it, whole or not at all; it depends on nothing but the set.

        Returns
        -------
        ShardRecord | OutputError
            what is remembered of it; or why it can't be written, as work for other processes must not raise
        """
        left_out: list[SkippedScene] = []
        samples = self._samples(self.numbers(path), left_out)
        first = next(samples, None)
        n_scenes = 0
        try:
            if first is not None:
                write = write_shard if self.settings.files is None else self._write_files
                entry = write(path, itertools.chain([first], samples))
                n_scenes = entry if isinstance(entry, int) else entry.nsamples
            record = ShardRecord(self._fingerprint, n_scenes, tuple(left_out))
            with atomic_text(_record_path(path)) as file:
                json.dump(to_mapping(record), file)
        except OutputError as error:
            return error
        return record

    def write_index(self) -> dict[str, Any]:
        """Sum up the finished shards: ``shards.json`` for readers of shards, ``scenes.json`` for scenes in plain files.

        Returns
        -------
        dict[str, Any]
            number of scenes, and those left out, by number

        Raises
        ------
        OutputError
            no scene could be rendered, or the index can't be written
        """
        records = [record for path in self.paths if (record := self.recall(path)) is not None]
        left_out = {str(one.scene): one.reason for record in records for one in record.left_out}
        remarks = {"n_scenes": sum(record.n_scenes for record in records), "left_out": left_out}
        if remarks["n_scenes"] == 0:
            reason = next(iter(left_out.values()), "no shard is finished")
            raise OutputError(f"{self.folder}: no scene could be made ({reason}); check the library and the plans")
        if self.settings.files is None:
            write_index(self.folder, remarks)
        else:
            with atomic_text(self.folder / "scenes.json") as file:
                json.dump(remarks, file, indent=1)
        return remarks

    def numbers(self, path: Path) -> range:
        """The scenes that a shard is for."""
        number = int(path.name.partition(".")[0].rpartition("-")[2])
        first = number * self.settings.shard_scenes
        return range(first, min(first + self.settings.shard_scenes, self.settings.n_scenes))

    def _samples(self, numbers: range, left_out: list[SkippedScene]) -> Iterator[ShardSample]:
        for number in numbers:
            try:
                yield self._sample(number)
            except KeyError as error:
                left_out.append(SkippedScene(number, f"the library has no clip {error}"))
            except FlamError as error:
                left_out.append(SkippedScene(number, str(error)))
            except Exception as error:  # whatever one clip does to a decoder, the other scenes are worth making
                reason = (str(error).splitlines() or [""])[0]
                left_out.append(
                    SkippedScene(number, f"unexpected {type(error).__name__} ({reason}); please report this")
                )

    def _sample(self, number: int) -> ShardSample:
        if self._renderer is None:
            recipe = self.settings.scene
            responses = None if recipe is None else recipe.room.impulse_responses
            self._renderer = Renderer(self._waveforms, {name: name for name in self._clips}, responses)
        plan = self._plans[number]
        for placement in plan.placements:
            self._clips[placement.clip_id]  # before the renderer is asked: a KeyError that names the clip
        scene = self._renderer.render(plan, self.settings.stems)
        suffix = f".{self.settings.format}"
        stems = () if scene.stems is None else scene.stems
        return ShardSample(
            key=f"{number:09d}",
            audio=encode_audio(scene.waveform, scene.sample_rate, suffix),
            suffix=suffix,
            facts=scene_facts(plan, scene, self._clips, self._phrases),
            others={f".stem{i}{suffix}": encode_audio(stem, scene.sample_rate, suffix) for i, stem in enumerate(stems)},
        )

    def _write_files(self, folder: Path, samples: Iterator[ShardSample]) -> int:
        part = folder.with_name(f".{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)
        assert self.settings.files is not None
        n_scenes = 0
        try:
            part.mkdir()
            for sample in samples:
                files = {sample.suffix: sample.audio, **sample.others}
                files[".json"] = json.dumps(sample.facts, ensure_ascii=False, indent=1).encode()
                for suffix, data in files.items():
                    (part / f"{sample.key}{suffix}").write_bytes(data)
                recording = RecordingEvents(
                    f"{sample.key}{sample.suffix}", sample.facts["duration_s"], labelled_events(sample.facts)
                )
                events = part / f"{sample.key}.events{FORMATS[self.settings.files].suffix}"
                write_events([recording], events, self.settings.files)
                n_scenes += 1
            part.rename(folder)
        except OSError as error:
            raise OutputError(f"{folder}: can't be written ({error.strerror}); make space") from error
        return n_scenes


def _record_path(path: Path) -> Path:
    return path.with_name(f"{path.name.partition('.')[0]}.scenes.json")


def stored_remarks(folder: Path) -> Mapping[str, Any]:
    """What the index of a folder says beside its shards: ``n_scenes`` and ``left_out``.

    Raises
    ------
    ConfigError
        there is no index of scenes
    """
    for name in ("shards.json", "scenes.json"):
        try:
            index = parse_json(
                (folder / name).read_bytes(), f"{folder}/{name}", remedy="make it with flam synth render"
            )
        except OSError:
            continue
        if isinstance(index, dict):
            return {"n_scenes": 0, "left_out": {}, **index}
    raise ConfigError(f"{folder}: has no index of scenes; make it with flam synth render")
