"""Scenes drawn and rendered while training: endless, never written to a disk."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from flam.audio import resample
from flam.core import ConfigError
from flam.data.bank import WaveformBank
from flam.data.clip import Clip, Sound
from flam.data.crop import crop
from flam.data.library_source import ManifestConfig, ProceduralConfig, said_of
from flam.synth.disk_source import DiskSource
from flam.synth.plan import ClipMeasures, SceneDrawer
from flam.synth.render import Renderer, WaveformSource
from flam.synth.scene_config import SceneConfig
from flam.synth.source_library import SourceClip

logger = logging.getLogger(__name__)


class SceneLibrary(ClipMeasures, WaveformSource, Protocol):
    """What drawing and rendering need to know of the clips."""


@dataclass(frozen=True)
class ScenesConfig:
    """Scenes made on the fly from the clips of a manifest or from sounds made from nothing.

    Parameters
    ----------
    manifest : the recordings
    bank : folder of their waveform bank, which holds all of them decoded and is built where it is missing; None to
        decode what a scene needs, for which the manifest must be a measured table
    procedural : in the place of both
    scene : how scenes are drawn; its ``duration_s`` is that of the model's clips
    seed : of the drawing
    """

    manifest: ManifestConfig | None = None
    bank: Path | None = None
    procedural: ProceduralConfig | None = None
    scene: SceneConfig = field(default_factory=SceneConfig)
    seed: int = 0

    def __post_init__(self) -> None:
        if (self.manifest is None) == (self.procedural is None) or (self.bank is not None and self.manifest is None):
            raise ValueError("scenes need either a manifest or procedural, and a bank only with a manifest")

    def library(self) -> tuple[list[SourceClip], SceneLibrary]:
        """The clips and their waveforms; builds the bank where it is missing, one process at a time.

        Raises
        ------
        ConfigError : the manifest can't be read, holds no readable clip, or is not measured where there is no bank
        """
        if self.procedural is not None:
            return self.procedural.library()
        assert self.manifest is not None
        clips = self.manifest.clips()
        if self.bank is None:
            table = self.manifest.table()
            if table is None:
                raise ConfigError(
                    f"{self.manifest.path}: is no measured table, which scenes without a bank need; "
                    "make one with flam library scan, or name a bank"
                )
            return clips, DiskSource(table)
        bank = _opened_bank(clips, self.bank)
        return [clip for clip in clips if clip.clip_id in bank], bank


class SceneSource:
    """Scene after scene; those of equal seeds and numbers are equal.

    Parameters
    ----------
    clips : the library; clips of which nothing is said can only be backgrounds
    waveforms : measures and waveforms of the clips
    config : how scenes are drawn
    n_samples, sample_rate : length N and rate of the clips
    seed : of the drawing

    Attributes
    ----------
    label_captions : what is said of the clips of each label

    Raises
    ------
    ConfigError : the library has no events, or no backgrounds where some are asked for
    """

    def __init__(
        self,
        clips: Sequence[SourceClip],
        waveforms: SceneLibrary,
        config: SceneConfig,
        n_samples: int,
        sample_rate: int,
        seed: int,
    ):
        self._n_samples, self._sample_rate, self._seed = n_samples, sample_rate, seed
        named = [
            clip if clip.label else replace(clip, label=said_of(clip))
            for clip in clips
            if said_of(clip) or clip.kind == "background"
        ]
        self._clips = {clip.clip_id: clip for clip in named}
        # events are named by their clips, so that two dogs keep their own captions
        names = {clip_id: clip_id for clip_id in self._clips}
        self._renderer = Renderer(waveforms, names, config.room.impulse_responses)
        self._drawer = SceneDrawer(named, waveforms, replace(config, duration_s=n_samples / sample_rate))
        if self._drawer.skipped:
            logger.warning(f"clips that scenes can't use, by reason: {dict(self._drawer.skipped)}")
        self.label_captions: dict[str, set[str]] = {}
        for clip in named:
            if clip.label:
                self.label_captions.setdefault(clip.label, set()).add(said_of(clip))

    def clip(self, ordinal: int, rng: np.random.Generator) -> Clip:
        """As ``flam.data.clip.Source``; a background counts as sounding throughout."""
        plan = self._drawer.draw(self._seed, ordinal)
        scene = self._renderer.render(plan)
        waveform = resample(scene.waveform, scene.sample_rate, self._sample_rate)
        spans: dict[str, list[tuple[float, float]]] = {}
        if plan.background is not None:
            spans[plan.background.clip_id] = [(0.0, self._n_samples / self._sample_rate)]
        for event in scene.events:
            spans.setdefault(event.prompt, []).append((event.onset_s, event.offset_s))
        sounds = tuple(
            Sound(self._clips[clip_id].label, (said_of(self._clips[clip_id]),), tuple(clip_spans))
            for clip_id, clip_spans in spans.items()
            if self._clips[clip_id].label
        )
        return Clip(crop(waveform, self._n_samples, self._sample_rate, rng).waveform, (), sounds)


def _opened_bank(clips: Sequence[SourceClip], folder: Path) -> WaveformBank:
    from filelock import FileLock

    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(os.fspath(folder) + ".lock"):
        if not (folder / "index.json").exists():
            logger.info(f"decoding {len(clips)} clips into {folder}, once")
            skipped = WaveformBank.build(clips, folder)
            if skipped:
                logger.warning(f"{len(skipped)} clips are silent or can't be read and are left out: {skipped[:3]}")
            if len(skipped) == len(clips):
                raise ConfigError(f"{folder}: no clip of the library can be read; check the paths in its manifest")
        return WaveformBank(folder)
