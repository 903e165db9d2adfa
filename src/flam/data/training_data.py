"""Batches of a training step: clips with captions, and clips whose sounds have labels."""

from __future__ import annotations

import itertools
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from flam.core import ConfigError, FlamError, TimeGrid, seconds_to_samples
from flam.data.clip import Clip, TrainingSource
from flam.data.clip_source import ClipSource
from flam.data.config import CaptionSourceConfig, DataConfig, FrameSourceConfig
from flam.data.labels import LabelTexts, choose_texts, label_frames, text_id
from flam.data.order import Mixture
from flam.data.phrases import load_phrases
from flam.data.recordings_source import RecordingsSource
from flam.data.scene_source import SceneSource
from flam.data.shard_source import Needed, ShardSource
from flam.losses import FrameLabels


@dataclass(frozen=True)
class CaptionBatch:
    """Clips, each with one text that describes it; for the instance loss.

    Parameters
    ----------
    waveform : Tensor
        (B, N) float32 tensor
    captions : list[str]
        B texts, "" where there is no clip
    text_ids : Tensor
        (B,) int64 tensor, see ``flam.data.labels.text_id``; -1 where there is no clip
    clip_valid : Tensor
        (B,) bool tensor, False for silence in the place of a clip that can't be read
    problems : tuple[str, ...], default ()
        why clips can't be read
    """

    waveform: Tensor
    captions: list[str]
    text_ids: Tensor
    clip_valid: Tensor
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class FrameBatch:
    """Clips, texts, and which text sounds in which frame of which clip; for the frame and prior losses.

    Parameters
    ----------
    waveform : Tensor
        (B, N) float32 tensor
    texts : list[str]
        K texts, no two with the same id; those after the last one are ""
    text_ids : Tensor
        (K,) int64 tensor; -1 for ""
    text_valid : Tensor
        (K,) bool tensor, False for ""
    labels : FrameLabels
        of the clips, against all that is known to be true of them, also what is not among ``texts``; clips that can't
        be read are silence, and False in ``labels.clip_valid``
    problems : tuple[str, ...], default ()
        why clips can't be read
    """

    waveform: Tensor
    texts: list[str]
    text_ids: Tensor
    text_valid: Tensor
    labels: FrameLabels
    problems: tuple[str, ...] = ()


Batches = tuple[CaptionBatch | None, FrameBatch | None]
CAPTIONS, FRAMES = 0, 1  # the two streams of clips, part of what seeds them
AHEAD = 2  # steps that each worker makes ahead

logger = logging.getLogger(__name__)


