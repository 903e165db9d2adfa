"""Recordings in any store that fsspec reaches, embedded or analysed by processes of one machine or by a Ray cluster.

Every recording is done on its own and its results are written under a name that only depends on it, the file that makes
them count last. So a job that was stopped, or a worker that was killed, costs the recordings it was working on, and the
same command goes on.
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Protocol

import fsspec

from flam.core import ConfigError, FlamError
from flam.core.errors import require_extra
from flam.core.processes import each_file
from flam.search.axes import FILE_NAME as AXES_NAME
from flam.search.axes import SearchAxes
from flam.search.catalogue import ArchiveSettings, Catalogue
from flam.search.encode import Encoder, fit_on_recordings
from flam.search.layout import ArchiveFolder
from flam.search.segment import HEADER, Segment, SegmentWriter, read_recordings
from flam.search.stores import catalogue_path, is_local, local_copy, relative_path, result_name

if TYPE_CHECKING:
    from flam.detection import Detector
    from flam.jobs.settings import DetectSettings

MOST_BLOCKS = 1_000


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
    n_threads : int or None
        See ``flam.load``.
    """

    settings: DetectSettings
    root: str
    output: str
    suffix: str
    n_threads: int | None = None

    def __call__(self, url: str) -> Outcome:
        """Find events in a recording, unless its file is there."""
        return _guarded(url, self._detect)

    def _detect(self, url: str) -> Outcome:
        from flam.annotations import write_events
        from flam.jobs.analysis import Extras, analyse

        assert self.settings.format is not None
        store, root = fsspec.core.url_to_fs(self.output)
        target = f"{root}/{relative_path(url, self.root)}{self.suffix}"
        done = f"{root}/.flam/{result_name(url)}.json"
        identity = self.settings.identity()
        is_written = store.exists(done) and store.exists(target)
        if is_written and json.loads(store.cat_file(done)).get("settings") == identity:
            return Outcome(url, was_done=True)
        with local_copy(url) as path, tempfile.TemporaryDirectory() as work:
            detector = _detector(self.settings, self.n_threads)
            recording = replace(analyse(detector, path, self.settings, Extras()), recording=url)
            file = Path(work) / f"events{self.suffix}"
            write_events([recording], file, self.settings.format)
            store.makedirs(str(PurePosixPath(target).parent), exist_ok=True)
            store.makedirs(f"{root}/.flam", exist_ok=True)
            store.put_file(str(file), target)
            store.pipe_file(done, json.dumps({"recording": url, "settings": identity}).encode())
        return Outcome(url)


def settle_axes(
    output: str, settings: ArchiveSettings, model_axes: SearchAxes | None, detector: Detector, urls: list[str]
) -> SearchAxes:
    """The axes of an archive: its own if it is gone on with, those of its model, or new ones.

    A new archive is made; in a store that is no folder, it is an archive without a catalogue.

    Parameters
    ----------
    output : str
        URL of the archive.
    settings : ArchiveSettings
        Of the archive.
    model_axes : SearchAxes or None
        Those that the model ships with.
    detector : Detector
        Of the model.
    urls : list of str
        Recordings to fit new axes on.

    Raises
    ------
    ConfigError
        What is there was made with another model or form.
    """
    store, root = fsspec.core.url_to_fs(output)
    with tempfile.TemporaryDirectory() as work:
        path, target = Path(work) / AXES_NAME, f"{root}/{AXES_NAME}"
        if store.exists(target):
            _require_settings(store, root, settings)
            store.get_file(target, str(path))
            return SearchAxes.load(path)
        axes = fit_on_recordings(detector, _copies(urls)) if model_axes is None else model_axes
        if is_local(store):
            ArchiveFolder(Path(root)).create(settings, axes)
        else:
            axes.save(path)
            store.makedirs(root, exist_ok=True)
            store.put_file(str(path), target)
    return axes


