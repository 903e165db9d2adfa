"""The procedural sounds as a source library: clips to plan with and a source to render from, without one audio file."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from flam.audio import a_weighted_levels_db, levels
from flam.core import ConfigError, FlamError, atomic_text, from_mapping, parse_json, seconds_to_samples
from flam.library import measure
from flam.library.measure import active_part
from flam.library.source_library import SourceClip
from flam.library.stores import ClipStore
from flam.procedural.takes import GENERATORS, SAMPLE_RATE, generate, natural_duration_s

# a moment this far below the take's loudest one is inactive, as it is in a bank of recordings
RELATIVE_THRESHOLD_DB = 35.0
MOST_TAKES = 10_000
SOURCE = "flam.procedural"
LICENCE = "Apache-2.0"


class TakeMeasures(NamedTuple):
    """Where a take is active, and the A-weighted level of those moments in dB re full scale."""

    spans_s: list[tuple[float, float]]
    level_db: float


def built_in_library(
    n_takes: int, seed: int = 0, labels: Sequence[str] | None = None, cache_bytes: int = 256_000_000
) -> tuple[list[SourceClip], ProceduralSource]:
    """Every procedural class as clips of a library, with the source that makes their waveforms when they are asked for.

    Parameters
    ----------
    n_takes : int
        takes per class
    seed : int, default 0
        any integer >= 0; each seed is another library
    labels : Sequence[str] | None, optional
        the classes, all of them by default
    cache_bytes : int, default 256000000
        most memory that takes are kept in

    Returns
    -------
    tuple[list[SourceClip], ProceduralSource]
        the clips, ordered by label and take, and their source

    Raises
    ------
    ConfigError
        no takes, a negative seed, or an unknown label

    Examples
    --------
    >>> clips, source = built_in_library(n_takes=2, seed=5, labels=["door slam"])
    >>> clips[1].clip_id, clips[1].kind, len(source.waveform(clips[1].clip_id)) == source.n_samples(clips[1].clip_id)
    ('door slam/1', 'event', True)
    """
    if not 1 <= n_takes <= MOST_TAKES:
        raise ConfigError(f"n_takes {n_takes} must be from 1 to {MOST_TAKES}")
    if seed < 0:
        raise ConfigError(f"seed {seed} must be 0 or greater")
    chosen = sorted(GENERATORS if labels is None else set(labels))
    unknown = [label for label in chosen if label not in GENERATORS]
    if unknown:
        raise ConfigError(f"no generator for {unknown[0]!r}; known labels: {', '.join(sorted(GENERATORS))}")
    clips = []
    for label in chosen:
        for take in range(n_takes):
            clip_id = f"{label}/{take}"
            clips.append(
                SourceClip(
                    clip_id=clip_id,
                    path=Path(clip_id),
                    label=label,
                    caption=GENERATORS[label].caption,
                    kind=GENERATORS[label].kind,
                    group=f"{SOURCE}/{seed}/{clip_id}",
                    fold="",
                    source=SOURCE,
                    licence=LICENCE,
                )
            )
    return clips, ProceduralSource(seed, cache_bytes)


class ProceduralSource(ClipStore):
    """Makes takes by clip id ``label/take``, the same ones in every process, and keeps the last ones used.

    Nothing is made or measured before a scene draws it.

    Parameters
    ----------
    seed : int
        of the library
    cache_bytes : int
        most memory that takes are kept in; their measures, which are small, are all kept

    Attributes
    ----------
    seed : int
        of the library
    measures : dict[str, TakeMeasures]
        what is known of takes by clip id; others are measured when they are asked for
    """

    sample_rate = SAMPLE_RATE

    def __init__(self, seed: int, cache_bytes: int):
        self.seed = seed
        self._cache_bytes = cache_bytes
        self._takes: OrderedDict[str, np.ndarray] = OrderedDict()
        self.measures: dict[str, TakeMeasures] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Travels without its waveforms, which every process can make."""
        return {**self.__dict__, "_takes": OrderedDict()}

    def n_samples(self, clip_id: str) -> int:
        """Length of a take in samples; nothing is made for it."""
        return seconds_to_samples(natural_duration_s(*self._origin(clip_id)), SAMPLE_RATE)

    def waveform(self, clip_id: str) -> np.ndarray:
        """(N,) float32 samples of a take, not to be written to."""
        take = self._takes.pop(clip_id, None)
        if take is None:
            take = generate(*self._origin(clip_id))
            take.flags.writeable = False
        self._takes[clip_id] = take
        while sum(kept.nbytes for kept in self._takes.values()) > self._cache_bytes and len(self._takes) > 1:
            self._takes.popitem(last=False)
        return take

    def spans_s(self, clip_id: str) -> list[tuple[float, float]]:
        """Where a take is active, (onset_s, offset_s) in seconds."""
        return self._measured(clip_id).spans_s

    def level_db(self, clip_id: str) -> float:
        """A-weighted level of the take's active part, dB re full scale."""
        return self._measured(clip_id).level_db

    def can_sound(self, clip_id: str) -> bool:
        """Always: a take is never silent."""
        return True

    def identity(self, clip_id: str) -> list[Any]:
        """Length of a take, and the version of the code that makes and measures it."""
        return [self.n_samples(clip_id), _code_version()]

    def _measured(self, clip_id: str) -> TakeMeasures:
        if clip_id not in self.measures:
            waveform = self.waveform(clip_id)
            levels_db = a_weighted_levels_db(waveform, SAMPLE_RATE)
            spans_s, level_db = active_part(levels_db, len(waveform), SAMPLE_RATE, RELATIVE_THRESHOLD_DB)
            self.measures[clip_id] = TakeMeasures(spans_s or [(0.0, len(waveform) / SAMPLE_RATE)], level_db)
        return self.measures[clip_id]

    def _origin(self, clip_id: str) -> tuple[str, int]:
        """Label and generator seed of a take."""
        label, _, take = clip_id.rpartition("/")
        if label not in GENERATORS or not take.isdecimal():
            raise ConfigError(f"no take {clip_id!r}; ids are 'label/number', as built_in_library() gives them")
        return label, int(np.random.SeedSequence([self.seed, int(take)]).generate_state(1)[0])


