"""Groups that no split may cut: copies of one recording share theirs, wherever they lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flam.library.source_library import SourceClip


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
