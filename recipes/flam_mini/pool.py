"""The pool: rendered scenes as log-mel, exact frame labels and the teacher's targets, made ahead of training."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from flam.core import Event, TimeGrid, spans_by_prompt
from flam.data.scene_pool import MAX_TEXTS, n_teacher_windows, shard_dtype
from flam.library.bank import WaveformBank
from flam.library.source_library import SourceClip
from flam.model.logmel import LogMel, LogMelConfig
from flam.scenes.distributions import Constant, Integers, Uniform
from flam.scenes.effects import EffectsConfig, FilterConfig, Sometimes
from flam.scenes.effects.recorder import RecorderConfig, draw_recorder, record
from flam.scenes.render import Renderer
from flam.scenes.scene import Boundaries
from flam.scenes.scene_config import RepeatConfig, SceneConfig, SplitConfig
from flam.scenes.stream import SceneStream
from recipes.flam_mini.teacher import Teacher

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
    scenes = SceneStream(usable, bank, config.scene, config.seed)
    label_of = {clip.clip_id: clip.label for clip in usable}
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
            plan, scene = scenes[shard * config.shard_scenes + place]
            if rows is None:
                n_frames = grid.n_frames(len(scene.waveform))
                starts_s = (
                    np.arange(n_teacher_windows(n_frames, config.teacher_hop_frames))
                    * config.teacher_hop_frames
                    * grid.hop_s
                )
            output = teacher(scene.waveform, bank.sample_rate, starts_s)
            if rows is None:
                n_mels, sizes = logmel.config.n_mels, (output.embedding.shape[1], output.scores.shape[1])
                n_windows = len(starts_s)
                rows = np.zeros(config.shard_scenes, shard_dtype(n_frames, n_windows, n_mels, *sizes))
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
    throughout = [Event(0.0, n_frames * grid.hop_s, background)] if background else []
    spans = spans_by_prompt([*throughout, *events])
    for slot, (label, label_spans) in enumerate(list(spans.items())[:MAX_TEXTS]):
        row["label"][slot] = row_of[label]
        row["active"][slot] = grid.frame_labels(label_spans, n_frames)
