"""Shards in the tar layout of webdataset: ``key.flac`` (or opus, ogg, wav, mp3) beside ``key.json``.

A shard is written whole or not at all; beside it, ``NAME.tar.json`` holds its size, number of samples and checksum.
Both together mean that it is finished. ``shards.json`` lists the shards of a folder, as webdataset's own index does.
"""

from __future__ import annotations

import io
import json
import logging
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flam.core import (
    AudioError,
    ConfigError,
    OutputError,
    atomic_path,
    atomic_text,
    file_sha256,
    from_mapping,
    parse_json,
    to_mapping,
)
from flam.core.placeholders import require_content

INDEX_NAME = "shards.json"
AUDIO_SUFFIXES = (".flac", ".opus", ".ogg", ".wav", ".mp3")
FACTS = (".json", ".txt")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ShardSample:
    """One sample of a shard.

    Parameters
    ----------
    key : str
        unique in its shard; no dots or slashes, by which webdataset tells keys from suffixes
    audio : bytes
        bytes of an audio file
    suffix : str
        its format, one of ``AUDIO_SUFFIXES``
    facts : dict[str, Any]
        what the json says; ``flam.data.shard_source`` tells which keys training reads
    others : Mapping[str, bytes], optional
        further files by suffix, such as ``.stem0.flac``, written but not read back
    """

    key: str
    audio: bytes
    suffix: str
    facts: dict[str, Any]
    others: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class ShardEntry:
    """What an index says of a shard: ``url`` relative to the index, samples, bytes, and SHA-256 in hexadecimal."""

    url: str
    nsamples: int
    filesize: int
    sha256: str


def write_shard(path: str | Path, samples: Iterable[ShardSample]) -> ShardEntry:
    """Write a shard and the entry beside it; the same samples give the same bytes.

    Parameters
    ----------
    path : str | Path
        ends in ``.tar``
    samples : Iterable[ShardSample]
        taken one at a time

    Raises
    ------
    OutputError
        no samples, a key or suffix that the layout can't hold, or a path that can't be written

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     entry = write_shard(f"{folder}/000000.tar", [ShardSample("a", b"", ".flac", {"captions": ["rain"]})])
    ...     entry.nsamples, Shard(f"{folder}/000000.tar")[0].facts
    (1, {'captions': ['rain']})
    """
    path = Path(path)
    keys: set[str] = set()
    with atomic_path(path) as part:
        with tarfile.open(part, "w", format=tarfile.USTAR_FORMAT) as tar:
            for sample in samples:
                _require_sample(sample, keys, path)
                keys.add(sample.key)
                facts = json.dumps(sample.facts, ensure_ascii=False, sort_keys=True).encode()
                _add(tar, f"{sample.key}{sample.suffix}", sample.audio)
                _add(tar, f"{sample.key}.json", facts)
                for suffix, data in sample.others.items():
                    _add(tar, f"{sample.key}{suffix}", data)
        if not keys:
            raise OutputError(f"{path}: a shard needs at least one sample")
        entry = ShardEntry(path.name, len(keys), part.stat().st_size, file_sha256(part))
    with atomic_text(_entry_path(path)) as file:
        json.dump(to_mapping(entry), file)
    return entry


def finished(path: str | Path) -> bool:
    """Whether a shard is there as its entry says, so that an interrupted run need not make it again."""
    path = Path(path)
    try:
        return path.stat().st_size == _read_entry(_entry_path(path)).filesize
    except (OSError, ConfigError):
        return False


def write_index(folder: str | Path, remarks: Mapping[str, Any] | None = None) -> list[ShardEntry]:
    """List the shards of a folder in ``shards.json``; a shard without an entry, made by others, is counted and summed.

    Parameters
    ----------
    folder : str | Path
        of the shards
    remarks : Mapping[str, Any] | None, optional
        what else the index is to say, by key

    Raises
    ------
    ConfigError
        the folder holds no shard
    AudioError
        a shard can't be read
    """
    folder = Path(folder)
    entries = []
    for path in sorted(folder.glob("*.tar")):
        if not finished(path):
            entry = ShardEntry(path.name, len(Shard(path)), path.stat().st_size, file_sha256(path))
            with atomic_text(_entry_path(path)) as file:
                json.dump(to_mapping(entry), file)
        entries.append(_read_entry(_entry_path(path)))
    if not entries:
        raise ConfigError(f"{folder}: holds no *.tar shard; name the folder of the shards")
    with atomic_text(folder / INDEX_NAME) as file:
        shards = [to_mapping(entry) for entry in entries]
        json.dump({"wids_version": 1, "shardlist": shards, **({} if remarks is None else remarks)}, file, indent=1)
    return entries


def parse_index(text: str, where: str) -> list[ShardEntry]:
    """Read what ``write_index`` wrote.

    Raises
    ------
    ConfigError
        not such an index, or one without samples
    """
    try:
        shards = list(parse_json(text, where)["shardlist"])
    except (LookupError, TypeError) as error:
        raise ConfigError(f"{where}: is not an index of shards; make it with flam.data.write_index") from error
    entries = [from_mapping(ShardEntry, shard, f"{where}, shard {number}") for number, shard in enumerate(shards)]
    if sum(entry.nsamples for entry in entries) == 0:
        raise ConfigError(f"{where}: lists no samples; write at least one shard")
    return entries


