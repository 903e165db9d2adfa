"""The pool: rendered scenes as log-mel, exact frame labels and the teacher's targets, made ahead of training."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.lib.recfunctions import repack_fields

from flam.core import ConfigError, Event, TimeGrid
from flam.library.bank import WaveformBank
from flam.library.source_library import SourceClip
from flam.model.logmel import LogMel, LogMelConfig
from flam.scenes.boundaries import Boundaries
from flam.scenes.distributions import Constant, Integers, Uniform
from flam.scenes.effects import EffectsConfig, FilterConfig, Sometimes
from flam.scenes.effects.recorder import RecorderConfig, draw_recorder, record
from flam.scenes.plan import SceneDrawer
from flam.scenes.render import Renderer
from flam.scenes.scene_config import RepeatConfig, SceneConfig, SplitConfig
from flam.training.mini.teacher import Teacher

MAX_TEXTS = 6
TEACHER_WINDOW_FRAMES = 12

# The same as configs/scenes/mini.yaml.
MINI_SCENES = SceneConfig(
    duration_s=5.12,
    background_share=0.7,
    background_db=Constant(-40.0),
    single_share=0.35,
    unlabelled_share=0.08,
    n_events=Integers((1, 4)),
    label_power=0.5,
    label_cap=60,
    snr_db=Uniform((0.0, 25.0)),
    max_event_s=5.0,
    split=SplitConfig(share=0.0),
    repeat=RepeatConfig(share=0.3, single_share=0.5),
    peak_db=Uniform((-30.0, -1.0)),
    boundaries=Boundaries(threshold_db=-120.0, below_loudest_db=35.0),
    effects=EffectsConfig(speed=Sometimes(0.4, Uniform((0.85, 1.18))), filter=FilterConfig(share=0.5)),
)


@dataclass(frozen=True)
class PoolConfig:
    """What a pool holds.

    Parameters
    ----------
    scene : how scenes are drawn
    seed : of the drawing
    frame_hop_samples : frames of the labels
    teacher_hop_frames : frames between two windows of the teacher
    shard_scenes : scenes in one file
    recorder : what happens to a scene before the student hears it; the teacher hears it as it was
    """

    scene: SceneConfig = MINI_SCENES
    seed: int = 0
    frame_hop_samples: int = 3840
    teacher_hop_frames: int = 10
    shard_scenes: int = 250
    recorder: RecorderConfig = field(default_factory=RecorderConfig)

    def n_windows(self, n_frames: int) -> int:
        """Windows of the teacher, each a little longer than 12 frames, that lie wholly in a scene of so many frames."""
        return (n_frames - TEACHER_WINDOW_FRAMES - 1) // self.teacher_hop_frames + 1


def shard_dtype(config: PoolConfig, sample_rate: int, n_mels: int, embedding_dim: int, n_classes: int) -> np.dtype:
    """The record of a scene; a shard is an array of them.

    logmel (8 T, F) dB; embedding (W, E) and scores (W, C) of the teacher's windows; label (6,) rows of the label list,
    -1 for none; active (6, T) frames in which the label sounds; single is True where one source stands alone with its
    label; complete is False where a source without label sounds, so that nothing can be said to be absent.
    """
    n_frames = round(config.scene.duration_s * sample_rate / config.frame_hop_samples)
    n_windows = config.n_windows(n_frames)
    return np.dtype(
        [
            ("logmel", np.float16, (n_frames * config.frame_hop_samples // 480, n_mels)),
            ("embedding", np.float16, (n_windows, embedding_dim)),
            ("scores", np.uint8, (n_windows, n_classes)),
            ("label", np.int16, (MAX_TEXTS,)),
            ("active", np.bool_, (MAX_TEXTS, n_frames)),
            ("single", np.bool_),
            ("complete", np.bool_),
        ]
    )


def build_pool(
    clips: Sequence[SourceClip],
    labels: Sequence[str],
    bank: WaveformBank,
    teacher: Teacher,
    folder: str | Path,
    shards: range,
    config: PoolConfig,
    progress: Callable[[int], None] | None = None,
    variants: Sequence[WaveformBank] = (),
) -> None:
    """Write shards of scenes; those already there are kept, so that an interrupted run goes on where it stopped.

    Parameters
    ----------
    clips : the library; only clips in the bank are used
    labels : the label list that the rows of ``label`` point into
    shards : numbers of the shards to make; shard i holds the scenes from ``i * shard_scenes`` on
    progress : called with the number of each finished shard
    variants : banks of the same clips with other bandwidths: what the student hears, through a drawn recorder. Labels
        and the teacher's targets are of the clean scene. None: the student hears the clean scene
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    usable = [clip for clip in clips if clip.clip_id in bank]
    drawer = SceneDrawer(usable, bank, config.scene)
    label_of = {clip.clip_id: clip.label for clip in usable}
    renderer = Renderer(bank, label_of)
    heard = [Renderer(variant, label_of) for variant in variants]
    row_of = {label: row for row, label in enumerate(labels)}
    grid = TimeGrid(bank.sample_rate, config.frame_hop_samples)
    logmel = LogMel(LogMelConfig())
    for shard in shards:
        path = folder / f"{shard:06d}.npy"
        if path.exists():
            continue
        rows: np.ndarray | None = None
        for place in range(config.shard_scenes):
            plan = drawer.draw(config.seed, shard * config.shard_scenes + place)
            scene = renderer.render(plan)
            if rows is None:
                n_frames = grid.n_frames(len(scene.waveform))
                starts_s = np.arange(config.n_windows(n_frames)) * config.teacher_hop_frames * grid.hop_s
            output = teacher(scene.waveform, bank.sample_rate, starts_s)
            if rows is None:
                n_mels, sizes = logmel.config.n_mels, (output.embedding.shape[1], output.scores.shape[1])
                rows = np.zeros(config.shard_scenes, shard_dtype(config, bank.sample_rate, n_mels, *sizes))
            row = rows[place]
            waveform = scene.waveform
            if heard:
                waveform = heard[shard % len(heard)].render(plan).waveform
                rng = np.random.Generator(np.random.PCG64([config.seed, shard, place]))
                waveform = record(waveform, bank.sample_rate, draw_recorder(rng, config.recorder))
            with torch.inference_mode():
                row["logmel"] = logmel(torch.from_numpy(waveform)[None])[0, : row["logmel"].shape[0]].numpy()
            row["embedding"], row["scores"] = output.embedding, np.round(output.scores * 255)
            background = None if plan.background is None else label_of[plan.background.clip_id]
            _fill_labels(row, scene.events, background, row_of, grid, n_frames)
            names = {label_of[placement.clip_id] for placement in (*plan.events, *plan.overlays)}
            row["single"] = background is None and len(names) == 1
            row["complete"] = "" not in names
        if rows is not None:
            with open(path.with_suffix(".part"), "wb") as file:
                np.save(file, rows)
            os.replace(path.with_suffix(".part"), path)
        if progress is not None:
            progress(shard)


