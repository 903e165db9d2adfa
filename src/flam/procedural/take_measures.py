"""What takes measure, kept on the disk: planning scenes of thousands of takes need not make them again."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from flam.audio import levels
from flam.core import FlamError, atomic_text, from_mapping, parse_json, to_mapping
from flam.library import measure
from flam.library.source_library import SourceClip
from flam.procedural.built_in import ProceduralSource


@dataclass(frozen=True)
class _Kept:
    """A take in the file."""

    spans_s: tuple[tuple[float, float], ...]
    level_db: float


def measure_takes(
    clips: Sequence[SourceClip],
    source: ProceduralSource,
    folder: Path,
    progress: Callable[[int], None] = lambda done: None,
) -> None:
    """Measure the takes of a library, or take from a file what an earlier run measured.

    The file is of this version of the generators; one that can't be read or written costs time and nothing else.

    Parameters
    ----------
    clips : sequence of SourceClip
        What ``built_in_library`` gave, with ``source``.
    source : ProceduralSource
        Remembers the measures.
    folder : Path
        Where the file lies; made where it is missing.
    progress : callable
        Called with the number of takes that are done.
    """
    path = folder / f"{_version()}_{source.seed}.json"
    known: dict[str, _Kept] = {}
    with contextlib.suppress(OSError, FlamError):
        known = from_mapping(_File, {"takes": parse_json(path.read_bytes(), str(path))}).takes
    n_new = 0
    for done, clip in enumerate(clips, start=1):
        if clip.clip_id in known:
            kept = known[clip.clip_id]
            source.remember(clip.clip_id, list(kept.spans_s), kept.level_db)
        else:
            spans_s = tuple(source.spans_s(clip.clip_id))
            known[clip.clip_id] = _Kept(spans_s, source.level_db(clip.clip_id))
            n_new += 1
        progress(done)
    if n_new:
        with contextlib.suppress(OSError, FlamError):
            folder.mkdir(parents=True, exist_ok=True)
            with atomic_text(path) as file:
                json.dump(to_mapping(known), file)


@dataclass(frozen=True)
class _File:
    takes: dict[str, _Kept]


def _version() -> str:
    """Of all code that decides what a take measures."""
    digest = hashlib.sha256()
    for path in [*sorted(Path(__file__).parent.glob("*.py")), Path(levels.__file__), Path(measure.__file__)]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