class TrainingData:
    """Every batch of a run, for any step, in any order.

    A batch of all processes is the batch of one: rank r of W holds its r-th part.

    Parameters
    ----------
    config : DataConfig
        sources and sizes
    grid : TimeGrid
        the time axis of the model's frames

    Attributes
    ----------
    problems : Counter[str]
        what could not be read so far, and how often, as ``loader`` met it

    Raises
    ------
    ConfigError
        a source is missing, empty or can't be used

    Examples
    --------
    >>> from flam.data.config import DataConfig
    >>> from flam.data.clip_source import ProceduralConfig
    >>> bells = ProceduralConfig(n_takes=2, labels=("church bells",))
    >>> config = DataConfig(captions=(CaptionSourceConfig(procedural=bells),), caption_clips=2, clip_s=0.5)
    >>> TrainingData(config, TimeGrid(48000, 3840)).captions(step=7).waveform.shape
    torch.Size([2, 24000])
    """

    def __init__(self, config: DataConfig, grid: TimeGrid):
        self.config, self.grid = config, grid
        self.problems: Counter[str] = Counter()
        self._n_samples = seconds_to_samples(config.clip_s, grid.sample_rate)
        self._n_frames = grid.n_frames(self._n_samples)
        self._captions = _Stream(self, config.captions, CAPTIONS)
        self._frames = _Stream(self, config.frames, FRAMES)
        label_captions: dict[str, set[str]] = {}
        for source in self._frames.sources:
            if isinstance(source, SceneSource):
                for label, captions in source.label_captions.items():
                    label_captions.setdefault(label, set()).update(captions)
        phrases = {} if config.phrases is None else load_phrases(config.phrases)
        self._texts = LabelTexts(phrases, label_captions, config.name_share)

    def __reduce__(self) -> tuple[Any, ...]:
        # where processes are not forked, each opens its sources itself
        return TrainingData, (self.config, self.grid)

    def captions(self, step: int, rank: int = 0, world_size: int = 1) -> CaptionBatch:
        """The clips with captions of a step and a process; of several captions one is drawn.

        Raises
        ------
        ConfigError
            there are no sources of captions, or the batch can't be divided by ``world_size``
        """
        drawn = self._captions.draw(step, rank, world_size, self.config.caption_clips)
        captions = []
        for clip, rng in zip(drawn.clips, drawn.rngs, strict=True):
            choice = () if clip is None else clip.captions
            captions.append(choice[int(rng.integers(len(choice)))] if choice else "")
        text_ids = torch.tensor([text_id(caption) for caption in captions], dtype=torch.int64)
        return CaptionBatch(self._waveform(drawn.clips), captions, text_ids, text_ids >= 0, drawn.problems)

    def frames(self, step: int, rank: int = 0, world_size: int = 1) -> FrameBatch:
        """The clips with labelled sounds of a step and a process.

        Raises
        ------
        ConfigError
            there are no such sources, or the batch can't be divided by ``world_size``
        """
        drawn = self._frames.draw(step, rank, world_size, self.config.frame_clips)
        sounds = [None if clip is None else clip.sounds for clip in drawn.clips]
        texts, text_ids = choose_texts(sounds, self._texts, self.config.texts_per_clip, drawn.rngs)
        labels = label_frames(sounds, self._texts, self.grid, self._n_frames)
        return FrameBatch(self._waveform(drawn.clips), texts, text_ids, text_ids >= 0, labels, drawn.problems)

    def loader(self, first_step: int, rank: int = 0, world_size: int = 1, workers: int = 0) -> Iterator[Batches]:
        """Both batches of every step from ``first_step`` on, without end; None where there are no sources.

        Parameters
        ----------
        workers : int, default 0
            processes that make batches ahead; 0 makes them here. The batches are the same

        Raises
        ------
        ConfigError
            there are to be workers, and scenes to be mixed on a device
        """
        if workers and any(_on_device(source) is not None for source in self._frames.sources):
            raise ConfigError(
                f"scenes mixed on a device are made in the training process, not by {workers} workers; set workers to "
                "0, or the scenes' device to null"
            )
        steps = _Steps(self, rank, world_size)
        ahead: DataLoader[Batches] = DataLoader(
            steps,
            batch_size=None,
            sampler=itertools.count(first_step),
            num_workers=workers,
            prefetch_factor=AHEAD if workers else None,
            collate_fn=_as_it_is,
            generator=torch.Generator(),  # its own, so that the numbers the model draws don't depend on the loader
        )
        for batches in ahead:
            for batch in batches:
                self._count_problems(() if batch is None else batch.problems)
            yield batches

    def _count_problems(self, problems: Sequence[str]) -> None:
        for problem in problems:
            if problem not in self.problems:
                logger.warning(f"left out of training: {problem}")
            self.problems[problem] += 1

    def _waveform(self, clips: Sequence[Clip | None]) -> Tensor:
        waveform = torch.zeros(len(clips), self._n_samples)
        for row, clip in zip(waveform, clips, strict=True):
            if clip is not None:
                row.copy_(torch.from_numpy(clip.waveform))
        return waveform


class _Drawn(NamedTuple):
    """Clips of a batch, None where one can't be read; a generator for what is drawn next for each; the problems."""

    clips: list[Clip | None]
    rngs: list[np.random.Generator]
    problems: tuple[str, ...]


