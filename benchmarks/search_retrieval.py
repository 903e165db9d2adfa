"""How well an archive is searched by words and by example, in scenes that flam-mini was not trained on.

    python benchmarks/search_scenes.py library/manifest.csv scenes/
    flam index build scenes/ -o archive/
    python benchmarks/search_retrieval.py library/manifest.csv scenes/ archive/

Prompts are the labels that sound ten times or more in the scenes. Each is searched for alone, as a user would:
recall and false alarms at the model's own threshold; of the ten best spans, the share that overlaps an event of the
label. Then each label is searched for by three clips of it, of which none counts: events of the clip's own group, and
spans that overlap them, are left out. "log-mel" is the same search over another archive, whose frames are log-mel
spectra (64 bands, less their mean, over their deviation) in place of the features. If a search finds
fewer than ten spans its threshold is lowered.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import soundfile

from benchmarks.search_scenes import frequent_labels, held_out_clips
from flam.audio import mono_blocks
from flam.audio.logmel import log_mel
from flam.core import Event, TimeGrid
from flam.detection import DetectionConfig
from flam.detection.frames import frame_power
from flam.detection.prompt_file import PromptList
from flam.evaluation.detections import DetectionCounts, count_detections, joined, match_detections
from flam.library.source_library import SourceClip
from flam.search import Archive, Query, Span
from flam.search.archive import ranked
from flam.search.axes import fit_axes
from flam.search.build import BuildReport, build_archive
from flam.search.catalogue import ArchiveSettings
from flam.search.encode import Encoder, _detectors
from flam.search.examples import Example, example_query, sample_frames
from flam.search.layout import ArchiveFolder

FEWEST_EVENTS, EXAMPLES, BEST = 10, 3, 10
LOWER_THRESHOLDS = (0.9, 0.7, 0.5, 0.3, 0.1)
LOG_MEL_SHARES = (0.001, 0.003, 0.01, 0.03, 0.1)


@dataclass(frozen=True)
class Scene:
    """What sounds in a scene: events by label, their groups beside them, and labels that nobody can judge in it."""

    duration_s: float
    events: tuple[Event, ...]
    groups: tuple[str, ...]
    unsure: frozenset[str]


def read_scenes(folder: Path) -> dict[str, Scene]:
    """The truth that ``search_scenes.py`` wrote, by path."""
    scenes = {}
    for line in (folder / "truth.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        path = (folder / row["file"]).resolve()
        events = tuple(Event(event["onset_s"], event["offset_s"], event["label"]) for event in row["events"])
        groups = tuple(event["group"] for event in row["events"])
        scenes[str(path)] = Scene(soundfile.info(path).duration, events, groups, frozenset(row["unsure"]))
    return scenes


def at_threshold(archive: Archive, scenes: dict[str, Scene], prompts: Sequence[str]) -> DetectionCounts:
    """Events found and false alarms, each prompt alone and at the model's own threshold."""
    total, config = DetectionCounts(0, 0, 0, (), 0.0), archive.detection_config()
    for prompt in prompts:
        [query] = archive.queries(PromptList.of([prompt]), (), config)
        spans = list(archive.spans([query], config.silence_db))
        for path, scene in scenes.items():
            if prompt in scene.unsure:
                continue
            truth = joined([e for e in scene.events if e.prompt == prompt], lambda _: query.rule.merge_gap_s)  # noqa: B023
            found = [span.event for span in spans if span.recording.path == path]
            total += count_detections(found, truth, scene.duration_s)
    return total


def precision(
    archive: Archive, queries: Iterable[Query], label: str, scenes: dict[str, Scene], silence_db: float, group: str = ""
) -> float:
    """Share of right ones among the best spans of the first of some queries, less and less strict, that finds enough.

    What overlaps an event of the example's group is left out.
    """
    spans: list[Span] = []
    for query in queries:
        found = ranked(archive.spans([query], silence_db))
        spans = [span for span in found if may_count(span, scenes[span.recording.path], label, group)]
        if len(spans) >= BEST:
            break
    right = [is_right(span, scenes[span.recording.path], label) for span in spans[:BEST]]
    return sum(right) / BEST


def may_count(span: Span, scene: Scene, label: str, group: str) -> bool:
    """Whether a span can be judged."""
    own = [replace(event, prompt="") for event, of in zip(scene.events, scene.groups, strict=True) if of == group]
    return label not in scene.unsure and bool(match_detections([replace(span.event, prompt="")], own).n_false_alarms)


def is_right(span: Span, scene: Scene, label: str) -> bool:
    """Whether a span overlaps an event of the label."""
    return match_detections([replace(span.event, prompt=label)], scene.events).n_false_alarms == 0


def lowered(query: Query) -> list[Query]:
    """A query and the same with lower thresholds."""
    return [query, *(query.with_threshold(low) for low in LOWER_THRESHOLDS if low < query.rule.threshold)]


def log_mel_queries(archive: Archive, example: Example) -> Iterator[Query]:
    """A query for log-mel spectra at the cosine that a thousandth, or more, of all frames reach.

    Cosines of spectra spread too far for the calibration of ``--like``.
    """
    query = example_query(archive, example, archive.detector.config)
    cosines = sample_frames(archive) @ query.texts.text_features[0]
    for share in LOG_MEL_SHARES:
        least = np.quantile(cosines, 1 - share)
        texts = query.texts._replace(logit_scale=np.float32([20]), logit_bias=np.float32([-20 * least]))
        yield replace(query, texts=texts).with_threshold(0.5)