def _fill_labels(
    row: np.void, events: Sequence[Event], background: str | None, row_of: dict[str, int], grid: TimeGrid, n_frames: int
) -> None:
    row["label"] = -1
    spans: dict[str, list[tuple[float, float]]] = {}
    if background:
        spans[background] = [(0.0, n_frames * grid.hop_s)]
    for event in events:
        spans.setdefault(event.prompt, []).append((event.onset_s, event.offset_s))
    for slot, (label, label_spans) in enumerate(list(spans.items())[:MAX_TEXTS]):
        row["label"][slot] = row_of[label]
        row["active"][slot] = grid.frame_labels(label_spans, n_frames)


class Pool:
    """The finished shards of a folder; looks again for new ones when asked.

    Parameters
    ----------
    wanted : of the (N, 6) label rows of scenes, gives (N,) True for those to take part. None: all do

    Raises
    ------
    ConfigError : the folder holds no shard, or no wanted scene
    """

    def __init__(self, folder: str | Path, wanted: Callable[[np.ndarray], np.ndarray] | None = None):
        self._folder = Path(folder)
        self._wanted = wanted
        self._seen: set[Path] = set()
        self._shards: list[np.ndarray] = []
        # (N,) shard and row of every scene
        self._shard_of, self._row_of = np.empty(0, int), np.empty(0, int)
        self.refresh()
        if not len(self):
            raise ConfigError(f"{folder}: no finished shard of a pool, or no wanted scene; make some with build_pool")

    def refresh(self) -> None:
        """Take in the shards that were finished since."""
        for path in sorted(set(self._folder.glob("*.npy")) - self._seen):
            self._seen.add(path)
            shard = np.load(path, mmap_mode="r")
            rows = np.arange(len(shard)) if self._wanted is None else np.flatnonzero(self._wanted(shard["label"]))
            self._shard_of = np.append(self._shard_of, np.full(len(rows), len(self._shards)))
            self._row_of = np.append(self._row_of, rows)
            self._shards.append(shard)

    def __len__(self) -> int:
        return len(self._row_of)

    def take(self, indices: np.ndarray) -> np.ndarray:
        """Rows of these scenes, as one record array."""
        places = zip(self._shard_of[indices], self._row_of[indices], strict=True)
        return np.stack([self._shards[shard][row] for shard, row in places])

    def load(self, fields: Sequence[str], n_scenes: int) -> np.ndarray:
        """Some fields of the first scenes, in memory, where they can be drawn from quickly."""
        parts = []
        for number, shard in enumerate(self._shards[: 1 + self._shard_of[:n_scenes][-1]]):
            parts.append(repack_fields(shard[list(fields)])[self._row_of[self._shard_of == number]])
        return np.concatenate(parts)[:n_scenes]
