"""Which clip an event is taken from: a pool of sources, then a label, then one of its clips."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flam.core import ConfigError
from flam.library.source_library import SourceClip
from flam.scenes.scene_config import Pool, SceneConfig


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
        pools = config.pools or (Pool(1.0),)
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
