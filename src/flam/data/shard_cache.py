"""Shards that lie elsewhere, copied here once: any URL that fsspec opens, checked by size and checksum."""

from __future__ import annotations

import time
from pathlib import Path

from flam.core import AudioError, ConfigError, atomic_path
from flam.data.tar_shards import INDEX_NAME, ShardEntry, file_sha256, parse_index

COPY_BYTES = 1 << 20
ATTEMPTS = 3


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
