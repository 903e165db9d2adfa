"""Choosing the clip of an event, and an onset that keeps the polyphony within its limit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flam.core import ConfigError
from flam.library.source_library import SourceClip
from flam.scenes.scene_config import SceneConfig, SourcePool

Span = tuple[int, int]


class ClipDrawer:
    """Draws clips as often as the recipe says.

    Parameters
    ----------
    clips : Sequence[SourceClip]
        the labelled events, at least one
    config : SceneConfig
        its pools, ``label_power`` and ``label_cap``

    Raises
    ------
    ConfigError
        a pool has no clip, or two pools name the same source

    Examples
    --------
    >>> from pathlib import Path
    >>> clip = SourceClip("dog", Path("dog.wav"), "dog bark", "", "event", "g", "", "made", "CC0")
    >>> ClipDrawer([clip], SceneConfig()).draw(np.random.default_rng(0)).clip_id
    'dog'
    """

    def __init__(self, clips: Sequence[SourceClip], config: SceneConfig):
        pools = config.pools or (SourcePool(1.0),)
        named = [source for pool in pools for source in pool.sources]
        if len(set(named)) < len(named):
            raise ConfigError(f"the pools name a source twice ({', '.join(sorted(named))}); name each once")
        self._cumulative_shares = np.cumsum([pool.share for pool in pools])
        self._pools: list[tuple[np.ndarray, list[list[SourceClip]]]] = []
        for pool in pools:
            by_label: dict[str, list[SourceClip]] = {}
            for clip in clips:
                if clip.source in pool.sources or (not pool.sources and clip.source not in named):
                    by_label.setdefault(clip.label, []).append(clip)
            if not by_label and pool.share > 0:
                known = ", ".join(sorted({clip.source for clip in clips}))
                raise ConfigError(
                    f"the pool of {', '.join(pool.sources) or 'all other sources'} has no labelled event; the "
                    f"library's sources are {known}: name some of them, or set pools to []"
                )
            counts = np.array([len(by_label[label]) for label in sorted(by_label)], np.float64)
            if config.label_cap is not None:
                counts = np.minimum(counts, config.label_cap)
            self._pools.append((np.cumsum(counts**config.label_power), [by_label[label] for label in sorted(by_label)]))

    def draw(self, rng: np.random.Generator) -> SourceClip:
        """One of the clips."""
        pool = _pick(rng, self._cumulative_shares) if len(self._pools) > 1 else 0
        cumulative_weights, clips_of_labels = self._pools[pool]
        clips = clips_of_labels[_pick(rng, cumulative_weights)]
        return clips[rng.integers(len(clips))]


def _pick(rng: np.random.Generator, cumulative: np.ndarray) -> int:
    place = np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right")
    return min(int(place), len(cumulative) - 1)


def free_onsets(taken: Sequence[Span], own: Sequence[Span], duration: int, end: int, most: int) -> list[Span]:
    """All onsets at which a piece finds room.

    Parameters
    ----------
    taken : Sequence[Span]
        (start, end) of the pieces of other events, in whole units of time, half-open
    own : Sequence[Span]
        (start, end) of the pieces of the same event, which never overlap; they count to the polyphony as well
    duration : int
        of the new piece
    end : int
        of the scene; the piece lies within [0, end]
    most : int
        events that may sound at once, the new one included

    Returns
    -------
    list[Span]
        (lowest, highest) onsets, both included, in time order; empty where there is no room

    Examples
    --------
    >>> free_onsets([(2, 5), (4, 8)], [], duration=1, end=10, most=2)
    [(0, 3), (5, 9)]
    """
    free, start = [], 0
    for first, last in sorted([*own, *_crowded([*taken, *own], most)]):
        free.append((start, min(first - duration, end - duration)))
        start = max(start, last)
    free.append((start, end - duration))
    return [(low, high) for low, high in free if low <= high]


def draw_from(rng: np.random.Generator, spans: Sequence[Span]) -> int:
    """A whole number from the intervals, all alike.

    Examples
    --------
    >>> draw_from(np.random.default_rng(0), [(1, 1), (5, 5)]) in (1, 5)
    True
    """
    place = int(rng.integers(sum(high - low + 1 for low, high in spans)))
    for low, high in spans:
        if place <= high - low:
            break
        place -= high - low + 1
    return low + place


def _crowded(spans: Sequence[Span], most: int) -> list[Span]:
    """Where so many spans overlap that another one would be too much."""
    # at one moment ends come before starts, as the spans are half-open
    changes = sorted([(start, 1) for start, _ in spans] + [(end, -1) for _, end in spans])
    crowded, count, since = [], 0, 0
    for moment, change in changes:
        if change > 0 and count == most - 1:
            since = moment
        if change < 0 and count == most:
            crowded.append((since, moment))
        count += change
    return crowded
