"""Clips from shards, here or elsewhere.

The json of a sample may say ``captions`` (a list of texts; ``text``, as other projects write it, is read as well) and
``sounds``, a list of ``{"label": ..., "texts": [...], "spans_s": [[onset_s, offset_s], ...]}``, which must then be all
that sounds in it. Other keys are for people.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from flam.audio import resample
from flam.core import AudioError, ConfigError, from_mapping, to_mapping
from flam.data.audio_bytes import decode_audio
from flam.data.clip import Clip, Sound, cut_sounds
from flam.data.crop import crop
from flam.data.order import ShardOrder
from flam.data.shard_cache import is_remote, local_shard, read_remote_index
from flam.data.tar_shards import Shard

Needed = Literal["captions", "sounds"]


@dataclass(frozen=True)
class ShardsConfig:
    """Shards to read.

    Parameters
    ----------
    url : str
        folder that holds ``shards.json``: a path, or a URL that fsspec opens
    cache : Path | None, optional
        folder for copies of remote shards, with room for all of them
    shards_at_once : int, default 16
        shards whose samples are mixed with each other
    """

    url: str
    cache: Path | None = None
    shards_at_once: int = 16

    def __post_init__(self) -> None:
        if self.shards_at_once < 1:
            raise ValueError(f"shards_at_once {self.shards_at_once} must be at least 1")
        if is_remote(self.url) and self.cache is None:
            raise ValueError(f"shards at {self.url} need a cache; name a folder for their copies")


def sample_facts(captions: tuple[str, ...] = (), sounds: tuple[Sound, ...] | None = None) -> dict[str, Any]:
    """The keys that training reads, for the json of a sample; add others as you like.

    Examples
    --------
    >>> sample_facts(("rain on a roof",))
    {'captions': ['rain on a roof']}
    """
    facts: dict[str, Any] = {"captions": list(captions)} if captions else {}
    return facts if sounds is None else {**facts, "sounds": to_mapping(sounds)}


class ShardSource:
    """Every sample of the shards once an epoch.

    Parameters
    ----------
    config : ShardsConfig
        where they are
    needed : Needed
        samples that don't say these are refused
    n_samples, sample_rate : int
        length N and rate of the clips
    key : tuple[int, ...]
        seed

    Raises
    ------
    ConfigError
        the index can't be read
    """

    def __init__(self, config: ShardsConfig, needed: Needed, n_samples: int, sample_rate: int, key: tuple[int, ...]):
        self._config, self._needed = config, needed
        self._n_samples, self._sample_rate = n_samples, sample_rate
        self._entries = read_remote_index(config.url)
        self._order = ShardOrder([entry.nsamples for entry in self._entries], config.shards_at_once, key)
        self._missing: dict[tuple[int, int], str] = {}

    def clip(self, ordinal: int, rng: np.random.Generator) -> Clip:
        """As ``flam.data.clip.Source``."""
        epoch, number, row = self._order.row(ordinal)
        if (epoch, number) in self._missing:  # trying again for each sample would take hours
            raise AudioError(self._missing[epoch, number])
        try:
            shard = _opened(local_shard(self._config.url, self._entries[number], self._config.cache))
        except AudioError as error:
            self._missing[epoch, number] = str(error)
            raise
        sample = shard[row]
        where = f"{shard.path}, {sample.key}"
        captions, sounds = _captions(sample.facts, where), _sounds(sample.facts, where)
        if (self._needed == "captions" and not captions) or (self._needed == "sounds" and sounds is None):
            raise AudioError(f"{where}: says no {self._needed}; write them, or leave these shards out of the recipe")
        waveform, stored_rate = decode_audio(sample.audio, where)
        cut = crop(resample(waveform, stored_rate, self._sample_rate), self._n_samples, self._sample_rate, rng)
        if sounds is not None:
            sounds = cut_sounds(sounds, cut.start_s, self._n_samples / self._sample_rate)
        return Clip(cut.waveform, captions, sounds)


@lru_cache(maxsize=64)
def _opened(path: Path) -> Shard:
    return Shard(path)


def _captions(facts: dict[str, Any], where: str) -> tuple[str, ...]:
    captions = facts.get("captions", facts.get("text", []))
    captions = [captions] if isinstance(captions, str) else captions
    if not isinstance(captions, list) or not all(isinstance(caption, str) for caption in captions):
        raise AudioError(f"{where}: captions must be a list of texts; make the shard again")
    return tuple(caption for caption in captions if caption.strip())


def _sounds(facts: dict[str, Any], where: str) -> tuple[Sound, ...] | None:
    if "sounds" not in facts:
        return None
    try:
        return tuple(from_mapping(Sound, sound) for sound in facts["sounds"])
    except (ConfigError, TypeError) as error:
        raise AudioError(f"{where}: sounds can't be understood ({error}); make the shard again") from error
