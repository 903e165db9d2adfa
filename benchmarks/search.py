"""How fast an archive is built and searched, and how large it is.

    flam synth render -n 360 -o scenes --loose dcase     # or any recordings
    python benchmarks/search.py build scenes/ archive/ --form exact
    python benchmarks/search.py repeat archive/ archive100/ --hours 100
    python benchmarks/search.py repeat archive100/ archive1000/ --hours 1000 --links
    python benchmarks/search.py query archive1000/ --prompts 1 16

"repeat" repeats an archive, with "--links" so that only the file that a search reads whole is copied. CPU seconds are
of all threads; on a busy machine only they mean anything. "cold" drops the archive's files from the page cache first.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import shutil
import time
import zlib
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np

import flam
from flam.detection.kinds import everyday_prompts
from flam.detection.prompt_file import PromptList
from flam.hub.hub import resolve
from flam.search import Archive, Query
from flam.search.axes import SearchAxes
from flam.search.build import BuildReport, build_archive
from flam.search.catalogue import ArchiveSettings, Catalogue
from flam.search.encode import Encoder, fit_on_recordings
from flam.search.layout import ArchiveFolder, model_axes, model_id
from flam.search.scan import Scanner
from flam.search.segment import HEADER, Segment, SegmentHeader

SEGMENT_FRAMES = 4_000_000
REPEATS = 3


def build(folder: Path, output: Path, form: str, workers: int) -> None:
    """Build an archive and tell the rate."""
    model = resolve("flam-mini")
    detector = flam.load(model)
    archive = ArchiveFolder(output)
    axes = model_axes(model)
    axes = fit_on_recordings(detector, [folder]) if axes is None else axes
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
    totals = build_archive(archive, [folder], encoder, workers, BuildReport(print, print))
    cpu, wall = cpu_s() - before, time.perf_counter() - start
    hours = totals.n_samples / settings.sample_rate / 3600
    print(
        f"{form}: {hours:.2f} h in {cpu:.1f} CPU s, {3600 * hours / cpu:.0f} x real time on one core "
        f"(wall {wall:.0f} s, {3600 * hours / wall:.0f} x); {size(output) / 1e6 / hours:.1f} MB an hour"
    )


def repeat(source: Path, output: Path, hours: float, links: bool) -> None:
    """Repeat the segments of an archive until it has the hours."""
    opened = Archive(source)
    archive = ArchiveFolder(output)
    archive.create(opened.settings, SearchAxes.load(ArchiveFolder(source).axes_path))
    segments, times = [segment for segment, _ in opened.segments], math.ceil(hours * 3600 / opened.duration_s)
    n_frames = sum(segment.header.n_frames for segment in segments)
    per_segment = times if links else max(SEGMENT_FRAMES // n_frames, 1)
    with Catalogue.open(archive.catalogue_path, write=True) as catalogue:
        if links:
            for copy in range(times):
                for segment in segments:
                    name, header = linked(segment, archive, copy)
                    catalogue.add_segment(name, header)
        else:
            for first in range(0, times, per_segment):
                name, header = joined(segments, archive, range(first, min(first + per_segment, times)))
                catalogue.add_segment(name, header)
    print(f"{Archive(output).duration_s / 3600:.1f} h, {size(output) / 1e6:.0f} MB with links counted as files")


def joined(segments: list[Segment], archive: ArchiveFolder, copies: range) -> tuple[str, SegmentHeader]:
    """One segment that holds several segments several times."""
    folder = archive.segments_path / f"repeated-{copies.start}"
    folder.mkdir()
    checksums = {}
    for name in segments[0].header.checksums:
        content = b"".join((segment.folder / name).read_bytes() for segment in segments)
        checksum = 0
        with open(folder / name, "wb") as file:
            for _ in copies:
                file.write(content)
                checksum = zlib.crc32(content, checksum)
        checksums[name] = checksum
    recordings, first_frame, clip_row = [], 0, 0
    for copy in copies:
        for segment in segments:
            for row in segment.header.recordings:
                recordings.append(
                    replace(
                        row,
                        path=f"{row.path}.{copy}",
                        first_frame=row.first_frame + first_frame,
                        clip_row=row.clip_row + clip_row,
                    )
                )
            first_frame += segment.header.n_frames
            clip_row += len(segment.header.recordings)
    header = replace(
        segments[0].header,
        n_frames=first_frame,
        prefix_error=max(segment.header.prefix_error for segment in segments),
        code_norm=max(segment.header.code_norm for segment in segments),
        checksums=checksums,
        recordings=tuple(recordings),
    )
    (folder / HEADER).write_text(json.dumps(asdict(header)))
    return folder.name, header


def linked(segment: Segment, archive: ArchiveFolder, copy: int) -> tuple[str, SegmentHeader]:
    """A segment with a copy of the file that a search reads whole and links to the others."""
    folder = archive.segments_path / f"{segment.folder.name}-{copy}"
    folder.mkdir()
    for name in segment.header.checksums:
        if name == "prefix.u8":
            shutil.copyfile(segment.folder / name, folder / name)
        else:
            os.link(segment.folder / name, folder / name)
    rows = tuple(replace(row, path=f"{row.path}.{copy}") for row in segment.header.recordings)
    header = replace(segment.header, recordings=rows)
    (folder / HEADER).write_text(json.dumps(asdict(header)))
    return folder.name, header


def query(path: Path, counts: list[int], threshold: float | None) -> None:
    """Time searches, warm and cold."""
    print(f"open: {timed(lambda: Archive(path))}")
    archive = Archive(path)
    prompts = list(everyday_prompts())[:: len(everyday_prompts()) // max(counts)]
    archive.detector.embed_text(prompts)
    overrides = {} if threshold is None else {"threshold": threshold}
    config = archive.detection_config(**overrides)
    n_frames = sum(segment.header.n_frames for segment, _ in archive.segments)
    for n in counts:
        queries = archive.queries(PromptList.of(prompts[:n]), (), config)
        drop_cache(path)
        cold = timed(partial(scan, archive, queries), 1)
        warm = timed(partial(scan, archive, queries))
        n_hits = scan(archive, queries)
        whole = timed(partial(find, archive, queries, config.silence_db))
        n_spans = find(archive, queries, config.silence_db)
        print(
            f"{archive.duration_s / 3600:.0f} h, {n} prompts: scan cold {cold}, warm {warm}; with spans {whole}; "
            f"{n_hits / n_frames / n:.5f} of frames reach, {n_spans} spans; RssAnon {anonymous_mb():.0f} MB"
        )


def scan(archive: Archive, queries: list[Query]) -> int:
    """The frames that reach a threshold."""
    features = np.concatenate([one.texts.text_features for one in queries])
    codec = archive.segments[0][0].codec
    scanner = Scanner(codec, features, np.concatenate([one.min_cosines for one in queries]))
    return sum(len(hits.frames) for segment, _ in archive.segments for hits in scanner.scan(segment))


def find(archive: Archive, queries: list[Query], silence_db: float) -> int:
    """The spans."""
    return len(list(archive.spans(queries, silence_db)))


def timed(work: object, repeats: int = REPEATS) -> str:
    """Wall and CPU seconds of the fastest of some repeats."""
    best = (float("inf"), float("inf"))
    for _ in range(repeats):
        before, start = cpu_s(), time.perf_counter()
        work()  # type: ignore[operator]
        best = min(best, (cpu_s() - before, time.perf_counter() - start))
    return f"{best[1]:.2f} s ({best[0]:.2f} CPU s)"


def cpu_s() -> float:
    """CPU seconds of this process and of its children that ended."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )


def drop_cache(path: Path) -> None:
    """Ask the system to forget what it holds of an archive's files."""
    for file in path.rglob("*"):
        if file.is_file():
            with open(file, "rb") as opened:
                os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def anonymous_mb() -> float:
    """Memory of this process beside the page cache."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


def size(path: Path) -> int:
    """Bytes below a folder."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    arguments = {"build": ("folder", "output"), "repeat": ("source", "output"), "query": ("path",)}
    for name, own in arguments.items():
        verb = verbs.add_parser(name)
        for argument in own:
            verb.add_argument(argument, type=Path)
    verbs.choices["build"].add_argument("--form", default="exact")
    verbs.choices["build"].add_argument("--workers", type=int, default=0)
    verbs.choices["repeat"].add_argument("--hours", type=float, required=True)
    verbs.choices["repeat"].add_argument("--links", action="store_true")
    verbs.choices["query"].add_argument("--prompts", dest="counts", type=int, nargs="+", default=[1, 16])
    verbs.choices["query"].add_argument("--threshold", type=float, default=None)
    options = vars(parser.parse_args())
    {"build": build, "repeat": repeat, "query": query}[options.pop("verb")](**options)


if __name__ == "__main__":
    main()
