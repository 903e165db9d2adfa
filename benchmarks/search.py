"""How fast an archive is built and searched, and how large it is.

    python benchmarks/search_scenes.py library/manifest.csv scenes/     # or any recordings
    python benchmarks/search.py build scenes/ archive/ --form exact
    python benchmarks/search.py agree scenes/ archive/ compact/ tiny/
    python benchmarks/search.py repeat archive/ archive1000/ --hours 1000
    python benchmarks/search.py query archive1000/ --prompts 1 16

"repeat" repeats an archive with variation: each copy of a frame has a little of another frame of the archive in it.
"agree" compares archives of the same recordings in all three forms with detection. "query" searches an open archive
for everyday prompts, at the model's own thresholds; "cold" drops the archive's files
from the page cache first; memory is what the process has beside the page cache, the model included.
"""

from __future__ import annotations

import argparse
import itertools
import os
import resource
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

import flam
from flam.audio import find_recordings
from flam.core import Event, to_mapping
from flam.detection import Detector
from flam.detection.kinds import everyday_prompts
from flam.detection.prompt_file import PromptList
from flam.hub.hub import resolve
from flam.search import Archive, Query
from flam.search.axes import SearchAxes
from flam.search.build import BuildReport, build_archive
from flam.search.catalogue import ArchiveSettings, Catalogue
from flam.search.encode import Encoder, fit_on_recordings, shuffled_recordings
from flam.search.joining import LARGE_FRAMES
from flam.search.layout import ArchiveFolder, model_axes, model_id
from flam.search.scan import Scanner
from flam.search.segment import SegmentWriter

REPEATS = 3
MIXED_IN = 0.15


def build(folder: Path, output: Path, form: str, jobs: int) -> None:
    """Build an archive and tell the rate."""
    model = resolve("flam-mini")
    detector = flam.load(model)
    archive = ArchiveFolder(output)
    axes = model_axes(model)
    axes = fit_on_recordings(detector, shuffled_recordings([folder])) if axes is None else axes
    settings = ArchiveSettings(
        "flam-mini",
        model_id(model),
        detector.grid.sample_rate,
        detector.grid.hop_samples,
        form,
        detector.config.overlap,
    )
    archive.create(settings, axes)
    encoder = Encoder(
        str(model), settings.model_id, "cpu", "auto", settings.overlap, archive.codec(settings), archive.incoming_path
    )
    before, start = cpu_s(), time.perf_counter()
    totals = build_archive(archive, [folder], encoder, jobs, BuildReport(print, print))
    cpu, wall = cpu_s() - before, time.perf_counter() - start
    hours = totals.n_samples / settings.sample_rate / 3600
    print(
        f"{form}: {hours:.2f} h in {cpu:.1f} CPU s, {3600 * hours / cpu:.0f} x real time on one core "
        f"(wall {wall:.0f} s, {3600 * hours / wall:.0f} x); {size(output) / 1e6 / hours:.1f} MB an hour"
    )


def repeat(source: Path, output: Path, hours: float) -> None:
    """Repeat an archive with variation until it has the hours."""
    opened = Archive(source)
    archive = ArchiveFolder(output)
    archive.create(opened.settings, SearchAxes.load(ArchiveFolder(source).axes_path))
    codec, rng = archive.codec(opened.settings), np.random.default_rng(0)
    writer, n_done, n_wanted = None, 0, hours * 3600 * opened.settings.grid.rate_hz
    with Catalogue.open(archive.catalogue_path, write=True) as catalogue:
        for copy in itertools.count():
            for segment, recordings in opened.segments:
                if writer is None:
                    path = archive.new_segment_path()
                    writer = SegmentWriter(path, codec, opened.settings.model_id, to_mapping(opened.settings))
                rotated = varied(segment.values(slice(None)), rng)
                for row in recordings:
                    rows = slice(row.first_frame, row.first_frame + row.n_frames)
                    writer.append_stored(codec.encode_rotated(rotated[rows]), segment.level_db[rows])
                    named = replace(row, path=f"{row.path}.{copy}")
                    writer.end_recording(named, segment.clips[row.clip_row])
                n_done += len(rotated)
                if writer.n_frames >= LARGE_FRAMES or n_done >= n_wanted:
                    writer.finish()
                    catalogue.add_segment(archive.publish(writer.folder), writer.n_frames, writer.recordings)
                    writer = None
                if n_done >= n_wanted:
                    repeated = Archive(output)
                    hours = repeated.duration_s / 3600
                    print(
                        f"{hours:.1f} h, {len(repeated.recordings)} recordings, {size(output) / 1e6 / hours:.1f} MB/h"
                    )
                    return


