"""Feed damaged and hostile files to every reader: each must be read, or refused with one error of this package.

    python -m benchmarks.fuzz 500            # 500 files for each reader, seed 0
    python -m benchmarks.fuzz 2000 7 json    # 2000 for each reader whose name holds "json", seed 7

Each file is read in a process of its own, so that a crash, a hang (60 s) and memory beyond 4 GiB are findings too.
Files that failed are kept in ``fuzz_findings``. The suite runs the same readers for a few seconds without processes.
"""

from __future__ import annotations

import logging
import os
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.fuzz_audio import audio_readers
from benchmarks.fuzz_models import model_readers
from benchmarks.fuzz_readers import Reader, document_readers
from flam.core import FlamError

LONGEST_S = 60
LARGEST_BYTES = 4 << 30
SCRAPS = (
    *("", "nan", "-1", "1e999", "9" * 5_000, "9" * 25, "null", "true", "[]", "{}", "[[", "''", '"', "\t", "\n", "\0"),
    *("2001-99-99", "!!python/object/apply:os.system [id]", "!!binary x", "!!timestamp 1", "!!set {a}", "&a [*a]"),
    *("*a", "~", ".inf", "0x", "1_", "-", "?", ": ", ",", "\u202e", "\ud800", "[" * 3_000, '{"a":' * 3_000),
)


def readers() -> dict[str, Reader]:
    """All of them by name."""
    return document_readers() | model_readers() | audio_readers()


def damaged(content: bytes, rng: random.Random, is_text: bool) -> bytes:
    """The content with one kind of damage: cut, flipped, repeated, blanked; words exchanged where it is text."""
    kind = rng.randrange(8 if is_text else 5)
    here = rng.randrange(max(len(content), 1))
    there = min(len(content), here + rng.randrange(1, 200))
    if kind == 0:
        return content[:here]
    if kind == 1:
        flipped = bytearray(content)
        for _ in range(rng.choice((1, 8, 64)) if content else 0):
            flipped[rng.randrange(len(content))] = rng.choice((0, 255, 127, rng.randrange(256)))
        return bytes(flipped)
    if kind == 2:  # the first bytes, which say what follows
        flipped = bytearray(content)
        for _ in range(4 if content else 0):
            flipped[rng.randrange(min(len(content), 128))] = rng.choice((0, 255, rng.randrange(256)))
        return bytes(flipped)
    if kind == 3:
        return content[:here] + bytes(there - here) + content[there:]
    if kind == 4:
        return content[:here] + content[there:] if rng.random() < 0.5 else content[:there] + content[here:]
    text = content.decode("utf-8", "surrogateescape")
    places = list(re.finditer((r"[-\w.]+", r"-?\d[\d.e-]*", r"[:,\[\]{}\t\n]")[kind - 5], text))
    for place in sorted(rng.sample(places, min(len(places), rng.choice((1, 1, 3)))), key=lambda one: -one.start()):
        text = text[: place.start()] + rng.choice(SCRAPS) + text[place.end() :]
    return text.encode("utf-8", "surrogatepass")


def cases(reader: Reader, n_files: int, seed: int, folder: Path) -> Iterator[Path]:
    """Write damaged files one after the other, all under one name."""
    source = reader.make(folder)
    content, rng = source.read_bytes(), random.Random(seed)
    reader.read(source)  # the whole one is read
    for _ in range(n_files):
        source.write_bytes(damaged(content, rng, reader.is_text))
        yield source


def problem(reader: Reader, path: Path) -> str | None:
    """What is wrong with how a file was read; None where it was read, or refused as it should be."""
    try:
        reader.read(path)
    except FlamError as error:
        return "an error of several lines" if "\n" in str(error).strip() else None
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:200]}"
    return None


def main() -> int:
    """Run the readers that the command line names; 1 where something was found."""
    n_files, seed = (int(given) for given in (*sys.argv[1:3], "200", "0")[: max(len(sys.argv[1:3]), 2)][:2])
    wanted = sys.argv[3] if len(sys.argv) > 3 else ""
    logging.disable(logging.CRITICAL)
    n_found = 0
    for name, reader in readers().items():
        if wanted not in name:
            continue
        findings: dict[str, int] = {}
        slowest_s = 0.0
        with tempfile.TemporaryDirectory() as folder:
            for number, path in enumerate(cases(reader, n_files, seed, Path(folder))):
                begun = time.monotonic()
                found = _apart(reader, path)
                slowest_s = max(slowest_s, time.monotonic() - begun)
                if found is not None:
                    if found not in findings:
                        kept = Path("fuzz_findings")
                        kept.mkdir(exist_ok=True)
                        shutil.copy(path, kept / f"{name.replace(' ', '_')}_{seed}_{number}{path.suffix}")
                    findings[found] = findings.get(found, 0) + 1
        n_found += sum(findings.values())
        print(f"{name}: {n_files} files, {sum(findings.values())} findings, slowest {slowest_s:.1f} s", flush=True)
        for found, count in findings.items():
            print(f"    {count} x {found}", flush=True)
    return 1 if n_found else 0


def _apart(reader: Reader, path: Path) -> str | None:
    """As ``problem``, in a process of its own."""
    receiver, sender = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(receiver)
        signal.alarm(LONGEST_S)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        found = problem(reader, path) or ""
        if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10 > LARGEST_BYTES:
            found = found or "memory beyond the limit"
        os.write(sender, f"done {found}".encode(errors="replace"))
        os._exit(0)
    os.close(sender)
    with os.fdopen(receiver, "rb") as pipe:
        told = pipe.read().decode(errors="replace")
    _, status = os.waitpid(child, 0)
    if not told:
        return f"ended by signal {status & 127}"
    return told.removeprefix("done ") or None


if __name__ == "__main__":
    sys.exit(main())
