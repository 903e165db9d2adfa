"""Feed damaged and hostile files to every reader: each must be read, or refused with one error of this package.

    python benchmarks/fuzz.py 500            # 500 files for each reader, seed 0
    python benchmarks/fuzz.py 2000 7 json    # 2000 for each reader whose name holds "json", seed 7

Each file is read in a process of its own, so that a crash, a hang (60 s) and memory beyond 4 GiB are findings too.
Files that failed are kept in ``fuzz_findings``. The suite runs the same readers for a few seconds without processes.
"""

from __future__ import annotations

import json
import logging
import os
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from flam.annotations import FORMATS, read_events, write_events
from flam.core import Event, FlamError, FrameScores, RecordingEvents, TimeGrid, from_mapping, load_yaml, save_yaml

LONGEST_S = 60
LARGEST_BYTES = 4 << 30
RATE = 16_000
SCRAPS = (
    *("", "nan", "-1", "1e999", "9" * 5_000, "9" * 25, "null", "true", "[]", "{}", "[[", "''", '"', "\t", "\n", "\0"),
    *("2001-99-99", "!!python/object/apply:os.system [id]", "!!binary x", "!!timestamp 1", "!!set {a}", "&a [*a]"),
    *("*a", "~", ".inf", "0x", "1_", "-", "?", ": ", ",", "\u202e", "\ud800", "[" * 3_000, '{"a":' * 3_000),
)


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


def readers() -> dict[str, Reader]:
    """All of them by name."""
    found = {f"events {name}": _events(name) for name, format in FORMATS.items() if format.read is not None}
    found |= {f"audio {suffix}": Reader(_audio(suffix), _read_audio, False) for suffix in ("wav", "flac", "ogg", "mp3")}
    found["audio in memory"] = Reader(_audio("flac"), _decode, False)
    found["scores npz"] = Reader(_scores, FrameScores.load, False)
    found["yaml settings"] = Reader(_settings, _read_settings)
    found["yaml scene"] = Reader(_scene, _read_scene)
    found["yaml phrases"] = Reader(_phrases, _read_phrases)
    found["json facts"] = Reader(
        _json({"captions": ["a"], "sounds": [{"label": "a", "texts": ["b"], "spans_s": [[0, 1]]}]}), _read_facts
    )
    found["json index of shards"] = Reader(_json({"shardlist": [_SHARD]}), _read_index)
    found["json plan"] = Reader(_json(_PLAN), _read_plan)
    found["json bank index"] = Reader(_json({"a": _BANK_ENTRY, "b": {**_BANK_ENTRY, "start": 8}}), _read_bank)
    found["json model card"] = Reader(_json(_MODEL), _read_model)
    found["json model sizes"] = Reader(_sizes, _read_sizes)
    found["json manifest of a job"] = Reader(_json(_FINISHED), _read_finished)
    found["csv library"] = Reader(_library(".csv"), _read_library)
    found["csv manifest"] = Reader(_manifest, _read_manifest)
    found["txt prompts"] = Reader(_prompts, _read_prompts)
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        return found
    return found | {"parquet library": Reader(_library(".parquet"), _read_library, False)}


def damaged(content: bytes, rng: random.Random, is_text: bool) -> bytes:
    """The content with one kind of damage: cut, flipped, repeated, blanked; words exchanged where it is text."""
    kind = rng.randrange(8 if is_text else 5)
    here = rng.randrange(max(len(content), 1))
    there = min(len(content), here + rng.randrange(1, 200))
    if kind == 0:
        return content[:here]
    if kind == 1:
        flipped = bytearray(content)
        for _ in range(rng.choice((1, 8, 64)) if content else 0):
            flipped[rng.randrange(len(content))] = rng.choice((0, 255, 127, rng.randrange(256)))
        return bytes(flipped)
    if kind == 2:  # the first bytes, which say what follows
        flipped = bytearray(content)
        for _ in range(4 if content else 0):
            flipped[rng.randrange(min(len(content), 128))] = rng.choice((0, 255, rng.randrange(256)))
        return bytes(flipped)
    if kind == 3:
        return content[:here] + bytes(there - here) + content[there:]
    if kind == 4:
        return content[:here] + content[there:] if rng.random() < 0.5 else content[:there] + content[here:]
    text = content.decode("utf-8", "surrogateescape")
    places = list(re.finditer((r"[-\w.]+", r"-?\d[\d.e-]*", r"[:,\[\]{}\t\n]")[kind - 5], text))
    for place in sorted(rng.sample(places, min(len(places), rng.choice((1, 1, 3)))), key=lambda one: -one.start()):
        text = text[: place.start()] + rng.choice(SCRAPS) + text[place.end() :]
    return text.encode("utf-8", "surrogatepass")


def cases(reader: Reader, n_files: int, seed: int, folder: Path) -> Iterator[Path]:
    """Write damaged files one after the other, all under one name."""
    source = reader.make(folder)
    content, rng = source.read_bytes(), random.Random(seed)
    reader.read(source)  # the whole one is read
    for _ in range(n_files):
        source.write_bytes(damaged(content, rng, reader.is_text))
        yield source