def varied(features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Frames with a little of another frame of the archive in each."""
    mixed = features + MIXED_IN * features[rng.permutation(len(features))]
    return mixed / np.linalg.norm(mixed, axis=1, keepdims=True)


def query(path: Path, counts: list[int], threshold: float | None) -> None:
    """Time searches, cold and warm, spans included."""
    with Catalogue.open(ArchiveFolder(path).catalogue_path) as catalogue:
        detector = flam.load(catalogue.settings().model, device="cpu")
    prompts = list(everyday_prompts())[:: len(everyday_prompts()) // max(counts)]
    for n in counts:
        drop_cache(path)
        with PeakMemory() as memory:
            line = measured(path, detector, PromptList.of(prompts[:n]), threshold)
        print(f"{line}; memory {memory.peak_mb:.0f} MB", flush=True)


def measured(path: Path, detector: Detector, prompts: PromptList, threshold: float | None) -> str:
    """Times of one search."""
    cold_open_s = seconds(lambda: Archive(path, detector))
    archive = Archive(path, detector)
    config = archive.detection_config(**({} if threshold is None else {"threshold": threshold}))
    texts_s = seconds(lambda: archive.queries(prompts, (), config))
    queries = archive.queries(prompts, (), config)
    cold_s = seconds(lambda: find(archive, queries, config.silence_db))
    open_s = seconds(lambda: Archive(path, detector))
    warm_s = [seconds(lambda: find(archive, queries, config.silence_db)) for _ in range(REPEATS)]
    scan_s = [seconds(lambda: scan(archive, queries)) for _ in range(REPEATS)]
    share = scan(archive, queries) / sum(segment.header.n_frames for segment, _ in archive.segments) / len(queries)
    return (
        f"{archive.duration_s / 3600:.0f} h {archive.settings.form}, {len(queries)} prompts: warm {shown(warm_s)}, of "
        f"it scan {shown(scan_s)}; cold {cold_s:.2f} s; opening {open_s:.2f} s, cold {cold_open_s:.2f} s; texts "
        f"{texts_s:.3f} s; {share:.5f} of frames reach, {find(archive, queries, config.silence_db)} spans"
    )


def agree(folder: Path, archives: list[Path], n_recordings: int) -> None:
    """Compare spans of everyday prompts with what detection finds in the recordings."""
    prompts, paths = everyday_prompts(), sorted(find_recordings([folder], print))[:n_recordings]
    opened = [Archive(path) for path in archives]
    detector = opened[0].detector
    expected = {str(path.resolve()): detector.detect(str(path), prompts) for path in paths}
    for archive in opened:
        found: dict[str, list[Event]] = {path: [] for path in expected}
        for span in archive.search(prompts):
            if span.recording.path in found:
                found[span.recording.path].append(span.event)
        matched = [match_within(found[path], events, 1.01 * archive.grid.hop_s) for path, events in expected.items()]
        n_equal, n_expected, n_found = (sum(column) for column in zip(*matched, strict=True))
        print(
            f"{archive.settings.form}: {n_equal} of {n_expected} spans of detection within a frame, "
            f"{100 * n_equal / n_expected:.1f} %; {n_found} found"
        )


def match_within(found: list[Event], expected: list[Event], within_s: float) -> tuple[int, int, int]:
    """Expected events with a found one whose ends are as near as that, and how many there are of both."""
    n_equal = sum(
        any(
            one.prompt == other.prompt
            and abs(one.onset_s - other.onset_s) < within_s
            and abs(one.offset_s - other.offset_s) < within_s
            for other in found
        )
        for one in expected
    )
    return n_equal, len(expected), len(found)


def scan(archive: Archive, queries: list[Query]) -> int:
    """The frames that reach a threshold."""
    features = np.concatenate([one.texts.text_features for one in queries])
    codec = archive.segments[0][0].codec
    scanner = Scanner(codec, features, np.concatenate([one.min_cosines for one in queries]))
    return sum(len(hits.frames) for segment, _ in archive.segments for hits in scanner.scan(segment))


def find(archive: Archive, queries: list[Query], silence_db: float) -> int:
    """The spans."""
    return len(list(archive.spans(queries, silence_db)))


def seconds(work: Callable[[], object]) -> float:
    """Wall seconds of a piece of work."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def shown(times_s: list[float]) -> str:
    """The fastest and the slowest of some times."""
    return f"{min(times_s):.2f} to {max(times_s):.2f} s"


def cpu_s() -> float:
    """CPU seconds of this process and of its children that ended."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )


def drop_cache(path: Path) -> None:
    """Ask the system to forget what it holds of an archive's files, which it does where no process maps them."""
    os.sync()
    for file in path.rglob("*"):
        if file.is_file():
            with open(file, "rb") as opened:
                os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


class PeakMemory:
    """The most memory that this process had beside the page cache while a block ran."""

    def __enter__(self) -> PeakMemory:
        self.peak_mb, self._ended = 0.0, threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()

    def _watch(self) -> None:
        while not self._ended.wait(0.01):
            lines = Path("/proc/self/status").read_text().splitlines()
            anonymous = next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024
            self.peak_mb = max(self.peak_mb, anonymous)


def size(path: Path) -> int:
    """Bytes below a folder."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    arguments = {
        "build": ("folder", "output"),
        "repeat": ("source", "output"),
        "query": ("path",),
        "agree": ("folder",),
    }
    for name, own in arguments.items():
        verb = verbs.add_parser(name)
        for argument in own:
            verb.add_argument(argument, type=Path)
    verbs.choices["build"].add_argument("--form", default="exact")
    verbs.choices["build"].add_argument("--jobs", type=int, default=1)
    verbs.choices["repeat"].add_argument("--hours", type=float, required=True)
    verbs.choices["query"].add_argument("--prompts", dest="counts", type=int, nargs="+", default=[1, 16])
    verbs.choices["query"].add_argument("--threshold", type=float, default=None)
    verbs.choices["agree"].add_argument("archives", type=Path, nargs="+")
    verbs.choices["agree"].add_argument("--recordings", dest="n_recordings", type=int, default=60)
    options = vars(parser.parse_args())
    {"build": build, "repeat": repeat, "query": query, "agree": agree}[options.pop("verb")](**options)


if __name__ == "__main__":
    main()
