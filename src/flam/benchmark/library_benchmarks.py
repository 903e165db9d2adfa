"""Benchmarks made from a library of clips, as a YAML file says: scenes to detect in, or clips to name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import flam
from flam.audio import write_audio
from flam.benchmark.benchmark import Benchmark, Item
from flam.core import ConfigError, Event, atomic_text, parse_json, to_mapping
from flam.core.progress import Progress
from flam.data.clip_source import ManifestConfig, ProceduralConfig, clip_text
from flam.jobs.manifest import make_folder
from flam.library.bank import WaveformBank
from flam.library.source_library import SourceClip, held_out
from flam.library.stores import ClipStore, DiskStore
from flam.scenes.effects.recorder import Recorder, record
from flam.scenes.scene_config import SceneConfig
from flam.scenes.stream import SceneStream

Part = Literal["held_out", "training", "all"]


@dataclass(frozen=True)
class Split:
    """Which clips training may see; the default is the split of flam-mini.

    Parameters
    ----------
    share : float, default 0.08
        see ``flam.library.source_library.held_out``
    folds : tuple[str, ...], default ('4',)
        see ``flam.library.source_library.held_out``
    merged_sources : tuple[str, ...], optional
        see ``flam.library.source_library.held_out``
    shares : dict[str, float], optional
        another share for some sources
    """

    share: float = 0.08
    shares: dict[str, float] = field(default_factory=dict)
    folds: tuple[str, ...] = ("4",)
    merged_sources: tuple[str, ...] = (
        *("antum_sounds", "antum_game_mods", "minetest_game", "mineclone5"),
        *("antum_sounds2", "moresounds", "airutils", "repixture"),
    )

    def holds(self, clip: SourceClip, part: Part) -> bool:
        """Whether a clip is of a part."""
        share = self.shares.get(clip.source, self.share)
        return part == "all" or (part == "held_out") == held_out(clip, share, self.folds, self.merged_sources)


@dataclass(frozen=True)
class ScenesRecipe:
    """Scenes mixed from a library; by default the paper's held-out set, from groups that training never saw.

    Parameters
    ----------
    n_scenes : int, default 500
        how many, and of which drawing
    seed : int, default 0
        how many, and of which drawing
    scene : SceneConfig, optional
        how they are drawn; the defaults are the paper's
    events, backgrounds : Part, default "held_out"
        the part of the library that each comes from; speech and music count as events
    prompts : Literal['labels', 'captions'], default "labels"
        ask for the labels of the clips, or as the paper does for their captions
    split : Split, optional
        which groups are held out
    procedural : ProceduralConfig | None, optional
        synthesised sounds in the place of a library; no training saw its seed
    recorder : Recorder | None, optional
        what the whole scene goes through after mixing; None for nothing
    """

    n_scenes: int = 500
    seed: int = 0
    scene: SceneConfig = field(default_factory=SceneConfig)
    events: Part = "held_out"
    backgrounds: Part = "held_out"
    prompts: Literal["labels", "captions"] = "labels"
    split: Split = field(default_factory=Split)
    procedural: ProceduralConfig | None = None
    recorder: Recorder | None = None

    def __post_init__(self) -> None:
        if self.n_scenes < 1:
            raise ValueError(f"n_scenes is {self.n_scenes}; it must be at least 1")


@dataclass(frozen=True)
class ClassifyRecipe:
    """Clips of a library to be named by their label.

    Parameters
    ----------
    part : Part, default "held_out"
        of the library
    split : Split, optional
        which groups are held out
    folds : tuple[str, ...], default ()
        only clips of these published folds; empty for all clips
    sources : tuple[str, ...], default ()
        only clips of these sources; empty for all
    """

    part: Part = "held_out"
    split: Split = field(default_factory=Split)
    folds: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class RecipeFile:
    """A YAML file of configs/benchmarks: one of the two kinds.

    Parameters
    ----------
    scenes : ScenesRecipe | None, optional
        one of them
    classify : ClassifyRecipe | None, optional
        one of them
    recorders : dict[str, Recorder], optional
        name to a recorder; the same scenes then make one benchmark for each

    Examples
    --------
    >>> RecipeFile(scenes=ScenesRecipe(n_scenes=20)).scenes.n_scenes
    20
    """

    scenes: ScenesRecipe | None = None
    classify: ClassifyRecipe | None = None
    recorders: dict[str, Recorder] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.recorders and (self.scenes is None or self.scenes.recorder is not None):
            raise ValueError("recorders need scenes, and scenes without a recorder of their own")
        if (self.scenes is None) == (self.classify is None):
            raise ValueError("a benchmark has either the key scenes or the key classify")


# sounds that no library is needed for; the seed is far from those that recipes of training take
BUILTIN = ScenesRecipe(n_scenes=60, events="all", backgrounds="all", procedural=ProceduralConfig(2, 1_000_003))


def scenes_benchmark(
    name: str,
    recipe: ScenesRecipe,
    library: Path | None,
    cache: Path,
    n_scenes: int | None = None,
    progress: Progress = lambda done, total: None,
) -> Benchmark:
    """Draw and render scenes; those rendered before, of the same recipe and library, are taken as they are.

    Parameters
    ----------
    name : str
        of the benchmark
    library : Path | None
        manifest or measured table; None where the recipe needs none
    cache : Path
        folder where scenes, and the decoded clips of a manifest, are kept
    n_scenes : int | None, optional
        at most so many scenes; None for as many as the recipe says
    progress : Progress, optional
        called with (clips decoded, in all), then with (scenes rendered, in all)

    Raises
    ------
    ConfigError
        a library is missing or can't be read, or holds no clips for these scenes
    """
    clips, waveforms, skipped = _sources(name, recipe, library, cache, progress)
    texts = {clip.clip_id: clip.label if recipe.prompts == "labels" else clip_text(clip) for clip in clips}
    n_scenes = recipe.n_scenes if n_scenes is None else min(n_scenes, recipe.n_scenes)
    folder = cache / "scenes" / _fingerprint(recipe, clips)
    make_folder(folder)
    scenes = SceneStream(clips, waveforms, recipe.scene, recipe.seed, texts)
    items = []
    for index in range(n_scenes):
        audio, notes = folder / f"{index:05d}.flac", folder / f"{index:05d}.json"
        if not notes.exists():
            scene = scenes[index].rendered
            waveform = scene.waveform
            if recipe.recorder is not None:
                waveform = record(waveform, scene.sample_rate, replace(recipe.recorder, seed=index))
            write_audio(audio, waveform, scene.sample_rate)
            spans = [[event.onset_s, event.offset_s, event.prompt] for event in scene.events]
            with atomic_text(notes) as file:
                json.dump(spans, file)
        events = tuple(
            Event(*event) for event in parse_json(notes.read_bytes(), str(notes), remedy="delete it to make it again")
        )
        items.append(Item(audio.stem, audio, recipe.scene.duration_s, events))
        progress(index + 1, n_scenes)
    prompts = tuple(sorted({texts[clip.clip_id] for clip in clips if clip.kind != "background"} - {""}))
    remarks = _remarks(recipe, clips)
    if n_scenes < recipe.n_scenes:
        remarks = (*remarks, f"the first {n_scenes} of {recipe.n_scenes} scenes")
    left_out = [*skipped, *(f"{count} clips that scenes can't use: {why}" for why, count in scenes.skipped.items())]
    return Benchmark(name, "frames", tuple(items), prompts, remarks, tuple(left_out))


def classify_benchmark(name: str, recipe: ClassifyRecipe, library: Path | None) -> Benchmark:
    """Clips of a library and the labels that they have.

    Raises
    ------
    ConfigError
        the library is missing or can't be read, or no clip is left
    """
    clips = [
        clip
        for clip in _manifest(name, library).clips()
        if clip.label
        and recipe.split.holds(clip, recipe.part)
        and (not recipe.folds or clip.fold in recipe.folds)
        and (not recipe.sources or clip.source in recipe.sources)
    ]
    if not clips:
        raise ConfigError(f"benchmark {name!r}: no clip of {library} is of its part, folds and sources; change these")
    here = [clip for clip in clips if clip.path.is_file()]
    gone = [str(clip.path) for clip in clips if not clip.path.is_file()]
    problems = [f"{len(gone)} of {len(clips)} recordings are not there: {', '.join(gone[:3])} ..."] if gone else []
    items = tuple(Item(clip.clip_id, clip.path, prompt=clip.label) for clip in here)
    remarks = (f"part {recipe.part} of the library, folds: {', '.join(recipe.folds) or 'any'}",)
    prompts = tuple(sorted({clip.label for clip in clips}))
    return Benchmark(name, "classify", items, prompts, remarks, tuple(problems), len(clips))


def _manifest(name: str, library: Path | None) -> ManifestConfig:
    if library is None:
        raise ConfigError(
            f"benchmark {name!r} is made from a library; name one with --library: a table of flam library scan, "
            "or a manifest"
        )
    return ManifestConfig(library)


def _sources(
    name: str, recipe: ScenesRecipe, library: Path | None, cache: Path, progress: Progress
) -> tuple[list[SourceClip], ClipStore, list[str]]:
    """The clips of the wanted parts, what makes their waveforms, and a line on those that can't be read."""
    if recipe.procedural is not None:
        return *recipe.procedural.clips_and_waveforms(), []
    manifest = _manifest(name, library)
    clips = [
        clip
        for clip in manifest.clips()
        if recipe.split.holds(clip, recipe.backgrounds if clip.kind == "background" else recipe.events)
    ]
    if not clips:
        raise ConfigError(f"benchmark {name!r}: {library} holds no clip of the wanted parts; change its split")
    table = manifest.table()
    if table is not None:
        return clips, DiskStore(table), []
    folder = cache / "banks" / _digest([_stamp(clip) for clip in clips])
    skipped_path = folder / "skipped.json"
    if not skipped_path.exists():
        skipped = WaveformBank.build(clips, folder, progress=progress)
        with atomic_text(skipped_path) as file:
            json.dump(skipped, file)
    skipped = parse_json(skipped_path.read_bytes(), str(skipped_path), remedy="delete it to make it again")
    line = f"{len(skipped)} of {len(clips)} clips are silent or can't be read: {', '.join(skipped[:5])}"
    bank = WaveformBank(folder)
    return [clip for clip in clips if clip.clip_id in bank], bank, [line] if skipped else []


def _fingerprint(recipe: ScenesRecipe, clips: Sequence[SourceClip]) -> str:
    # how many are rendered changes none of them
    return _digest([flam.__version__, to_mapping(replace(recipe, n_scenes=1)), [_stamp(clip) for clip in clips]])


def _stamp(clip: SourceClip) -> list[Any]:
    """What tells a clip from others, and from itself before it was changed."""
    status = clip.path.stat() if clip.path.is_file() else None
    size, mtime_ns = (0, 0) if status is None else (status.st_size, status.st_mtime_ns)
    return [clip.clip_id, clip.label, clip.caption, clip.kind, size, mtime_ns]


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _remarks(recipe: ScenesRecipe, clips: Sequence[SourceClip]) -> tuple[str, ...]:
    n_backgrounds = sum(clip.kind == "background" for clip in clips)
    where = "synthesised sounds" if recipe.procedural is not None else "one's own library"
    return (
        f"scenes of {recipe.scene.duration_s:g} s mixed from {len(clips) - n_backgrounds} clips (part {recipe.events}) "
        f"over {n_backgrounds} backgrounds (part {recipe.backgrounds}) of {where}; prompts are {recipe.prompts}",
    )