def _require_settings(store: fsspec.AbstractFileSystem, root: str, settings: ArchiveSettings) -> None:
    found = None
    if is_local(store):
        with Catalogue.open(ArchiveFolder(Path(root)).catalogue_path) as catalogue:
            kept = catalogue.settings()
        found = kept.model_id, kept.form
    else:
        for path in sorted(store.glob(f"{root}/segments/*/{HEADER}"))[:1]:
            header = json.loads(store.cat_file(path))
            found = header["model_id"], header["form"]
    if found not in (None, (settings.model_id, settings.form)):
        raise ConfigError(
            f"{root}: made with model {found[0]} in form {found[1]}, not {settings.model_id} in {settings.form}; name "
            "another folder"
        )


def _copies(urls: Iterable[str]) -> Iterator[Path]:
    for url in urls:
        with local_copy(url) as path:
            yield path


def not_embedded(urls: list[str], archive: ArchiveFolder) -> list[str]:
    """The recordings that an archive of this machine does not hold yet, joined as its segments may be by now."""
    with Catalogue.open(archive.catalogue_path) as catalogue:
        known = {row.path for rows in catalogue.contents().recordings.values() for row in rows}
    return [url for url in urls if catalogue_path(url) not in known]


def run_work(urls: list[str], work: Work, jobs: int) -> Iterator[Outcome]:
    """Do a piece of work for each recording on this machine, in no particular order.

    Parameters
    ----------
    urls : list of str
        The recordings.
    work : Work
        What to do.
    jobs : int
        Processes; 1 works in this one.
    """
    for _, outcome in each_file(urls, work, _Crashed(), 0 if jobs == 1 else jobs):
        yield outcome


def run_on_ray(
    urls: list[str], work: Work, address: str, jobs: int | None = None, use_gpu: bool = False
) -> Iterator[Outcome]:
    """Do a piece of work for each recording on a Ray cluster, in no particular order.

    Parameters
    ----------
    urls : list of str
        The recordings.
    work : Work
        What to do.
    address : str
        Of the cluster, or "local" for one on this machine.
    jobs : int, optional
        Actors; None takes one for each processor of the cluster, or for each GPU.
    use_gpu : bool
        Whether each actor gets a GPU.

    Raises
    ------
    MissingExtraError
        Ray is not installed.
    FlamError
        The cluster can't be reached or started.
    """
    require_extra("ray", "bulk", "for --ray")
    import ray

    if not ray.is_initialized():
        try:
            ray.init(None if address == "local" else address, log_to_driver=False, logging_level=logging.WARNING)
        except Exception as error:  # Ray has no common class for what keeps it from starting
            reason = (str(error).splitlines() or [""])[0]
            raise FlamError(f"--ray {address}: no cluster can be reached or started there ({reason})") from error
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    ray.data.DataContext.get_current().enable_progress_bars = False
    if jobs is None:
        jobs = max(int(ray.cluster_resources().get("GPU" if use_gpu else "CPU", 1)), 1)

    class Actor:
        def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
            return asdict(work(row["item"]))

    # a block for each recording: an actor that is lost costs the recording it was working on
    rows = ray.data.from_items(urls, override_num_blocks=min(len(urls), MOST_BLOCKS))
    for row in rows.map(Actor, concurrency=jobs, num_gpus=1 if use_gpu else None).iter_rows():
        yield Outcome(**row)


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
    [recording] = read_recordings(folder)
    writer = SegmentWriter(folder.with_name("renamed"), encoder.codec, encoder.model_id, settings)
    writer.copy_recording(source, replace(recording, path=catalogue_path(url)))
    writer.finish(sync=False)
    return writer.folder


_detectors: dict[str, Detector] = {}  # of this process


def _detector(settings: DetectSettings, n_threads: int | None) -> Detector:
    key = settings.identity()
    if key not in _detectors:
        import flam

        _detectors[key] = flam.load(
            settings.model,
            device=settings.device,
            precision=settings.precision,
            backend=settings.backend,
            n_threads=n_threads,
            **settings.detection,
        )
    return _detectors[key]