class Shard:
    """Random access to the samples of a shard, in the order of the file.

    A sample is an audio file beside a json or a txt of the same key; the text of a txt is a caption. The key ends at
    the first dot of a name, as webdataset has it, or where that gives no sample, at the last one.

    Parameters
    ----------
    path : str or Path
        A tar file, not compressed.

    Attributes
    ----------
    n_dropped : int
        Audio files without a json or txt, which are no samples.

    Raises
    ------
    AudioError
        The file is missing or damaged.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        members: dict[str, tuple[int, int]] = {}
        require_content(self.path, AudioError)
        try:
            with tarfile.open(self.path, "r:") as tar:
                for member in tar:
                    if member.isfile():
                        members[member.name] = member.offset_data, member.size
        except (OSError, tarfile.TarError) as error:
            raise AudioError(f"{self.path}: can't be read as a shard ({error}); make or fetch it again") from error
        found: dict[str, dict[str, tuple[int, int]]] = {}
        for key, parts in _grouped(members, at_last_dot=False).items():
            if _is_sample(parts) or not any(_ends_like_audio(suffix) for suffix in parts):
                found[key] = parts
            else:  # names with dots in them
                names = {f"{key}{suffix}": place for suffix, place in parts.items()}
                found |= _grouped(names, at_last_dot=True)
        self._samples = [
            (key.rpartition("/")[2], suffix, parts[suffix], {part: parts[part] for part in FACTS if part in parts})
            for key, parts in found.items()
            if _is_sample(parts)
            for suffix in [next(suffix for suffix in AUDIO_SUFFIXES if suffix in parts)]
        ]
        self.n_dropped = sum(
            any(_ends_like_audio(suffix) for suffix in parts) for parts in found.values() if not _is_sample(parts)
        )
        if self.n_dropped:
            logger.warning(
                "%s: %d audio files have no json or txt beside them and are left out", self.path, self.n_dropped
            )

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, row: int) -> ShardSample:
        key, suffix, audio, _ = self._sample(row)
        return ShardSample(key, self._bytes(*audio), suffix, self.facts(row))

    def key(self, row: int) -> str:
        """The key of a sample; nothing is read for it."""
        return self._sample(row)[0]

    def facts(self, row: int) -> dict[str, Any]:
        """What the json of a sample says, with the text of its txt where it says no captions; no audio is read."""
        key, _, _, places = self._sample(row)
        mapping: Any = {}
        if ".json" in places:
            where = f"{self.path}, {key}.json"
            mapping = parse_json(self._bytes(*places[".json"]), where, AudioError, "make the shard again")
            if not isinstance(mapping, dict):
                raise AudioError(f"{where}: is not a mapping of keys to values; make the shard again")
        if ".txt" in places and not {"captions", "text"} & mapping.keys():
            mapping["captions"] = [" ".join(self._bytes(*places[".txt"]).decode("utf-8-sig", "replace").split())]
        return mapping

    def _sample(self, row: int) -> tuple[str, str, tuple[int, int], dict[str, tuple[int, int]]]:
        if not 0 <= row < len(self):
            raise AudioError(f"{self.path}: no sample {row}, it holds {len(self)}; write the index again")
        return self._samples[row]

    def _bytes(self, start: int, size: int) -> bytes:
        try:
            with open(self.path, "rb") as file:
                file.seek(start)
                return file.read(size)
        except OSError as error:
            raise AudioError(f"{self.path}: can't be read ({error.strerror}); check the path") from error


def _grouped(members: Mapping[str, tuple[int, int]], at_last_dot: bool) -> dict[str, dict[str, tuple[int, int]]]:
    """Places of members by key and suffix."""
    found: dict[str, dict[str, tuple[int, int]]] = {}
    for name, place in members.items():
        folder, _, last = name.rpartition("/")
        stem, dot, suffix = last.rpartition(".") if at_last_dot else last.partition(".")
        if dot:
            found.setdefault(f"{folder}/{stem}" if folder else stem, {})[f".{suffix.lower()}"] = place
    return found


def _is_sample(parts: Mapping[str, object]) -> bool:
    return any(suffix in parts for suffix in AUDIO_SUFFIXES) and any(part in parts for part in FACTS)


def _ends_like_audio(suffix: str) -> bool:
    return suffix.endswith(AUDIO_SUFFIXES)


def _entry_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _read_entry(path: Path) -> ShardEntry:
    remedy = "remove it and write the index again"
    return from_mapping(ShardEntry, parse_json(path.read_bytes(), str(path), remedy=remedy), str(path))


def _require_sample(sample: ShardSample, keys: set[str], path: Path) -> None:
    if not sample.key or set(sample.key) & set("./\\") or sample.key in keys:
        raise OutputError(f"{path}: key {sample.key!r} must be unique, not empty, and without dots and slashes")
    if sample.suffix not in AUDIO_SUFFIXES:
        raise OutputError(f"{path}: suffix {sample.suffix!r} is not one of {', '.join(AUDIO_SUFFIXES)}")


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))
