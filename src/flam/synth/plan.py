"""Scene plans: what sounds when and how loud, as pure data, a function of (config, seed, index) alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from flam.core import ConfigError
from flam.synth.source_library import SourceClip


@dataclass(frozen=True)
class SceneConfig:
    """How scenes are drawn: as in the paper, with choices of our own for training a small model.

    Parameters
    ----------
    duration_s : length of a scene
    background_share : part of the scenes that have a background
    single_share : part of the scenes that hold one source only, so that clips are also heard unmixed
    n_events : fewest and most events of a mixed scene, both included
    max_polyphony : most events active at once
    snr_db : range of an event's level above the background, uniform
    level_db : range of the whole scene's peak level, dB re full scale, uniform
    max_event_s : longer sources are cut to a random part of this length
    repeat_share : part of the short events that occur two or three times
    shape_share : part of the events with a random equaliser and band limit
    speed_share, speed : part of the events played faster or slower, and the range of their speed, uniform
    label_cap : a label is drawn in proportion to the square root of its number of clips, at most this many
    """

    duration_s: float = 5.12
    background_share: float = 0.7
    single_share: float = 0.35
    n_events: tuple[int, int] = (1, 4)
    max_polyphony: int = 3
    snr_db: tuple[float, float] = (0.0, 25.0)
    level_db: tuple[float, float] = (-30.0, -1.0)
    max_event_s: float = 5.0
    repeat_share: float = 0.3
    shape_share: float = 0.5
    speed_share: float = 0.4
    speed: tuple[float, float] = (0.85, 1.18)
    label_cap: int = 60

    def __post_init__(self) -> None:
        if self.n_events[0] < 1 or self.n_events[1] < self.n_events[0]:
            raise ValueError(f"n_events {self.n_events} must be 1 <= fewest <= most")
        if self.duration_s <= 0 or self.max_event_s <= 0 or self.max_polyphony < 1:
            raise ValueError("duration_s and max_event_s must be positive, max_polyphony at least 1")


@dataclass(frozen=True)
class Placement:
    """One source in a scene.

    Parameters
    ----------
    clip_id : which clip
    source_s : where in the clip (after the change of speed) the part begins, seconds
    onset_s, duration_s : where it lies in the scene, seconds
    level_db : A-weighted level of the source's active part in the scene, dB re full scale before the scene's own gain
    speed : playback speed, 1 leaves the clip as it is
    equaliser_db : gain at 0, 1/3, 2/3 and all of a logarithmic axis from 50 Hz to 20 kHz, empty for none
    band_limit_hz : what lies above is removed; None for no limit
    """

    clip_id: str
    source_s: float
    onset_s: float
    duration_s: float
    level_db: float
    speed: float = 1.0
    equaliser_db: tuple[float, ...] = ()
    band_limit_hz: float | None = None


@dataclass(frozen=True)
class ScenePlan:
    """A scene: its sources, background first where there is one, and its peak level.

    Parameters
    ----------
    duration_s : length in seconds
    peak_db : level of the highest peak, dB re full scale
    background : at most one, as long as the scene
    events : the foreground
    """

    duration_s: float
    peak_db: float
    background: Placement | None
    events: tuple[Placement, ...]


class ClipMeasures(Protocol):
    """What a plan needs to know of a clip; a waveform bank tells it."""

    sample_rate: int

    def n_samples(self, clip_id: str) -> int: ...

    def spans_s(self, clip_id: str) -> list[tuple[float, float]]: ...


class SceneDrawer:
    """Draws plans from a library.

    Parameters
    ----------
    clips : the library, each clip present in ``measures``
    measures : lengths and active spans
    config : how to draw

    Raises
    ------
    ConfigError : no events, or no backgrounds where the configuration asks for some
    """

    BACKGROUND_LEVEL_DB = -40.0

    def __init__(self, clips: Sequence[SourceClip], measures: ClipMeasures, config: SceneConfig):
        self.config = config
        self._measures = measures
        self._backgrounds = [clip for clip in clips if clip.kind == "background"]
        self._unlabelled = [clip for clip in clips if clip.kind != "background" and not clip.label]
        self._by_label: dict[str, list[SourceClip]] = {}
        for clip in clips:
            if clip.kind != "background" and clip.label:
                self._by_label.setdefault(clip.label, []).append(clip)
        if not self._by_label:
            raise ConfigError("the library has no labelled event; a scene needs at least one")
        if config.background_share > 0 and not self._backgrounds:
            raise ConfigError("the library has no background; add some or set background_share to 0")
        self._labels = sorted(self._by_label)
        weights = np.sqrt([min(len(self._by_label[label]), config.label_cap) for label in self._labels])
        self._label_probability = weights / weights.sum()

    def draw(self, seed: int, index: int) -> ScenePlan:
        """The plan with this number; equal arguments give equal plans on every machine."""
        rng = np.random.Generator(np.random.PCG64([seed, index]))
        config = self.config
        with_background = bool(self._backgrounds) and rng.random() < config.background_share
        background = self._draw_background(rng) if with_background else None
        events = self._draw_single(rng) if rng.random() < config.single_share else self._draw_mixed(rng)
        return ScenePlan(config.duration_s, float(rng.uniform(*config.level_db)), background, tuple(events))

    def _draw_background(self, rng: np.random.Generator) -> Placement:
        clip = self._backgrounds[rng.integers(len(self._backgrounds))]
        length_s = self._measures.n_samples(clip.clip_id) / self._measures.sample_rate
        source_s = float(rng.uniform(0, max(length_s - self.config.duration_s, 0)))
        return self._shaped(rng, clip, source_s, 0.0, self.config.duration_s, self.BACKGROUND_LEVEL_DB, 1.0)

    def _draw_clip(self, rng: np.random.Generator) -> SourceClip:
        candidates = self._by_label[self._labels[rng.choice(len(self._labels), p=self._label_probability)]]
        return candidates[rng.integers(len(candidates))]

    def _draw_single(self, rng: np.random.Generator) -> list[Placement]:
        n_unlabelled = len(self._unlabelled)
        pick_unlabelled = n_unlabelled > 0 and rng.random() < 0.08
        clip = self._unlabelled[rng.integers(n_unlabelled)] if pick_unlabelled else self._draw_clip(rng)
        return self._place(rng, clip, repeat=rng.random() < 0.5, taken=[])

    def _draw_mixed(self, rng: np.random.Generator) -> list[Placement]:
        events: list[Placement] = []
        for _ in range(rng.integers(self.config.n_events[0], self.config.n_events[1] + 1)):
            repeat = rng.random() < self.config.repeat_share
            events += self._place(rng, self._draw_clip(rng), repeat, events)
        return events

    def _place(
        self, rng: np.random.Generator, clip: SourceClip, repeat: bool, taken: Sequence[Placement]
    ) -> list[Placement]:
        """One source at a random place, or up to three takes of it; what finds no room is left out."""
        config = self.config
        speed = float(rng.uniform(*config.speed)) if rng.random() < config.speed_share else 1.0
        spans_s = self._measures.spans_s(clip.clip_id)
        first_s, last_s = spans_s[0][0] / speed, spans_s[-1][1] / speed
        longest_s = min(config.max_event_s, config.duration_s)
        duration_s = min(last_s - first_s, longest_s)
        source_s = first_s + float(rng.uniform(0, last_s - first_s - duration_s))
        level_db = self.BACKGROUND_LEVEL_DB + float(rng.uniform(*config.snr_db))
        copies = int(rng.integers(2, 4)) if repeat and duration_s < config.duration_s / 3 else 1
        template = self._shaped(rng, clip, source_s, 0.0, duration_s, level_db, speed)
        placed: list[Placement] = []
        for _ in range(copies):
            for _attempt in range(8):
                onset_s = float(rng.uniform(0, config.duration_s - duration_s))
                candidate = replace(template, onset_s=onset_s)
                if _polyphony([*taken, *placed], candidate) < config.max_polyphony and not _overlaps(placed, candidate):
                    placed.append(candidate)
                    break
        return placed

    def _shaped(
        self,
        rng: np.random.Generator,
        clip: SourceClip,
        source_s: float,
        onset_s: float,
        duration_s: float,
        level_db: float,
        speed: float,
    ) -> Placement:
        equaliser_db: tuple[float, ...] = ()
        band_limit_hz = None
        if rng.random() < self.config.shape_share:
            equaliser_db = tuple(float(gain) for gain in rng.normal(0.0, 5.0, size=4))
            if rng.random() < 0.4:
                band_limit_hz = float(math.exp(rng.uniform(math.log(3500), math.log(16000))))
        return Placement(clip.clip_id, source_s, onset_s, duration_s, level_db, speed, equaliser_db, band_limit_hz)


def _overlaps(others: Sequence[Placement], placement: Placement) -> bool:
    end_s = placement.onset_s + placement.duration_s
    return any(o.onset_s < end_s and placement.onset_s < o.onset_s + o.duration_s for o in others)


def _polyphony(others: Sequence[Placement], placement: Placement) -> int:
    """Most of the others that are active at one moment of a placement."""
    end_s = placement.onset_s + placement.duration_s
    moments = [placement.onset_s, *(o.onset_s for o in others if placement.onset_s <= o.onset_s < end_s)]
    return max(sum(o.onset_s <= moment < o.onset_s + o.duration_s for o in others) for moment in moments)
