"""Kill builds and compactions of an archive at random moments and see that the same command ends with the same archive.

    python benchmarks/search_kill.py recordings/ --kills 30

The recordings are built into an archive once without a kill. Then ``flam index build`` is killed with SIGKILL at random
moments of the time that it took, each time over what the kill before left, until all recordings are in; then in a new
folder, until there were as many kills as asked for. Every archive must equal the one without a kill: frames, levels,
vectors and facts of every recording. Then ``flam index compact`` is killed at random moments from when it begins to
write, each time on a copy of the archive, and run again. A segment is closed after half a second
instead of thirty, so that a short build has many; all else is the program as it is. What had been done at the moment of
a kill is counted.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from flam.search import Archive
from flam.search.catalogue import Catalogue
from flam.search.layout import OPEN_PREFIX, ArchiveFolder
from flam.search.maintain import check_archive

PROGRAM = (
    "import sys; from flam.search import build; build.MOST_SECONDS = 0.5; "
    "from flam.cli.main import main; sys.exit(main(sys.argv[1:]))"
)


def contents(path: Path) -> dict[str, str]:
    """A hash of all that an archive holds of each recording."""
    held = {}
    for segment, recordings in Archive(path).segments if ArchiveFolder(path).exists() else []:
        for row in recordings:
            rows = slice(row.first_frame, row.first_frame + row.n_frames)
            stored = segment.stored(rows)
            digest = hashlib.sha256()
            for part in (
                stored.prefix,
                stored.more,
                stored.detail,
                segment.level_db[rows],
                segment.clips[row.clip_row],
            ):
                digest.update(part.tobytes())
            digest.update(repr((row.content_hash, row.start_time, row.n_samples, row.problems)).encode())
            held[row.path] = digest.hexdigest()
    return held


def run(
    *arguments: object, kill_after_s: float | None = None, begun: Callable[[], bool] = lambda: True
) -> tuple[float, bool]:
    """Run the program, kill it some time after it has begun where that is asked for.

    Returns the seconds that it took, from when it had begun, and whether it was killed.
    """
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, *map(str, arguments)], stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not begun():
        time.sleep(0.0005)
    start = time.perf_counter()
    try:
        _, errors = process.communicate(timeout=kill_after_s)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()  # not for the pipe, which processes that it started hold a little longer
        return time.perf_counter() - start, True
    if process.returncode:
        raise SystemExit(f"{arguments}: exit code {process.returncode}\n{errors}")
    return time.perf_counter() - start, False


def phase(path: Path, n_recordings: int) -> str:
    """What of a build is done, and what was going on."""
    archive = ArchiveFolder(path)
    if not archive.exists():
        return "before there is an archive"
    with Catalogue.open(archive.catalogue_path) as catalogue:
        held = catalogue.contents()
    n_done = sum(map(len, held.recordings.values()))
    folders = {folder.name for folder in archive.segments_path.iterdir()} - set(held.segments.values())
    if any(not name.startswith(OPEN_PREFIX) for name in folders):
        return "a segment published or replaced, its files and the catalogue not yet agreed"
    doing = ", a segment being written" if folders else ""
    if n_done == n_recordings:
        return f"all recordings in{doing}"
    return f"{'some' if held.segments else 'no'} segments closed{doing}"


def check(path: Path, expected: dict[str, str]) -> None:
    """Raise unless an archive is complete, equal and undamaged."""
    assert contents(path) == expected
    assert list(check_archive(ArchiveFolder(path))) == []


def kill_builds(command: tuple[object, ...], folder: Path, expected: dict[str, str], took_s: float, kills: int) -> None:
    """Kill builds until there were enough kills; tell what they hit."""
    chance, hit, n_archives = random.Random(0), Counter[str](), 0
    while True:
        started_with = contents(folder)
        _, was_killed = run(*command, folder, kill_after_s=chance.uniform(0.02, 1.0) * took_s)
        hit[phase(folder, len(expected)) if was_killed else "ended before the kill"] += 1
        held = contents(folder)
        assert started_with.items() <= held.items() <= expected.items()
        n_killed = hit.total() - hit["ended before the kill"]
        print(f"build killed {n_killed} times, {len(held)} of {len(expected)} recordings done", flush=True)
        if len(held) == len(expected) or n_killed >= kills:
            run(*command, folder)
            check(folder, expected)
            n_archives += 1
            if n_killed >= kills:
                break
            shutil.rmtree(folder)
    print(f"build: {n_archives} archives of {len(expected)} recordings equal after {n_killed} kills: {dict(hit)}")


def kill_compactions(source: Path, folder: Path, expected: dict[str, str], kills: int) -> None:
    """Kill compactions of copies of an archive, from when they begin to write."""
    segments, n_before = ArchiveFolder(folder).segments_path, len(Archive(source).segments)

    def is_writing() -> bool:
        return any(path.name.startswith(OPEN_PREFIX) for path in segments.iterdir())

    shutil.copytree(source, folder)
    took_s, _ = run("index", "compact", folder, begun=is_writing)
    check(folder, expected)
    n_after = len(Archive(folder).segments)
    chance, hit = random.Random(1), Counter[str]()
    while (n_killed := hit.total() - hit["ended before the kill"]) < kills:
        shutil.rmtree(folder)
        shutil.copytree(source, folder)
        kill_after_s = chance.uniform(0.0, 1.0) * took_s
        _, was_killed = run("index", "compact", folder, kill_after_s=kill_after_s, begun=is_writing)
        if not was_killed:
            hit["ended before the kill"] += 1
        elif is_writing():
            hit["a segment being written"] += 1
        elif len(list(segments.iterdir())) > n_after:
            is_replaced = len(Archive(folder).segments) < n_before
            hit["replaced, old files being removed" if is_replaced else "written, not yet in the catalogue"] += 1
        else:
            hit["all done"] += 1
        assert contents(folder) == expected
        run("index", "compact", folder)
        check(folder, expected)
        assert len(Archive(folder).segments) == n_after
    print(f"compact: {n_before} segments became {n_after}, equal after each of {n_killed} kills: {dict(hit)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        whole, killed = Path(work, "whole"), Path(work, "killed")
        build = ("index", "build", options.folder, "--jobs", options.jobs, "-q", "-o")
        took_s, _ = run(*build, whole)
        expected = contents(whole)
        print(f"{len(expected)} recordings in {len(Archive(whole).segments)} segments, {took_s:.1f} s", flush=True)
        kill_builds(build, killed, expected, took_s, options.kills)
        kill_compactions(whole, Path(work, "compacted"), expected, options.kills)


if __name__ == "__main__":
    main()
