"""Benchmarks made from a library of clips, as a YAML file says: scenes to detect in, or clips to name."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import flam
from flam.audio import read_audio, write_audio
from flam.benchmark.benchmark import Benchmark, Item, OperatingPoints, OtherTexts
from flam.benchmark.recipes import ClassifyRecipe, RecipeFile, ScenesRecipe
from flam.core import ConfigError, Event, atomic_text, parse_json, to_mapping
from flam.core.progress import Progress
from flam.data.clip_source import ManifestConfig, clip_text
from flam.data.phrases import PhraseSet, heard_in, load_phrases, read_paraphrases
from flam.jobs.manifest import make_folder
from flam.library.bank import WaveformBank
from flam.library.measure import LIBRARY_RATE
from flam.library.source_library import SourceClip
from flam.library.stores import ClipStore, DiskStore
from flam.scenes.effects.recorder import Recorder, record
from flam.scenes.stream import SceneStream


def library_benchmarks(
    name: str,
    recipe: RecipeFile,
    library: Path | None,
    cache: Path,
    n_items: int | None = None,
    progress: Progress = lambda done, total: None,
) -> list[Benchmark]:
    """Every benchmark of a YAML file: one, unless it has recorders, ambience or words.

    Parameters
    ----------
    name : str
        Of the benchmark; where there are several, each has a name of its own behind it.
    library : Path | None
        Manifest or measured table; None where the recipe needs none.
    cache : Path
        Folder where scenes, and the decoded clips of a manifest, are kept.
    n_items : int | None, optional
        At most so many recordings of each; None for as many as the recipe says.
    progress : Progress, optional
        Called with (clips decoded, in all), then with (scenes rendered, in all).

    Raises
    ------
    ConfigError
        A library is missing or can't be read, or holds no clips for these scenes.
    """
    recorders: dict[str, Recorder | None] = {f"{name}: {title}": own for title, own in recipe.recorders.items()}
    recorders = recorders or {name: None}
    if recipe.classify is not None:
        classify = recipe.classify
        return [
            classify_benchmark(title, classify, library, cache, own).limited(n_items)
            for title, own in recorders.items()
        ]
    scenes = recipe.scenes
    assert scenes is not None
    made = [
        scenes_benchmark(title, replace(scenes, recorder=own) if own else scenes, library, cache, n_items, progress)
        for title, own in recorders.items()
    ]
    if recipe.ambience:
        made.append(_ambience(f"{name}: ambience", scenes, library, cache, progress).limited(n_items))
    if recipe.words:
        plain = scenes_benchmark(name, scenes, library, cache, n_items, progress)
        made += [_paraphrases(f"{name}: {path.stem}", path, plain) for path in recipe.words]
        made.append(_near_misses(f"{name}: near misses", scenes, library).limited(n_items))
    return made


def scenes_benchmark(
    name: str,
    recipe: ScenesRecipe,
    library: Path | None,
    cache: Path,
    n_scenes: int | None = None,
    progress: Progress = lambda done, total: None,
) -> Benchmark:
    """Draw and render scenes; those rendered before, of the same recipe and library, are taken as they are.

    Parameters and errors are those of ``library_benchmarks``.
    """
    clips, waveforms, skipped = _sources(name, recipe, library, cache, progress)
    texts = {clip.clip_id: clip.label if recipe.prompts == "labels" else clip_text(clip) for clip in clips}
    prompts, phrase_sets = asked_prompts(clips, texts, recipe.n_prompts), _phrase_sets(recipe)
    n_scenes = recipe.n_scenes if n_scenes is None else min(n_scenes, recipe.n_scenes)
    folder = cache / "scenes" / _fingerprint(recipe, clips)
    make_folder(folder)
    scenes = SceneStream(clips, waveforms, recipe.scene, recipe.seed, texts)
    items = []
    for index in range(n_scenes):
        audio, notes = folder / f"{index:05d}.flac", folder / f"{index:05d}.json"
        if not notes.exists():
            scene = scenes[index].rendered
            _write_recorded(audio, scene.waveform, scene.sample_rate, recipe.recorder, index)
            spans = [[event.onset_s, event.offset_s, event.prompt] for event in scene.events]
            with atomic_text(notes) as file:
                json.dump(spans, file)
        stored = parse_json(notes.read_bytes(), str(notes), remedy="delete it to make it again")
        not_judged: frozenset[str] = frozenset()
        if phrase_sets is not None:
            not_judged = heard_in(scenes.background(index), prompts, phrase_sets)
        events = tuple(Event(*event) for event in stored if event[2] in set(prompts) - not_judged)
        items.append(Item(audio.stem, audio, recipe.scene.duration_s, events, not_judged=not_judged))
        progress(index + 1, n_scenes)
    remarks = _remarks(recipe, clips)
    if n_scenes < recipe.n_scenes:
        remarks = (*remarks, f"the first {n_scenes} of {recipe.n_scenes} scenes")
    left_out = [*skipped, *(f"{count} clips that scenes can't use: {why}" for why, count in scenes.skipped.items())]
    return Benchmark(name, "frames", tuple(items), prompts, remarks, tuple(left_out), points=recipe.points)


def classify_benchmark(
    name: str, recipe: ClassifyRecipe, library: Path | None, cache: Path, recorder: Recorder | None = None
) -> Benchmark:
    """Clips of a library and the labels that they have, as they are or through a recorder.

    Raises
    ------
    ConfigError
        the library is missing or can't be read, or no clip is left
    AudioError
        a clip can't be read to be sent through the recorder
    """
    clips = [clip for clip in _manifest(name, library).clips() if recipe.wants(clip)]
    if not clips:
        raise ConfigError(f"benchmark {name!r}: no clip of {library} is of its part, folds and sources; change these")
    items, problems = _files(clips)
    if recorder is not None and recorder != Recorder():
        folder = cache / "clips" / _digest([flam.__version__, to_mapping(recorder), [_stamp(clip) for clip in clips]])
        make_folder(folder)
        items = tuple(_recorded(item, folder / f"{number:05d}", recorder) for number, item in enumerate(items))
    remarks = (f"part {recipe.part} of the library, folds: {', '.join(recipe.folds) or 'any'}",)
    prompts = tuple(sorted({clip.label for clip in clips}))
    return Benchmark(name, "classify", items, prompts, remarks, problems, len(clips))


def asked_prompts(clips: Sequence[SourceClip], texts: Mapping[str, str], n_prompts: int | None) -> tuple[str, ...]:
    """The texts with most clips, in alphabetical order; of equally many, those that come first in the library.

    Parameters
    ----------
    clips : Sequence[SourceClip]
        Backgrounds among them don't count.
    texts : Mapping[str, str]
        Clip id to its label or caption; empty for none.
    n_prompts : int | None
        None for all.
    """
    counts = Counter(texts[clip.clip_id] for clip in clips if clip.kind != "background" and texts[clip.clip_id])
    return tuple(sorted(text for text, _ in counts.most_common(n_prompts)))


def _ambience(name: str, recipe: ScenesRecipe, library: Path | None, cache: Path, progress: Progress) -> Benchmark:
    """The backgrounds of scenes without any event."""
    clips, _, skipped = _sources(name, recipe, library, cache, progress)
    prompts = asked_prompts(clips, {clip.clip_id: clip.label for clip in clips}, recipe.n_prompts)
    backgrounds = [clip for clip in clips if clip.kind == "background"]
    items, problems = _files(backgrounds)
    phrase_sets = _phrase_sets(recipe)
    if phrase_sets is not None:
        heard = {clip.clip_id: heard_in(clip, prompts, phrase_sets) for clip in backgrounds}
        items = tuple(replace(item, not_judged=heard[item.name]) for item in items)
    items = tuple(replace(item, prompt="") for item in items)
    points = OperatingPoints(None, recipe.points.prompts_at_once)
    remarks = (f"backgrounds of the library (part {recipe.backgrounds}), asked for the labels with most clips",)
    return Benchmark(name, "ambience", items, prompts, remarks, (*skipped, *problems), len(backgrounds), points)


def _paraphrases(name: str, path: Path, scenes: Benchmark) -> Benchmark:
    """The same scenes, asked for labels and by other words for them."""
    ways = {label: texts for label, texts in read_paraphrases(path).items() if label in scenes.prompts}
    if not ways:
        raise ConfigError(f"{path}: names none of the prompts of {name!r}; give other words for these labels")
    items = tuple(
        replace(item, events=tuple(event for event in item.events if event.prompt in ways)) for item in scenes.items
    )
    prompts = tuple(dict.fromkeys(text for label, texts in ways.items() for text in (label, *texts)))
    remarks = (*scenes.remarks, f"other words of {path.name}")
    return replace(
        scenes, name=name, task="paraphrases", items=items, prompts=prompts, remarks=remarks,
        other_texts=OtherTexts(ways),
    )  # fmt: skip


def _near_misses(name: str, recipe: ScenesRecipe, library: Path | None) -> Benchmark:
    """Clips of labels that a phrase set tells from similar ones."""
    phrase_sets, clips = _phrase_sets(recipe) or {}, _manifest(name, library).clips()
    near = {label: own.near_misses for label, own in phrase_sets.items() if own.near_misses}
    asked = [clip for clip in clips if clip.label in near and clip.kind != "background" and recipe.wants(clip)]
    if not asked:
        raise ConfigError(f"benchmark {name!r}: no clip of {library} has a label with near misses; change its phrases")
    items, problems = _files(asked)
    n_training = Counter(clip.label for clip in clips if recipe.split.holds(clip, "training"))
    texts = dict.fromkeys(text for clip in asked for text in (clip.label, *near[clip.label]))
    remarks = (f"part {recipe.events} of the library, near misses of {recipe.phrases}",)
    other_texts = OtherTexts(near, n_training)
    return Benchmark(name, "near misses", items, tuple(texts), remarks, problems, len(asked), other_texts=other_texts)


def _phrase_sets(recipe: ScenesRecipe) -> dict[str, PhraseSet] | None:
    return None if recipe.phrases is None else load_phrases(recipe.phrases)


def _files(clips: Sequence[SourceClip]) -> tuple[tuple[Item, ...], tuple[str, ...]]:
    """The recordings that are there, and a line on those that are not."""
    here = tuple(Item(clip.clip_id, clip.path, prompt=clip.label) for clip in clips if clip.path.is_file())
    gone = [str(clip.path) for clip in clips if not clip.path.is_file()]
    problems = (f"{len(gone)} of {len(clips)} recordings are not there: {', '.join(gone[:3])} ...",) if gone else ()
    return here, problems


def _recorded(item: Item, stem: Path, recorder: Recorder) -> Item:
    """The recording of an item through a recorder, made where it is not there yet."""
    path = stem.with_suffix(".flac")
    if not path.exists():
        number = int(stem.name)
        _write_recorded(path, read_audio(item.path, LIBRARY_RATE), LIBRARY_RATE, recorder, number)
    return replace(item, path=path)


def _write_recorded(path: Path, waveform: Any, sample_rate: int, recorder: Recorder | None, number: int) -> None:
    """Noise and room of a recorder are others for each recording."""
    if recorder is not None:
        waveform = record(waveform, sample_rate, replace(recorder, seed=number))
    write_audio(path, waveform, sample_rate)


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
    clips = [clip for clip in manifest.clips() if recipe.wants(clip)]
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
    # how many are rendered, and what is asked of them, changes none of them
    drawn = replace(recipe, n_scenes=1, n_prompts=None, phrases=None, points=OperatingPoints())
    return _digest([flam.__version__, to_mapping(drawn), [_stamp(clip) for clip in clips]])


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
