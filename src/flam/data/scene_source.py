"""Scenes drawn and rendered while training: endless, never written to a disk."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from flam.audio import resample
from flam.core import ConfigError, Event, spans_by_prompt
from flam.data.clip import Clip, Sound, crop
from flam.data.clip_source import ManifestConfig, ProceduralConfig, clip_text
from flam.library.bank import WaveformBank
from flam.library.source_library import SourceClip
from flam.library.stores import ClipStore, DiskStore
from flam.scenes.scene import ScenePlan
from flam.scenes.scene_config import SceneConfig
from flam.scenes.stream import SceneStream

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ScenesConfig:
    """Scenes made on the fly from the clips of a manifest or from synthesised sounds.

    Parameters
    ----------
    manifest : ManifestConfig | None, optional
        the recordings
    bank : Path | None, optional
        folder of their waveform bank, which holds all of them decoded and is built where it is missing; None to decode
        what a scene needs, for which the manifest must be a measured table
    procedural : ProceduralConfig | None, optional
        in the place of both
    scene : SceneConfig, optional
        how scenes are drawn; its ``duration_s`` is that of the model's clips
    seed : int, default 0
        of the drawing
    device : Literal['cpu', 'cuda'] | None, optional
        where the scenes of a batch are mixed together, see ``flam.data.batch_renderer``, from a bank and in the
        training process; None to mix one after another, in as many processes as there are workers
    """

    manifest: ManifestConfig | None = None
    bank: Path | None = None
    procedural: ProceduralConfig | None = None
    scene: SceneConfig = field(default_factory=SceneConfig)
    seed: int = 0
    device: Literal["cpu", "cuda"] | None = None

    def __post_init__(self) -> None:
        if (self.manifest is None) == (self.procedural is None) or (self.bank is not None and self.manifest is None):
            raise ValueError("scenes need either a manifest or procedural, and a bank only with a manifest")
        if self.device is not None and self.bank is None:
            raise ValueError(f"device {self.device!r} mixes scenes from a bank; name its folder, or set device to null")

    def clips_and_waveforms(self) -> tuple[list[SourceClip], ClipStore]:
        """The clips and their waveforms; builds the bank where it is missing, one process at a time.

        Raises
        ------
        ConfigError
            the manifest can't be read, holds no readable clip, or is not measured where there is no bank
        """
        if self.procedural is not None:
            return self.procedural.clips_and_waveforms()
        assert self.manifest is not None
        clips = self.manifest.clips()
        if self.bank is None:
            table = self.manifest.table()
            if table is None:
                raise ConfigError(
                    f"{self.manifest.path}: is no measured table, which scenes without a bank need; "
                    "make one with flam library scan, or name a bank"
                )
            return clips, DiskStore(table)
        bank = _opened_bank(clips, self.bank)
        return [clip for clip in clips if clip.clip_id in bank], bank


class SceneSource:
    """Scene after scene; those of equal seeds and numbers are equal.

    Parameters
    ----------
    clips : Sequence[SourceClip]
        the library; clips without any text can only be backgrounds
    waveforms : ClipStore
        measures and waveforms of the clips
    config : SceneConfig
        how scenes are drawn
    n_samples, sample_rate : int
        length N and rate of the clips
    seed : int
        of the drawing
    device : str | None, optional
        where ``clips`` mixes many at once, from a bank at the rate of the clips; None for none of that

    Attributes
    ----------
    label_captions : dict[str, set[str]]
        captions of the clips of each label

    Raises
    ------
    ConfigError
        the library has no events, or no backgrounds where some are asked for; or can't be mixed on a device
    """

    def __init__(
        self,
        clips: Sequence[SourceClip],
        waveforms: ClipStore,
        config: SceneConfig,
        n_samples: int,
        sample_rate: int,
        seed: int,
        device: str | None = None,
    ):
        self.device = device
        self._n_samples, self._sample_rate = n_samples, sample_rate
        named = named_clips(clips)
        self._clips = {clip.clip_id: clip for clip in named}
        names = {clip_id: clip_id for clip_id in self._clips}
        self._batch_renderer = None
        if device is not None:
            if not isinstance(waveforms, WaveformBank) or waveforms.sample_rate != sample_rate:
                raise ConfigError(
                    f"scenes at {sample_rate} Hz from a {type(waveforms).__name__} can't be mixed on {device}: that "
                    "needs a bank of the same rate; set device to null"
                )
            from flam.data.batch_renderer import BatchRenderer

            self._batch_renderer = BatchRenderer(waveforms, names, device, config.room.impulse_responses)
        config = replace(config, duration_s=n_samples / sample_rate)
        self._scenes = SceneStream(named, waveforms, config, seed, names)
        if self._scenes.skipped:
            logger.warning(f"clips that scenes can't use, by reason: {dict(self._scenes.skipped)}")
        self.label_captions: dict[str, set[str]] = {}
        for clip in named:
            if clip.label:
                self.label_captions.setdefault(clip.label, set()).add(clip_text(clip))

    def clip(self, ordinal: int, rng: np.random.Generator) -> Clip:
        """As ``flam.data.clip.TrainingSource``; a background counts as sounding throughout."""
        plan, scene = self._scenes[ordinal]
        waveform = resample(scene.waveform, scene.sample_rate, self._sample_rate)
        return self._clip(plan, scene.events, crop(waveform, self._n_samples, self._sample_rate, rng).waveform)

    def clips(self, ordinals: Sequence[int]) -> list[Clip]:
        """Those of ``clip``, mixed together on the device; their waveforms differ by 1e-4 at most.

        Raises
        ------
        FlamError
            as ``clip``, if one of them can't be made
        """
        assert self._batch_renderer is not None
        plans = [self._scenes.plan(ordinal) for ordinal in ordinals]
        batch = self._batch_renderer.render(plans)
        return [self._clip(*drawn) for drawn in zip(plans, batch.events, batch.waveform.cpu().numpy(), strict=True)]

    def _clip(self, plan: ScenePlan, events: Sequence[Event], waveform: np.ndarray) -> Clip:
        duration_s = self._n_samples / self._sample_rate
        return Clip(waveform, (), scene_sounds(plan, events, self._clips, duration_s))


def named_clips(clips: Sequence[SourceClip]) -> list[SourceClip]:
    """The clips that a scene with complete labels can hold: with a label, or their caption as one, or backgrounds.

    Examples
    --------
    >>> clip = SourceClip("a", Path("a.wav"), "", "a dog barks", "event", "", "", "", "")
    >>> [clip.label for clip in named_clips([clip])]
    ['a dog barks']
    """
    return [
        clip if clip.label else replace(clip, label=clip_text(clip))
        for clip in clips
        if clip_text(clip) or clip.kind == "background"
    ]


def scene_sounds(
    plan: ScenePlan, events: Sequence[Event], clips: Mapping[str, SourceClip], duration_s: float
) -> tuple[Sound, ...]:
    """Everything that sounds in a scene, each clip with its own caption; a background sounds throughout.

    Parameters
    ----------
    plan : ScenePlan
        of the scene
    events : Sequence[Event]
        where its clips can be heard; prompts are clip ids, so that two dogs keep their own captions
    clips : Mapping[str, SourceClip]
        by id; those without a label are left out
    duration_s : float
        length of the scene
    """
    throughout = () if plan.background is None else (Event(0.0, duration_s, plan.background.clip_id),)
    spans = spans_by_prompt((*throughout, *events))
    return tuple(
        Sound(clips[clip_id].label, (clip_text(clips[clip_id]),), tuple(clip_spans))
        for clip_id, clip_spans in spans.items()
        if clips[clip_id].label
    )


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