def problem(reader: Reader, path: Path) -> str | None:
    """What is wrong with how a file was read; None where it was read, or refused as it should be."""
    try:
        reader.read(path)
    except FlamError as error:
        return "an error of several lines" if "\n" in str(error).strip() else None
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:200]}"
    return None


def main() -> int:
    """Run the readers that the command line names; 1 where something was found."""
    n_files, seed = (int(given) for given in (*sys.argv[1:3], "200", "0")[: max(len(sys.argv[1:3]), 2)][:2])
    wanted = sys.argv[3] if len(sys.argv) > 3 else ""
    logging.disable(logging.CRITICAL)
    n_found = 0
    for name, reader in readers().items():
        if wanted not in name:
            continue
        findings: dict[str, int] = {}
        slowest_s = 0.0
        with tempfile.TemporaryDirectory() as folder:
            for number, path in enumerate(cases(reader, n_files, seed, Path(folder))):
                begun = time.monotonic()
                found = _apart(reader, path)
                slowest_s = max(slowest_s, time.monotonic() - begun)
                if found is not None:
                    if found not in findings:
                        kept = Path("fuzz_findings")
                        kept.mkdir(exist_ok=True)
                        shutil.copy(path, kept / f"{name.replace(' ', '_')}_{seed}_{number}{path.suffix}")
                    findings[found] = findings.get(found, 0) + 1
        n_found += sum(findings.values())
        print(f"{name}: {n_files} files, {sum(findings.values())} findings, slowest {slowest_s:.1f} s", flush=True)
        for found, count in findings.items():
            print(f"    {count} x {found}", flush=True)
    return 1 if n_found else 0


def _apart(reader: Reader, path: Path) -> str | None:
    """As ``problem``, in a process of its own."""
    receiver, sender = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(receiver)
        signal.alarm(LONGEST_S)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        found = problem(reader, path) or ""
        if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10 > LARGEST_BYTES:
            found = found or "memory beyond the limit"
        os.write(sender, f"done {found}".encode(errors="replace"))
        os._exit(0)
    os.close(sender)
    with os.fdopen(receiver, "rb") as pipe:
        told = pipe.read().decode(errors="replace")
    _, status = os.waitpid(child, 0)
    if not told:
        return f"ended by signal {status & 127}"
    return told.removeprefix("done ") or None


def _events(format: str) -> Reader:
    def make(folder: Path) -> Path:
        path = folder / f"a{FORMATS[format].suffix}"
        events = tuple(Event(i + 0.1, i + 0.9, f"dog {i}", 0.5, 0.9) for i in range(5))
        write_events([RecordingEvents("a.wav", 10.0, events)], path, format)
        return path

    return Reader(make, read_events)


def _audio(suffix: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / f"a.{suffix}"
        soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, (RATE, 2)), RATE)
        return path

    return make


def _read_audio(path: Path) -> None:
    from flam.audio import open_recording

    with open_recording(path, lambda told: None) as recording:
        for _ in recording.mono_blocks():
            pass


def _decode(path: Path) -> None:
    from flam.data.audio_bytes import decode_audio

    decode_audio(path.read_bytes(), "a.flac")


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
_MODEL = {
    "format": "flam-checkpoint-1",
    "card": {"name": "a", "facts": {"b": "c"}},
    "model": {"kind": "flam", "audio": {"kind": "conv", "window_s": 10.24}, "text": {"kind": "light", "mlp_dim": 8}},
    "detection": {"threshold": 0.4},
}
_FINISHED = {
    **{"recording": "/a.wav", "size_bytes": 1, "mtime_ns": 2, "settings": "0f"},
    **{"n_events": 1, "duration_s": 1.5, "problems": []},
}


def _json(document: object) -> Callable[[Path], Path]:
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


def _read_model(path: Path) -> None:
    from flam.detection import DetectionConfig
    from flam.hub.card import read_card, read_config

    if path.name != "config.json":
        shutil.copy(path, path.with_name("config.json"))
    config = read_config(path.parent)
    read_card(path.parent)
    from_mapping(DetectionConfig, config.get("detection", {}), "detection")


def _sizes(folder: Path) -> Path:
    from flam.core import to_mapping
    from flam.model.convnet import ConvEncoderConfig
    from flam.model.flam import FLAMConfig
    from flam.model.text import LightTextConfig

    audio = ConvEncoderConfig(stem_width=4, widths=(4, 4, 4, 4, 4, 4), embed_dim=8)
    text = LightTextConfig(vocab_size=12, embed_dim=8, n_blocks=1, mlp_dim=8)
    config = FLAMConfig(audio=audio, text=text, joint_dim=8, hidden_dim=8)
    (folder / "a.json").write_text(json.dumps({"kind": "flam", **to_mapping(config)}))
    return folder / "a.json"


def _read_sizes(path: Path) -> None:
    from flam.core import ModelError, parse_json
    from flam.model.checkpoint import _built, model_config

    _built(model_config(parse_json(path.read_bytes(), "a.json", ModelError), "a.json"), None, "a.json")


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


if __name__ == "__main__":
    sys.exit(main())
