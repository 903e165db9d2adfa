"""Clips from shards, here or elsewhere: any URL that fsspec opens is copied here once and checked.

The json of a sample may say ``captions`` (a list of texts; ``text``, as other projects write it, is read as well) and
``sounds``, a list of ``{"label": ..., "texts": [...], "spans_s": [[onset_s, offset_s], ...]}``, which must then be all
that sounds in it. Other keys are for people.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from flam.audio import resample
from flam.core import AudioError, ConfigError, atomic_path, file_sha256, from_mapping, to_mapping
from flam.data.audio_bytes import decode_audio
from flam.data.clip import Clip, Sound, crop, cut_sounds
from flam.data.order import ShardOrder
from flam.data.tar_shards import INDEX_NAME, Shard, ShardEntry, parse_index

COPY_BYTES = 1 << 20
ATTEMPTS = 3
Needed = Literal["captions", "sounds"]


def is_remote(url: str) -> bool:
    """Whether a place is a URL such as ``s3://bucket/scenes`` rather than a path.

    Examples
    --------
    >>> is_remote("memory://scenes"), is_remote("/data/scenes")
    (True, False)
    """
    return "://" in url


def read_remote_index(url: str) -> list[ShardEntry]:
    """The entries of ``shards.json`` in a folder, given as URL or path.

    Raises
    ------
    ConfigError
        it can't be read, or is no index
    """
    import fsspec

    where = f"{url.rstrip('/')}/{INDEX_NAME}"
    try:
        with fsspec.open(where, "rb") as file:
            text = file.read().decode("utf-8")
    except Exception as error:  # each of fsspec's back ends raises errors of its own
        raise ConfigError(f"{where}: can't be read ({error}); check the place, or make it with write_index") from error
    return parse_index(text, where)


def local_shard(url: str, entry: ShardEntry, cache: Path | None) -> Path:
    """Path of a shard on this machine; a remote one is copied into the cache first, by one process at a time.

    Parameters
    ----------
    url : str
        folder of the index
    entry : ShardEntry
        the shard
    cache : Path | None
        folder for copies; it is not tidied up, so it needs room for the whole set. Not needed for a local folder

    Raises
    ------
    AudioError
        the shard is missing, or its size or checksum is not what the index says, also when copied again
    """
    if not is_remote(url):
        path = Path(url) / entry.url
        if not path.is_file() or path.stat().st_size != entry.filesize:
            raise AudioError(f"{path}: is missing or not of {entry.filesize} bytes; make or fetch the shard again")
        return path
    if cache is None:
        raise ConfigError(f"{url}: shards of a URL need a cache; name a folder for their copies")
    from filelock import FileLock

    # named by its checksum: shards of the same name in two sets do not meet, and what is there is right
    path = cache / f"{entry.sha256}.tar"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            if not path.exists():
                _copy(f"{url.rstrip('/')}/{entry.url}", path, entry)
    return path


def _copy(url: str, path: Path, entry: ShardEntry) -> None:
    import fsspec

    problem: Exception | None = None
    for attempt in range(ATTEMPTS):
        time.sleep(attempt)
        try:
            with atomic_path(path) as part:
                with fsspec.open(url, "rb") as source, open(part, "wb") as target:
                    while block := source.read(COPY_BYTES):
                        target.write(block)
                if file_sha256(part) != entry.sha256:
                    raise AudioError(f"its checksum is not {entry.sha256[:12]}..., which the index states")
            return
        except Exception as error:  # each of fsspec's back ends raises errors of its own
            problem = error
    raise AudioError(f"{url}: can't be copied in {ATTEMPTS} attempts ({problem}); check the place and write the index")


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
        """As ``flam.data.clip.TrainingSource``."""
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
