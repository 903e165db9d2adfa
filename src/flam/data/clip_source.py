"""Clips with captions from a library: the recordings of a manifest, or synthesised sounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np

from flam.audio import resample
from flam.core import ConfigError, read_text
from flam.data.clip import Clip, crop, read_crop
from flam.data.order import EpochOrder
from flam.library.clip_table import SourceLibrary, read_library
from flam.library.source_library import SourceClip, held_out, read_manifest
from flam.library.stores import ClipStore
from flam.procedural.built_in import ProceduralSource, built_in_library


@dataclass(frozen=True)
class ManifestConfig:
    """Recordings listed in a manifest, or in the measured table that ``flam library scan`` makes of one or of folders.

    Parameters
    ----------
    path : Path
        CSV as ``flam.library.source_library.read_manifest`` reads it, or a table, CSV or Parquet; rows that name the
        same file are captions of one recording
    part : Literal['all', 'training', 'held_out'], default "all"
        "all", or what is left to train on once some is held out, or what is held out
    held_out_share : float, default 0.0
        the split, see ``flam.library.source_library.held_out``
    held_out_folds, merged_sources : tuple[str, ...], default ()
        the split, see ``flam.library.source_library.held_out``
    """

    path: Path
    part: Literal["all", "training", "held_out"] = "all"
    held_out_share: float = 0.0
    held_out_folds: tuple[str, ...] = ()
    merged_sources: tuple[str, ...] = ()

    def clips(self) -> list[SourceClip]:
        """The chosen clips.

        Raises
        ------
        ConfigError
            the manifest can't be read, or nothing of it is left
        """
        table = self.table()
        clips = [
            clip
            for clip in (read_manifest(self.path) if table is None else table.clips)
            if self.part == "all"
            or (self.part == "held_out")
            == held_out(clip, self.held_out_share, self.held_out_folds, self.merged_sources)
        ]
        if not clips:
            raise ConfigError(f"{self.path}: part {self.part!r} holds no clip; change the split")
        return clips

    def table(self) -> SourceLibrary | None:
        """The whole table with its measures; None where the path is a manifest."""
        if self.path.suffix.lower() != ".parquet":
            header = read_text(self.path, ConfigError).partition("\n")[0]
            if "measured_by" not in header.split(","):
                return None
        return read_library(self.path)


@dataclass(frozen=True)
class ProceduralConfig:
    """Synthesised sounds: so many takes of each class, other ones for each seed.

    Parameters
    ----------
    n_takes : int
        Of each class.
    seed : int
        Each is another library.
    labels : tuple of str or None
        The classes; None for all.
    cache_mb : int
        Most memory that takes are kept in, about half a megabyte for each; making one again takes longer than its use.
    """

    n_takes: int = 20
    seed: int = 0
    labels: tuple[str, ...] | None = None
    cache_mb: int = 256

    def __post_init__(self) -> None:
        if self.cache_mb < 0:
            raise ValueError(f"cache_mb {self.cache_mb} must be 0 or greater")

    def clips_and_waveforms(self) -> tuple[list[SourceClip], ProceduralSource]:
        """The clips and what makes their waveforms; equal libraries share the takes that they keep."""
        clips, source = _built_in(self)
        return list(clips), source


@lru_cache(maxsize=4)
def _built_in(config: ProceduralConfig) -> tuple[list[SourceClip], ProceduralSource]:
    return built_in_library(config.n_takes, config.seed, config.labels, config.cache_mb * 1_000_000)


def clip_text(clip: SourceClip) -> str:
    """The caption of a clip, or its label where it has none, or nothing."""
    return clip.caption.strip() or clip.label


class ClipSource:
    """Every recording once an epoch, a random part of it, with all its captions.

    Parameters
    ----------
    clips : Sequence[SourceClip]
        the library; clips without any text are left out
    waveforms : ClipStore | None
        where their waveforms come from; None to read their files
    n_samples, sample_rate : int
        length N and rate of the clips
    key : tuple[int, ...]
        seed

    Raises
    ------
    ConfigError
        no clip has a text
    """

    def __init__(
        self,
        clips: Sequence[SourceClip],
        waveforms: ClipStore | None,
        n_samples: int,
        sample_rate: int,
        key: tuple[int, ...],
    ):
        self._waveforms, self._n_samples, self._sample_rate = waveforms, n_samples, sample_rate
        recordings: dict[Path, list[SourceClip]] = {}
        for clip in clips:
            if clip_text(clip):
                recordings.setdefault(clip.path, []).append(clip)
        if not recordings:
            raise ConfigError("no clip of the library has a caption or a label; give some")
        self._recordings = list(recordings.values())
        self._order = EpochOrder(len(self._recordings), key)

    def clip(self, ordinal: int, rng: np.random.Generator) -> Clip:
        """As ``flam.data.clip.TrainingSource``."""
        clips = self._recordings[self._order.item(ordinal)]
        if self._waveforms is None:
            cut = read_crop(clips[0].path, self._n_samples, self._sample_rate, rng)
        else:
            waveform = self._waveforms.waveform(clips[0].clip_id)
            waveform = resample(waveform, self._waveforms.sample_rate, self._sample_rate)
            cut = crop(waveform, self._n_samples, self._sample_rate, rng)
        return Clip(cut.waveform, tuple(map(clip_text, clips)), None)
