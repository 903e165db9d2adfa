"""Readers of documents for ``benchmarks.fuzz``: what each reads, and a whole file of its kind."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flam.annotations import FORMATS, read_events, write_events
from flam.core import Event, FrameScores, RecordingEvents, TimeGrid, from_mapping, load_yaml, save_yaml


@dataclass(frozen=True)
class Reader:
    """Something that reads a file.

    Parameters
    ----------
    make : writes a file that can be read into a folder, and gives its path
    read : reads a file of that name
    is_text : whether words and numbers are exchanged, besides bytes
    """

    make: Callable[[Path], Path]
    read: Callable[[Path], object]
    is_text: bool = True


def document_readers() -> dict[str, Reader]:
    """Readers of texts, tables and numbers, by name."""
    found = {f"events {name}": _events(name) for name, format in FORMATS.items() if format.read is not None}
    found["scores npz"] = Reader(_scores, FrameScores.load, False)
    found["yaml settings"] = Reader(_settings, _read_settings)
    found["yaml scene"] = Reader(_scene, _read_scene)
    found["yaml phrases"] = Reader(_phrases, _read_phrases)
    found["json facts"] = Reader(
        json_file({"captions": ["a"], "sounds": [{"label": "a", "texts": ["b"], "spans_s": [[0, 1]]}]}), _read_facts
    )
    found["json index of shards"] = Reader(json_file({"shardlist": [_SHARD]}), _read_index)
    found["json plan"] = Reader(json_file(_PLAN), _read_plan)
    found["json bank index"] = Reader(json_file({"a": _BANK_ENTRY, "b": {**_BANK_ENTRY, "start": 8}}), _read_bank)
    found["json manifest of a job"] = Reader(json_file(_FINISHED), _read_finished)
    found["csv library"] = Reader(_library(".csv"), _read_library)
    found["csv manifest"] = Reader(_manifest, _read_manifest)
    found["txt prompts"] = Reader(_prompts, _read_prompts)
    found["yaml prompts"] = Reader(_prompt_entries, _read_prompts)
    found["yaml recipe"] = Reader(_recipe, _read_recipe)
    found["csv answers of a review"] = Reader(_answers, _read_answers)
    found["tsv strong labels"] = Reader(_strong, _read_strong)
    found["csv table of a corpus"] = Reader(_manifest, _read_table)
    found["json header of a segment"] = Reader(_segment, _read_segment)
    found["json recordings of a segment"] = Reader(json_file([_SEGMENT_RECORDING]), _read_segment_recordings)
    found["tar shard"] = Reader(_shard, _read_shard, False)
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        return found
    return found | {"parquet library": Reader(_library(".parquet"), _read_library, False)}


def _events(format: str) -> Reader:
    def make(folder: Path) -> Path:
        path = folder / f"a{FORMATS[format].suffix}"
        events = tuple(Event(i + 0.1, i + 0.9, f"dog {i}", 0.5, 0.9) for i in range(5))
        write_events([RecordingEvents("a.wav", 10.0, events)], path, format)
        return path

    return Reader(make, read_events)


def _scores(folder: Path) -> Path:
    scores = np.random.default_rng(0).random((50, 2), np.float32)
    FrameScores(scores, ("a", "b"), TimeGrid(48_000, 3_840), 0, 50 * 3_840).save(folder / "a.npz")
    return folder / "a.npz"


def _settings(folder: Path) -> Path:
    from flam.core import to_mapping
    from flam.detection import DetectionConfig
    from flam.jobs.settings import DetectSettings

    settings = DetectSettings(("a.wav",), ("dog",), detection=to_mapping(DetectionConfig()))
    save_yaml(settings, folder / "a.yaml")
    return folder / "a.yaml"


def _read_settings(path: Path) -> None:
    from flam.core import to_mapping
    from flam.detection import DetectionConfig
    from flam.jobs.settings import DetectSettings

    settings = load_yaml(DetectSettings, path)
    from_mapping(DetectionConfig, to_mapping(settings.detection), "detection")
    settings.identity()


def _scene(folder: Path) -> Path:
    from flam.scenes.scene_config import SceneConfig

    save_yaml(SceneConfig(), folder / "a.yaml")
    return folder / "a.yaml"


def _read_scene(path: Path) -> None:
    from flam.scenes.scene_config import SceneConfig

    load_yaml(SceneConfig, path)


def _phrases(folder: Path) -> Path:
    text = (
        "beep: {phrases: [beeping], near: [buzz], parents: []}\nbuzz: {phrases: [buzzing], near: [beep], parents: []}\n"
    )
    (folder / "a.yaml").write_text(text)
    return folder / "a.yaml"


def _read_phrases(path: Path) -> None:
    from flam.data.phrases import load_phrases

    load_phrases(path.parent)


_FACTS = {"captions": ["a"], "sounds": [{"label": "a", "texts": ["b"], "spans_s": [[0, 1]]}]}
_SHARD = {"url": "000000.tar", "nsamples": 3, "filesize": 100, "sha256": "0f"}
_PLAN = {
    "duration_s": 10.0,
    "background": None,
    "events": [{"clip_id": "dog", "pieces": [[0.0, 1.5, 0.8]], "level_db": -30.0}],
}
_BANK_ENTRY = {"start": 0, "n_samples": 8, "scale": 1e-5, "spans_s": [[0.0, 0.5]], "level_db": -22.5}
_FINISHED = {
    **{"recording": "/a.wav", "size_bytes": 1, "mtime_ns": 2, "settings": "0f"},
    **{"n_events": 1, "duration_s": 1.5, "problems": []},
}


def json_file(document: object) -> Callable[[Path], Path]:
    """What writes a document as ``a.json``."""

    def make(folder: Path) -> Path:
        (folder / "a.json").write_text(json.dumps(document))
        return folder / "a.json"

    return make


def _read_facts(path: Path) -> None:
    from flam.core import AudioError, parse_json
    from flam.data import shard_source

    facts = parse_json(path.read_bytes(), "a.json", AudioError)
    if isinstance(facts, dict):
        shard_source._captions(facts, "a")
        shard_source._sounds(facts, "a")


def _read_index(path: Path) -> None:
    from flam.core import ConfigError, read_text
    from flam.data.tar_shards import parse_index

    parse_index(read_text(path, ConfigError), "a.json")


def _read_plan(path: Path) -> None:
    from flam.core import ConfigError, read_text
    from flam.scenes.scene import plan_from_json

    plan_from_json(read_text(path, ConfigError))


def _read_bank(path: Path) -> None:
    from flam.library.bank import WaveformBank

    np.zeros(16, np.int16).tofile(path.with_name("samples.i16"))
    shutil.copy(path, path.with_name("index.json"))
    bank = WaveformBank(path.parent)
    for clip_id in ("a", "b"):
        if clip_id in bank:
            bank.waveform(clip_id), bank.spans_s(clip_id), bank.level_db(clip_id)


def _read_finished(path: Path) -> None:
    from flam.jobs.manifest import MEMORY, ResultsFolder

    results = ResultsFolder(path.parent / "results", ".csv")
    results.prepare()
    results.events_path(Path("a")).touch()
    shutil.copy(path, path.parent / "results" / MEMORY / "a.csv.json")
    found = results.recall(Path("a"))
    if found is not None:
        sum((found.n_events, found.duration_s)), [text.splitlines() for text in found.problems]


def _library(suffix: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        from flam.library.clip_table import LibraryRow, SourceLibrary, write_library
        from flam.library.measure import Measures
        from flam.library.source_library import SourceClip

        measures = Measures(48000, 1, 480, 0.01, -20.0, -22.0, -3.0, 0.0, 0.0, ((0.0, 0.01),), 900.0, 2000.0, "0f")
        clips = [
            SourceClip(f"a{i}", Path(f"/a{i}.wav"), "dog", "a dog", "event", "a", "", "b", "CC0") for i in range(4)
        ]
        rows = [LibraryRow(clip, "", "given", "ok", "", measures, 1004, 0, "1") for clip in clips]
        write_library(SourceLibrary(rows), folder / f"a{suffix}")
        return folder / f"a{suffix}"

    return make


def _read_library(path: Path) -> None:
    from flam.library.clip_table import read_library

    library = read_library(path)
    for clip in library.clips:
        library.spans_s(clip.clip_id), library.level_db(clip.clip_id)


def _manifest(folder: Path) -> Path:
    rows = "".join(f"a{i},a{i}.wav,dog,a dog,event,a{i},mine,CC0\n" for i in range(4))
    (folder / "a.csv").write_text(f"id,file,label,caption,kind,group,source,licence\n{rows}")
    return folder / "a.csv"


def _read_manifest(path: Path) -> None:
    from flam.library.source_library import read_manifest

    read_manifest(path)


def _prompts(folder: Path) -> Path:
    (folder / "a.txt").write_text("dog barking\n# a comment\nsiren\nglass breaking\n")
    return folder / "a.txt"


def _read_prompts(path: Path) -> None:
    from flam.cli.prompts import collect_prompts

    collect_prompts((), path)


def _prompt_entries(folder: Path) -> Path:
    from flam.detection.prompt_file import Probability, PromptEntry, PromptList, write_prompt_file

    entry = PromptEntry(
        "dog", ("bark",), ("cat",), 0.9, {0.9: 0.95}, 0.2, Probability(-2.0, 1.0), "posterior", 20, "0f"
    )
    write_prompt_file(PromptList((entry, PromptEntry("siren"))), folder / "a.yaml")
    return folder / "a.yaml"


def _recipe(folder: Path) -> Path:
    shutil.copy(Path(__file__).parents[1] / "configs" / "smoke.yaml", folder / "a.yaml")
    return folder / "a.yaml"


def _read_recipe(path: Path) -> None:
    from flam.training.recipe import load_recipe

    load_recipe(path)


def _answers(folder: Path) -> Path:
    from flam.review.labels import Label, write_labels

    write_labels([Label("dog", f"a{i}.wav", "0f", 0.5, 1.5, 0.9, "right", "1") for i in range(4)], folder / "a.csv")
    return folder / "a.csv"


def _read_answers(path: Path) -> None:
    from flam.review.labels import read_labels

    read_labels(path)


def _strong(folder: Path) -> Path:
    rows = "".join(f"a{i}.wav\t{i}.5\t{i + 1}.25\tDog\n" for i in range(4))
    (folder / "a.tsv").write_text(f"filename\tonset\toffset\tevent_label\n{rows}b.wav\tNaN\tNaN\tNaN\n")
    return folder / "a.tsv"


def _read_strong(path: Path) -> None:
    from flam.data.corpora.tables import read_strong

    read_strong(path, lambda problem: None)


def _read_table(path: Path) -> None:
    from flam.data.corpora.tables import number_of, read_table

    for row in read_table(path, ("id", "label"), lambda problem: None):
        number_of(row, "id", lambda problem: None)


_SEGMENT = {
    **{"model_id": "0f", "form": "exact", "dim": 8, "n_frames": 3, "prefix_error": 0.1, "coarse_error": 0.1},
    **{"code_norm": 1.0, "checksums": {"clips.f32": 7}, "n_recordings": 1, "settings": {"step_s": 5.0}},
}
_SEGMENT_RECORDING = {
    **{"path": "/a.wav", "size_bytes": 1, "mtime_ns": 2, "content_hash": "0f", "start_time": None},
    **{"sample_rate": 48_000, "n_samples": 8, "n_frames": 3, "problems": ["a"]},
}


def _segment(folder: Path) -> Path:
    from flam.search.segment import FORMAT

    return json_file({**_SEGMENT, "format": FORMAT})(folder)


def _read_segment(path: Path) -> None:
    from flam.search.segment import HEADER, read_header

    shutil.copy(path, path.with_name(HEADER))
    header = read_header(path.parent)
    header.n_frames + header.n_recordings, header.checksums.items()


def _read_segment_recordings(path: Path) -> None:
    from flam.search.segment import RECORDINGS, read_recordings

    shutil.copy(path, path.with_name(RECORDINGS))
    read_recordings(path.parent)


def _shard(folder: Path) -> Path:
    from flam.data.shard_source import sample_facts
    from flam.data.tar_shards import ShardSample, write_shard

    facts = sample_facts(("a dog barks",))
    write_shard(folder / "a.tar", [ShardSample(f"{i}", b"RIFF" * 50, ".wav", facts) for i in range(3)])
    return folder / "a.tar"


def _read_shard(path: Path) -> None:
    from flam.data.tar_shards import Shard

    shard = Shard(path)
    for row in range(len(shard)):
        shard[row]