class _Stream:
    """One of the two endless sequences of clips, mixed from its sources."""

    def __init__(self, data: TrainingData, configs: Sequence[CaptionSourceConfig | FrameSourceConfig], number: int):
        self._key = (data.config.seed, number)
        n_samples = seconds_to_samples(data.config.clip_s, data.grid.sample_rate)
        self.sources = [
            _opened(config, n_samples, data.grid.sample_rate, (*self._key, place))
            for place, config in enumerate(configs)
        ]
        self._mixture = Mixture([config.weight for config in configs], self._key) if configs else None

    def draw(self, step: int, rank: int, world_size: int, n_clips: int) -> _Drawn:
        if n_clips % world_size or not 0 <= rank < world_size:
            raise ConfigError(
                f"rank {rank} of {world_size} processes can't have an equal part of {n_clips} clips; "
                "make caption_clips and frame_clips multiples of the number of processes"
            )
        n_local = n_clips // world_size
        first = step * n_clips + rank * n_local
        rngs = [np.random.Generator(np.random.PCG64((*self._key, first + row))) for row in range(n_local)]
        picks = [self._pick(first + row) for row in range(n_local)]
        made = self._made_together(picks)
        clips: list[Clip | None] = []
        problems = []
        for row, ((source, ordinal), rng) in enumerate(zip(picks, rngs, strict=True)):
            try:
                clips.append(made[row] if row in made else self.sources[source].clip(ordinal, rng))
            except FlamError as error:
                clips.append(None)
                problems.append(str(error))
        return _Drawn(clips, rngs, tuple(problems))

    def _pick(self, position: int) -> tuple[int, int]:
        if self._mixture is None:
            raise ConfigError("this batch has no sources; name some in the data section of the recipe")
        return self._mixture.pick(position)

    def _made_together(self, picks: Sequence[tuple[int, int]]) -> dict[int, Clip]:
        """The scenes that are mixed on a device, by row; none of a source that fails, so that each shows its error."""
        made: dict[int, Clip] = {}
        for place, source in enumerate(self.sources):
            scenes = _on_device(source)
            rows = [row for row, (picked, _) in enumerate(picks) if picked == place]
            if scenes is not None and rows:
                with suppress(FlamError):
                    made |= zip(rows, scenes.clips([picks[row][1] for row in rows]), strict=True)
        return made


class _Steps(Dataset[Batches]):
    """Steps as a data set, for the loader."""

    def __init__(self, data: TrainingData, rank: int, world_size: int):
        self._data, self._place = data, (rank, world_size)

    def __getitem__(self, step: int) -> Batches:
        config = self._data.config
        return (
            self._data.captions(step, *self._place) if config.captions else None,
            self._data.frames(step, *self._place) if config.frames else None,
        )


def _on_device(source: TrainingSource) -> SceneSource | None:
    """A source whose clips are mixed on a device."""
    return source if isinstance(source, SceneSource) and source.device is not None else None


def _as_it_is(batches: Any) -> Any:
    return batches


def _opened(
    config: CaptionSourceConfig | FrameSourceConfig, n_samples: int, sample_rate: int, key: tuple[int, ...]
) -> TrainingSource:
    if config.shards is not None:
        needed: Needed = "captions" if isinstance(config, CaptionSourceConfig) else "sounds"
        return ShardSource(config.shards, needed, n_samples, sample_rate, key)
    if isinstance(config, CaptionSourceConfig):
        if config.procedural is not None:
            return ClipSource(*config.procedural.clips_and_waveforms(), n_samples, sample_rate, key)
        assert config.manifest is not None
        return ClipSource(config.manifest.clips(), None, n_samples, sample_rate, key)
    if config.scenes is not None:
        clips, waveforms = config.scenes.clips_and_waveforms()
        scenes = config.scenes
        return SceneSource(clips, waveforms, scenes.scene, n_samples, sample_rate, scenes.seed, scenes.device)
    assert config.recordings is not None
    return RecordingsSource(config.recordings, n_samples, sample_rate, key)
