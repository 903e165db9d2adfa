"""The ``data`` section of a recipe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from flam.data.clip_source import ManifestConfig, ProceduralConfig
from flam.data.recordings_source import RecordingsConfig
from flam.data.scene_source import ScenesConfig
from flam.data.shard_source import ShardsConfig


@dataclass(frozen=True)
class CaptionSourceConfig:
    """A source of clips with captions; exactly one of manifest, shards, procedural.

    Parameters
    ----------
    weight : float, default 1.0
        its share of the clips, in the unit of the other sources' weights
    """

    weight: float = 1.0
    manifest: ManifestConfig | None = None
    shards: ShardsConfig | None = None
    procedural: ProceduralConfig | None = None

    def __post_init__(self) -> None:
        _require_one(manifest=self.manifest, shards=self.shards, procedural=self.procedural)


@dataclass(frozen=True)
class FrameSourceConfig:
    """A source of clips with labelled sounds; exactly one of scenes, shards, recordings.

    Parameters
    ----------
    weight : float, default 1.0
        its share of the clips, in the unit of the other sources' weights
    """

    weight: float = 1.0
    scenes: ScenesConfig | None = None
    shards: ShardsConfig | None = None
    recordings: RecordingsConfig | None = None

    def __post_init__(self) -> None:
        _require_one(scenes=self.scenes, shards=self.shards, recordings=self.recordings)


@dataclass(frozen=True)
class DataConfig:
    """Sources, and how batches are made of them. Paths are relative to the working directory.

    Parameters
    ----------
    captions : tuple[CaptionSourceConfig, ...], default ()
        sources of the batch of clips with captions; none: there is no such batch
    frames : tuple[FrameSourceConfig, ...], default ()
        sources of the batch of clips with labelled sounds; none: there is no such batch
    caption_clips : int, default 768
        clips in a batch, of all processes together
    frame_clips : int, default 512
        clips in a batch, of all processes together
    clip_s : float, default 10.0
        length of a clip
    texts_per_clip : int, default 5
        texts asked for, for each clip of the batch of labelled sounds
    phrases : Path | None, optional
        folder of phrase sets, see ``flam.data.phrases``; None for none
    name_share : float, default 0.25
        how often a sound is asked for by its label rather than by any of its texts
    seed : int, default 0
        of all that is drawn
    """

    captions: tuple[CaptionSourceConfig, ...] = ()
    frames: tuple[FrameSourceConfig, ...] = ()
    caption_clips: int = 768
    frame_clips: int = 512
    clip_s: float = 10.0
    texts_per_clip: int = 5
    phrases: Path | None = None
    name_share: float = 0.25
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.captions and not self.frames:
            raise ValueError("captions and frames are both empty; name at least one source")
        if min(self.caption_clips, self.frame_clips, self.texts_per_clip) < 1 or self.clip_s <= 0:
            raise ValueError("caption_clips, frame_clips, texts_per_clip and clip_s must be positive")
        if not 0 <= self.name_share <= 1 or self.seed < 0:
            raise ValueError(f"name_share {self.name_share} must be in [0, 1] and seed {self.seed} at least 0")


def _require_one(**sources: object) -> None:
    given = [name for name, source in sources.items() if source is not None]
    if len(given) != 1:
        raise ValueError(f"a source needs exactly one of {', '.join(sources)}; given: {', '.join(given) or 'none'}")
