"""Clips of a source library: what they hold, and which of them training may see."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flam.annotations.rows import spreadsheet_plain
from flam.core import ConfigError, read_text

KINDS = ("event", "background", "speech", "music")
MADE_GROUP = "made"  # sounds of a project's own: for training alone, never for evaluation


@dataclass(frozen=True, slots=True)
class SourceClip:
    """One recording of the library.

    Parameters
    ----------
    clip_id : str
        unique name
    path : Path
        audio file
    label : str
        class shared by clips of the same sound; empty where nobody said what it holds
    caption : str
        plain words, may be empty
    kind : str
        one of event, background, speech, music
    group : str
        clips of one upload or one sitting share it; splits keep groups whole
    fold : str
        fold of a published split, or empty
    source, licence : str
        where it came from and on what terms, carried to the model card
    """

    clip_id: str
    path: Path
    label: str
    caption: str
    kind: str
    group: str
    fold: str
    source: str
    licence: str


def read_manifest(path: str | Path) -> list[SourceClip]:
    """Read a manifest CSV: columns id, file, label, caption, kind, group, source, licence; ``esc50_fold`` is optional.

    Raises
    ------
    ConfigError
        the file can't be read, lacks a column, repeats an id or names an unknown kind
    """
    path = Path(path)
    try:
        table = csv.DictReader(io.StringIO(read_text(path, ConfigError), newline=""))
        rows = []
        for row in table:
            if None in row:
                raise ConfigError(f"{path}, line {table.line_num}: has more cells than the first line; correct it")
            rows.append({name: spreadsheet_plain(cell or "") for name, cell in row.items()})
    except csv.Error as error:
        raise ConfigError(f"{path}: can't be read as a manifest ({error}); correct it") from error
    needed = {"id", "file", "label", "caption", "kind", "group", "source", "licence"}
    if not rows or needed - rows[0].keys():
        missing = sorted(needed - rows[0].keys()) if rows else sorted(needed)
        raise ConfigError(f"{path}: no clips, or no column {', '.join(missing)}; a manifest needs both")
    clips = []
    for number, row in enumerate(rows, start=2):
        if row["kind"] not in KINDS:
            raise ConfigError(f"{path}, line {number}: kind {row['kind']!r} is not one of {', '.join(KINDS)}")
        clips.append(
            SourceClip(
                clip_id=row["id"],
                path=path.parent / row["file"],
                label="" if row["label"] == "unlabelled" else row["label"],
                caption=row["caption"],
                kind=row["kind"],
                group=row["group"],
                fold=row.get("esc50_fold", ""),
                source=row["source"],
                licence=row["licence"],
            )
        )
    if len({clip.clip_id for clip in clips}) < len(clips):
        raise ConfigError(f"{path}: clip ids repeat; each clip needs its own")
    return clips


def held_out(clip: SourceClip, share: float, folds: Sequence[str], merged_sources: Sequence[str]) -> bool:
    """Whether a clip is kept for evaluation: its fold is named, or its group falls into the held-out share.

    Parameters
    ----------
    share : float
        part of the groups to hold out, in [0, 1]; a group's place depends on its name alone
    folds : Sequence[str]
        published folds that are held out whole; clips that have a fold follow it and nothing else
    merged_sources : Sequence[str]
        sources that share recordings and so count as one group

    Examples
    --------
    >>> clip = SourceClip("a", Path("a.ogg"), "bell", "", "event", "g1", "4", "x", "CC0")
    >>> held_out(clip, share=0.0, folds=["4"], merged_sources=[])
    True
    """
    if clip.fold:
        return clip.fold in folds
    group = "merged" if clip.source in merged_sources else clip.group
    place = int.from_bytes(hashlib.sha256(group.encode()).digest()[:4], "big") / 2**32
    return place < share


@dataclass(frozen=True)
class HeldOutConfig:
    """Which clips training must not hear, see ``held_out``.

    Parameters
    ----------
    share : float
        Part of the groups of each source.
    shares : dict of str to float
        Another part for some sources.
    folds, merged_sources : tuple of str
        Published folds that are held out, and sources whose groups count as one.
    """

    share: float = 0.08
    shares: dict[str, float] = field(default_factory=dict)
    folds: tuple[str, ...] = ()
    merged_sources: tuple[str, ...] = ()

    def holds_out(self, clip: SourceClip) -> bool:
        """Tell whether training must not hear a clip."""
        share = self.shares.get(clip.source, self.share)
        return clip.group != MADE_GROUP and held_out(clip, share, self.folds, self.merged_sources)
