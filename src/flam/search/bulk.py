"""Recordings in any store that fsspec reaches, embedded or analysed by processes of one machine or by a Ray cluster.

Every recording is done on its own and its results are written under a name that only depends on it, the file that makes
them count last. So a job that was stopped, or a worker that was killed, costs the recordings it was working on, and the
same command goes on.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import fsspec
from fsspec.implementations.local import LocalFileSystem

from flam.audio import RECORDING_SUFFIXES
from flam.core import AudioError, FlamError
from flam.core.errors import require_extra
from flam.core.processes import each_file
from flam.search.encode import Encoder
from flam.search.segment import HEADER, Segment, SegmentWriter


@dataclass(frozen=True)
class Outcome:
    """What became of one recording.

    Parameters
    ----------
    url : str
        The recording.
    error : str
        Why it failed, in one line; empty where it did not.
    was_done : bool
        Whether an earlier run had done it.
    """

    url: str
    error: str = ""
    was_done: bool = False


class Work(Protocol):
    """What is done with a recording; can be pickled and never raises."""

    def __call__(self, url: str) -> Outcome: ...


@dataclass(frozen=True)
class EmbedWork:
    """Writes a recording as a segment of its own into ``OUTPUT/segments``.

    Parameters
    ----------
    encoder : Encoder
        Whose folder for parts does not matter.
    output : str
        URL of the archive.
    settings : dict
        Of the archive.
    """

    encoder: Encoder
    output: str
    settings: dict[str, Any]

    def __call__(self, url: str) -> Outcome:
        """Embed a recording, unless its segment is there."""
        return _guarded(url, self._embed)

    def _embed(self, url: str) -> Outcome:
        store, root = fsspec.core.url_to_fs(self.output)
        target = f"{root}/segments/{result_name(url)}"
        if store.exists(f"{target}/{HEADER}"):
            return Outcome(url, was_done=True)
        with local_copy(url) as path, tempfile.TemporaryDirectory() as work:
            part = replace(self.encoder, incoming=Path(work))(path)
            if part.folder is None:
                return Outcome(url, part.error.replace(str(path), url))
            folder = _renamed(part.folder, self.encoder, self.settings, url)
            store.makedirs(target, exist_ok=True)
            for file in sorted(folder.iterdir(), key=lambda file: file.name == HEADER):  # the header last
                store.put_file(str(file), f"{target}/{file.name}")
        return Outcome(url)


@dataclass(frozen=True)
class DetectWork:
    """Writes a file of events for a recording into ``OUTPUT``.

    Parameters
    ----------
    settings : DetectSettings
        What to find.
    root : str
        URL below which recordings lie; results keep the tree below it.
    output : str
        URL of the results.
    suffix : str
        Of the files of events.
    """

    settings: Any
    root: str
    output: str
    suffix: str

    def __call__(self, url: str) -> Outcome:
        """Find events in a recording, unless its file is there."""
        return _guarded(url, self._detect)

    def _detect(self, url: str) -> Outcome:
        from flam.annotations import write_events
        from flam.jobs.analysis import Extras, analyse

        store, root = fsspec.core.url_to_fs(self.output)
        target = f"{root}/{relative_path(url, self.root)}{self.suffix}"
        done = f"{root}/.flam/{result_name(url)}.json"
        identity = self.settings.identity()
        is_written = store.exists(done) and store.exists(target)
        if is_written and json.loads(store.cat_file(done)).get("settings") == identity:
            return Outcome(url, was_done=True)
        with local_copy(url) as path, tempfile.TemporaryDirectory() as work:
            recording = replace(analyse(_detector(self.settings), path, self.settings, Extras()), recording=url)
            file = Path(work) / f"events{self.suffix}"
            write_events([recording], file, self.settings.format)
            store.makedirs(str(PurePosixPath(target).parent), exist_ok=True)
            store.makedirs(f"{root}/.flam", exist_ok=True)
            store.put_file(str(file), target)
            store.pipe_file(done, json.dumps({"recording": url, "settings": identity}).encode())
        return Outcome(url)


def find_urls(roots: Iterable[str]) -> list[str]:
    """All recordings below URLs, sorted.

    Raises
    ------
    AudioError
        A URL that leads nowhere.
    """
    found = []
    for root in roots:
        store, path = fsspec.core.url_to_fs(root)
        if not store.exists(path):
            raise AudioError(f"{root}: no such file or folder; check the URL and your access to it")
        names = store.find(path) if store.isdir(path) else [path]
        found += [
            store.unstrip_protocol(name)
            for name in names
            if PurePosixPath(name).suffix.lower() in RECORDING_SUFFIXES and "/." not in name.removeprefix(path)
        ]
    return sorted(set(found))


def run_work(urls: list[str], work: Work, workers: int, ray_address: str | None = None) -> Iterator[Outcome]:
    """Do a piece of work for each recording, in no particular order.

    Parameters
    ----------
    urls : list of str
        The recordings.
    work : Work
        What to do.
    workers : int
        Processes or actors; 0 works in this process.
    ray_address : str, optional
        Of a Ray cluster, or "local" for one on this machine; None does without Ray.

    Raises
    ------
    MissingExtraError
        Ray is asked for and not installed.
    """
    if ray_address is not None:
        yield from _run_on_ray(urls, work, max(workers, 1), ray_address)
        return
    for _, outcome in each_file(urls, work, _Crashed(), workers):
        yield outcome


def result_name(url: str) -> str:
    """A name for the results of a recording, safe in any store."""
    return hashlib.sha256(url.encode("utf-8", "surrogateescape")).hexdigest()[:24]


def relative_path(url: str, root: str) -> str:
    """Where a recording lies below a root, without its suffix."""
    path, folder = fsspec.core.url_to_fs(url)[1], fsspec.core.url_to_fs(root)[1].rstrip("/")
    inner = path.removeprefix(f"{folder}/") if path.startswith(f"{folder}/") else PurePosixPath(path).name
    return str(PurePosixPath(inner).with_suffix(""))


class local_copy:
    """A recording as a file of this machine, within a ``with``: the file itself, or a copy that goes away."""

    def __init__(self, url: str):
        self._url = url
        self._folder: Path | None = None

    def __enter__(self) -> Path:
        store, path = fsspec.core.url_to_fs(self._url)
        if _is_local(store):
            return Path(path)
        self._folder = Path(tempfile.mkdtemp())
        copy = self._folder / PurePosixPath(path).name
        store.get_file(path, str(copy))
        return copy

    def __exit__(self, *_: object) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


class _Crashed:
    def __call__(self, url: str) -> Outcome:
        return Outcome(url, f"{url}: ended the process that read it; export the recording again")


def _guarded(url: str, do: Callable[[str], Outcome]) -> Outcome:
    try:
        return do(url)
    except FlamError as error:
        return Outcome(url, str(error))
    except Exception as error:  # stores raise errors of their own, and one recording never stops the rest
        reason = (str(error).splitlines() or [""])[0]
        return Outcome(url, f"{url}: {type(error).__name__} ({reason}); check the store and run the same command again")


def _renamed(folder: Path, encoder: Encoder, settings: dict[str, Any], url: str) -> Path:
    """The segment again with the recording called by its URL, and the settings of the archive."""
    source = Segment(folder, encoder.codec)
    [recording] = source.header.recordings
    is_local = _is_local(fsspec.core.url_to_fs(url)[0])
    writer = SegmentWriter(folder.with_name("renamed"), encoder.codec, encoder.model_id, settings)
    writer.copy_recording(source, recording if is_local else replace(recording, path=url))
    writer.finish(sync=False)
    return writer.folder


def _is_local(store: fsspec.AbstractFileSystem) -> bool:
    return isinstance(store, LocalFileSystem)


_detectors: dict[str, Any] = {}  # of this process


def _detector(settings: Any) -> Any:
    key = settings.identity()
    if key not in _detectors:
        import flam

        _detectors[key] = flam.load(settings.model, device=settings.device, **settings.detection)
    return _detectors[key]


def _run_on_ray(urls: list[str], work: Work, workers: int, address: str) -> Iterator[Outcome]:
    require_extra("ray", "bulk", "for --ray")
    import ray

    if not ray.is_initialized():
        ray.init(address=None if address == "local" else address, log_to_driver=False)

    class Actor:
        def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
            outcome = work(row["item"])
            return {"url": outcome.url, "error": outcome.error, "was_done": outcome.was_done}

    rows = ray.data.from_items(urls).map(Actor, concurrency=workers)
    for row in rows.iter_rows():
        yield Outcome(**row)