class LogMelDetector:
    """The part of ``Detector`` that archives use, with log-mel spectra for features."""

    def __init__(self, grid: TimeGrid, config: DetectionConfig, mean_db: np.ndarray, deviation_db: np.ndarray):
        self.grid, self.config, self.sample_rate = grid, config, grid.sample_rate
        self.mean_db, self.deviation_db = mean_db, deviation_db
        self.backend = SimpleNamespace(pool=lambda pieces: np.concatenate(list(pieces)).mean(axis=0))

    def stream(self, audio: str) -> Iterator[SimpleNamespace]:
        waveform = np.concatenate(list(mono_blocks(audio, self.sample_rate)))
        features = (spectra(waveform, self.grid) - self.mean_db) / self.deviation_db
        features /= np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-9)
        power = frame_power(waveform, self.grid.hop_samples)
        yield SimpleNamespace(
            start_frame=0, n_samples=len(waveform), features=features, embeddings=features, power=power
        )

    def operating_point(self, prompts: Sequence[str], config: DetectionConfig) -> DetectionConfig:
        return replace(config, false_alarm_curve=None, kinds={})


def spectra(waveform: np.ndarray, grid: TimeGrid) -> np.ndarray:
    """(T, 64) dB: the mean log-mel spectrum of each of the model's frames."""
    n_frames = -(-len(waveform) // grid.hop_samples)
    padded = np.pad(waveform, (0, n_frames * grid.hop_samples - len(waveform))).astype(np.float32)
    fine = log_mel(padded[None])[0, :-1]
    return fine.reshape(n_frames, -1, fine.shape[1]).mean(axis=1)


def log_mel_archive(scenes: dict[str, Scene], folder: Path, like: Archive, output: Path) -> Archive:
    """An archive of log-mel spectra, made as any other."""
    all_db = np.concatenate(
        [spectra(np.concatenate(list(mono_blocks(path, like.grid.sample_rate))), like.grid) for path in scenes]
    )
    config = replace(like.detection_config(), false_alarms_per_hour=None, false_alarm_curve=None, kinds={})
    detector = LogMelDetector(like.grid, config, all_db.mean(axis=0), all_db.std(axis=0))
    _detectors["log-mel", "cpu", "auto", config.overlap, None] = detector  # type: ignore[assignment]
    archive = ArchiveFolder(output)
    settings = ArchiveSettings(
        "log-mel", "log-mel", like.grid.sample_rate, like.grid.hop_samples, "exact", config.overlap
    )
    features = (all_db - detector.mean_db) / detector.deviation_db
    archive.create(settings, fit_axes([features / np.linalg.norm(features, axis=1, keepdims=True)]))
    encoder = Encoder(
        "log-mel", "log-mel", "cpu", "auto", config.overlap, archive.codec(settings), archive.incoming_path
    )
    build_archive(archive, [folder], encoder, 1, BuildReport(print, print))
    return Archive(output, detector)  # type: ignore[arg-type]


def examples_of(clips: list[SourceClip], label: str) -> list[SourceClip]:
    """Clips of a label, each of another group."""
    by_group = {clip.group: clip for clip in clips if clip.label == label and clip.kind == "event"}
    chosen = sorted(by_group.values(), key=lambda clip: clip.clip_id)
    random.Random(0).shuffle(chosen)
    return chosen[:EXAMPLES]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", type=Path, help="manifest of the clips")
    parser.add_argument("scenes", type=Path, help="folder of search_scenes.py")
    parser.add_argument("archive", type=Path, help="archive of the scenes")
    options = parser.parse_args()
    clips, scenes, archive = held_out_clips(options.library), read_scenes(options.scenes), Archive(options.archive)
    config = archive.detection_config()
    n_events = {
        label: sum(e.prompt == label and label not in scene.unsure for scene in scenes.values() for e in scene.events)
        for label in frequent_labels(clips)
    }
    labels = [label for label, n in n_events.items() if n >= FEWEST_EVENTS]
    hours = sum(scene.duration_s for scene in scenes.values()) / 3600
    print(f"{hours:.2f} h, {len(labels)} labels with {sum(n_events[label] for label in labels)} events")
    counts = at_threshold(archive, scenes, labels)
    alarms = counts.n_false_alarms / (counts.duration_s / 3600)
    print(
        f"own threshold, a prompt at a time: recall {counts.recall:.3f}, {alarms:.1f} false alarms an hour and prompt"
    )
    by_words = {}
    for label in labels:
        [query] = archive.queries(PromptList.of([label]), (), config)
        by_words[label] = precision(archive, lowered(query), label, scenes, config.silence_db)
    print(f"precision at {BEST} by words: {mean(by_words.values())}")
    with tempfile.TemporaryDirectory() as work:
        spectral = log_mel_archive(scenes, options.scenes, archive, Path(work, "archive"))
        rows = []
        for label in labels:
            words = archive.detector.embed_text([label])
            [by_word] = archive.queries(PromptList.of([label]), (), config)
            for clip in examples_of(clips, label):
                example, group = Example(clip.path), clip.group
                queries = (
                    (archive, lowered(by_word)),
                    (archive, lowered(example_query(archive, example, config))),
                    (archive, lowered(example_query(archive, example, config, words))),
                    (spectral, log_mel_queries(spectral, example)),
                )
                rows.append([precision(a, these, label, scenes, config.silence_db, group) for a, these in queries])
    print(f"with {len(rows)} examples, their groups left out, precision at {BEST}:")
    for name, column in zip(("words", "--like", "--like and words", "log-mel"), zip(*rows, strict=True), strict=True):
        print(f"  {name:18} {mean(column)}")


def mean(values: Sequence[float]) -> str:
    """Mean with its standard error."""
    found = np.array(list(values))
    return f"{found.mean():.3f} +- {found.std(ddof=1) / np.sqrt(len(found)):.3f}"


if __name__ == "__main__":
    main()
