"""Scanning: gathered clips are measured in several processes, and a scan that was stopped goes on where it was."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from flam.core import ConfigError, OutputError, from_mapping, output_lock, parse_json
from flam.core.processes import each_file
from flam.core.progress import Progress
from flam.library.clip_table import LibraryRow, SourceLibrary, read_library, require_table_name, write_library
from flam.library.gather import FoundClip, LibraryConfig, gather_clips, settled_kind
from flam.library.measure import MeasureOutcome, measure_file
from flam.library.source_library import SourceClip

MEASURING_VERSION = 2

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _FileState:
    """A file as it was when it was measured, and how: while this is unchanged, so are the measures."""

    path: str
    size_bytes: int
    mtime_ns: int
    measured_by: str


@dataclass(frozen=True)
class _Measured:
    """A line of what was measured before."""

    file: _FileState
    outcome: MeasureOutcome


def scan_library(
    inputs: Sequence[str | Path],
    table: str | Path,
    config: LibraryConfig | None = None,
    workers: int = 0,
    progress: Progress | None = None,
    on_problem: Callable[[str], None] = logger.warning,
) -> SourceLibrary:
    """Measure the clips of folders and manifests into one table, equal for any number of workers.

    What was measured is kept in ``<table>.partial`` until the table is written, and a later scan into the same table
    measures only files that are new or changed.

    Parameters
    ----------
    inputs : Sequence[str | Path]
        as for ``gather_clips``
    table : str | Path
        .csv or .parquet to write
    config : LibraryConfig | None, optional
        roles, labels, groups; None for the defaults
    workers : int, default 0
        processes; 0 works in this one
    progress : Progress | None, optional
        called with (clips measured, clips in all)
    on_problem : Callable[[str], None], optional
        called with a line for what can't be gathered; damaged, silent and empty files are rows with a remark

    Returns
    -------
    SourceLibrary
        what was written

    Raises
    ------
    ConfigError
        as ``gather_clips``, or a table with another suffix
    OutputError
        the table can't be written

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from flam.audio import write_audio
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     noise = np.random.default_rng(0).normal(0, 0.1, 24_000).astype(np.float32)
    ...     write_audio(f"{folder}/noise.wav", noise, 48_000)
    ...     library = scan_library([folder], f"{folder}/library.csv")
    >>> library.rows[0].clip.kind, library.rows[0].measures.duration_s, library.rows[0].status
    ('event', 0.5, 'ok')
    """
    table = require_table_name(table)
    config = LibraryConfig() if config is None else config
    found = gather_clips(inputs, config, on_problem)
    measured_by = f"{MEASURING_VERSION}:{config.relative_threshold_db:g}"
    states = {f.clip.path: _state(f.clip.path, measured_by) for f in found}
    with output_lock(table):
        return _measured(found, states, table, config, workers, progress)


def _measured(
    found: Sequence[FoundClip],
    states: dict[Path, _FileState],
    table: Path,
    config: LibraryConfig,
    workers: int,
    progress: Progress | None,
) -> SourceLibrary:
    memory = _Memory(Path(f"{table}.partial"))
    outcomes = {**_of_table(table), **memory.recall()}
    missing = [path for path, state in states.items() if state not in outcomes]
    n_done = len(found) - len(missing)
    _tell(progress, n_done, len(found))
    measure = partial(measure_file, relative_threshold_db=config.relative_threshold_db)
    with memory:
        for path, outcome in each_file(missing, measure, _crashed, workers):
            outcomes[states[path]] = outcome
            memory.keep(states[path], outcome)
            n_done += 1
            _tell(progress, n_done, len(found))
    library = SourceLibrary(list(_rows(found, states, outcomes, config)))
    write_library(library, table)
    memory.forget()
    return library


def _rows(
    found: Sequence[FoundClip],
    states: dict[Path, _FileState],
    outcomes: dict[_FileState, MeasureOutcome],
    config: LibraryConfig,
) -> Iterator[LibraryRow]:
    measured = [outcomes[states[f.clip.path]] for f in found]
    contents = [outcome.measures.content if outcome.measures else "" for outcome in measured]
    clips = merge_groups([f.clip for f in found], contents)
    for f, clip, outcome in zip(found, clips, measured, strict=True):
        if outcome.measures is not None:
            texts = [clip.clip_id, clip.label, clip.caption, f.about]
            clip = replace(clip, kind=settled_kind(clip.kind, outcome.measures.duration_s, texts, config))
        state = states[clip.path]
        given = "given" if clip.caption else ""
        yield LibraryRow(
            clip=clip,
            about=f.about,
            caption_from=given,
            status=outcome.status,
            remark=outcome.remark,
            measures=outcome.measures,
            size_bytes=state.size_bytes,
            mtime_ns=state.mtime_ns,
            measured_by=state.measured_by,
        )


def _state(path: Path, measured_by: str) -> _FileState:
    try:
        status = path.stat()
        return _FileState(os.path.realpath(path), status.st_size, status.st_mtime_ns, measured_by)
    except OSError:
        return _FileState(os.path.realpath(path), -1, -1, measured_by)


def _of_table(table: Path) -> dict[_FileState, MeasureOutcome]:
    """What an earlier scan measured; nothing where there is no table, or one that can't be read and is replaced."""
    if not table.exists():
        return {}
    try:
        rows = read_library(table).rows
    except ConfigError as error:
        raise OutputError(f"{error}; or name another table, so that this one is not replaced") from error
    return {
        _FileState(os.path.realpath(row.clip.path), row.size_bytes, row.mtime_ns, row.measured_by): MeasureOutcome(
            row.status, row.remark, row.measures
        )
        for row in rows
    }