@contextlib.contextmanager
def kept_measures(source: ProceduralSource, folder: Path) -> Iterator[None]:
    """Take from a file what earlier runs measured of takes, and add to it afterwards what this one did.

    The file is of this version of the generators; one that can't be read or written costs time and nothing else.

    Parameters
    ----------
    source : ProceduralSource
        Measures the takes.
    folder : Path
        Where the file lies; made where it is missing.
    """
    path = folder / f"{_code_version()}_{source.seed}.json"
    with contextlib.suppress(OSError, FlamError):
        kept = from_mapping(_File, {"takes": parse_json(path.read_bytes(), str(path))}).takes
        source.measures.update(
            {clip_id: TakeMeasures(list(take.spans_s), take.level_db) for clip_id, take in kept.items()}
        )
    n_known = len(source.measures)
    try:
        yield
    finally:
        if len(source.measures) > n_known:
            with contextlib.suppress(OSError, FlamError):
                folder.mkdir(parents=True, exist_ok=True)
                with atomic_text(path) as file:
                    json.dump({clip_id: take._asdict() for clip_id, take in source.measures.items()}, file)


@dataclass(frozen=True)
class _Kept:
    """A take in the file."""

    spans_s: tuple[tuple[float, float], ...]
    level_db: float


@dataclass(frozen=True)
class _File:
    takes: dict[str, _Kept]


@lru_cache(maxsize=1)
def _code_version() -> str:
    """Of all code that decides how a take sounds and what it measures."""
    digest = hashlib.sha256()
    for path in [*sorted(Path(__file__).parent.glob("*.py")), Path(levels.__file__), Path(measure.__file__)]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