class _Memory:
    """One line of JSON for each file that is measured; a line cut off by a crash is passed over."""

    def __init__(self, path: Path):
        self._path = path

    def recall(self) -> dict[_FileState, MeasureOutcome]:
        try:
            lines = self._path.read_bytes().splitlines()
        except OSError:
            return {}
        return dict(remembered for line in lines if (remembered := _remembered(line)) is not None)

    def __enter__(self) -> _Memory:
        try:
            self._file = open(self._path, "ab")
        except OSError as error:
            raise OutputError(f"{self._path}: can't be written ({error.strerror}); choose another table") from error
        self._file.write(b"\n")  # ends a line that was cut off
        return self

    def keep(self, state: _FileState, outcome: MeasureOutcome) -> None:
        line = json.dumps({"file": asdict(state), "outcome": asdict(outcome)}) + "\n"
        try:
            self._file.write(line.encode())
            self._file.flush()
        except OSError as error:
            raise OutputError(f"{self._path}: can't be written ({error.strerror}); make space") from error

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def forget(self) -> None:
        self._path.unlink(missing_ok=True)


def _remembered(line: bytes) -> tuple[_FileState, MeasureOutcome] | None:
    try:
        entry = from_mapping(_Measured, parse_json(line, "a line"))
    except ConfigError:
        return None
    return entry.file, entry.outcome


def _crashed(path: Path) -> MeasureOutcome:
    return MeasureOutcome("damaged", "ended the process that read it; convert or remove the file", None)


def _tell(progress: Progress | None, n_done: int, n_all: int) -> None:
    if progress is not None:
        progress(n_done, n_all)


def merge_groups(clips: Sequence[SourceClip], contents: Sequence[str]) -> list[SourceClip]:
    """Give clips of equal content one group, and clips without a fold the fold of their group.

    Groups grow together through their members: where a clip of group a is a copy of one of group b, all of a and b
    become one group, named as the first of them in the alphabet. An empty group is the clip's own.

    Parameters
    ----------
    clips : Sequence[SourceClip]
        the library
    contents : Sequence[str]
        for each clip, a hash of its samples; empty where it could not be read

    Returns
    -------
    list[SourceClip]
        the clips in the same order

    Examples
    --------
    >>> from pathlib import Path
    >>> clips = [SourceClip(n, Path(n), "", "", "", g, "", "", "") for n, g in ("1b", "2a", "3b")]
    >>> [clip.group for clip in merge_groups(clips, ["x", "x", "y"])]
    ['a', 'a', 'a']
    """
    parent: dict[str, str] = {}

    def root(group: str) -> str:
        parent.setdefault(group, group)
        while parent[group] != group:
            parent[group] = group = parent[parent[group]]
        return group

    groups = [clip.group or f"clip {clip.clip_id}" for clip in clips]
    first_group_of: dict[str, str] = {}
    for group, content in zip(groups, contents, strict=True):
        one, other = root(group), root(first_group_of.setdefault(content, group) if content else group)
        parent[max(one, other)] = min(one, other)
    fold_of: dict[str, str] = {}
    for clip, group in zip(clips, groups, strict=True):
        if clip.fold:
            fold_of[root(group)] = min(clip.fold, fold_of.get(root(group), clip.fold))
    return [
        replace(clip, group=root(group), fold=clip.fold or fold_of.get(root(group), ""))
        for clip, group in zip(clips, groups, strict=True)
    ]
