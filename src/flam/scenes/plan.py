"""Drawing scene plans from a library: a function of (config, seed, index) alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from flam.core import ConfigError, round_half_up
from flam.library.source_library import SourceClip
from flam.library.stores import ClipMeasures
from flam.scenes.effects import Effects, RoomDrawer, draw_effects, draw_filter, in_room, source_seconds
from flam.scenes.placing import ClipDrawer, draw_from, free_onsets
from flam.scenes.scene import Piece, Placement, ScenePlan
from flam.scenes.scene_config import SceneConfig

# Times of a plan are whole milliseconds: whole samples at 48, 32 and 16 kHz.
PER_S = 1000


@dataclass(frozen=True)
class _Part:
    """A part of a clip that is to be placed.

    Parameters
    ----------
    first_s, available_s : float
        the active part of the clip: where it begins, and how long it is in the scene
    duration : int
        length in the scene, ms
    """

    clip: SourceClip
    effects: Effects
    first_s: float
    available_s: float
    duration: int


class SceneDrawer:
    """Draws plans from a library.

    Clips that are missing from ``measures``, silent or shorter than a millisecond are left out; ``skipped`` counts
    them by reason.

    Parameters
    ----------
    clips : Sequence[SourceClip]
        the library; their order does not matter
    measures : ClipMeasures
        lengths and active spans
    config : SceneConfig
        how to draw

    Raises
    ------
    ConfigError
        no labelled event, no background, speech or music where the configuration asks for some, or a pool without
        labelled event

    Examples
    --------
    >>> from pathlib import Path
    >>> from flam.library.stores import ClipMeasures
    >>> class Measures(ClipMeasures):
    ...     sample_rate = 48_000
    ...     def n_samples(self, clip_id):
    ...         return 48_000
    ...     def spans_s(self, clip_id):
    ...         return [(0.0, 1.0)]
    >>> clip = SourceClip("dog", Path("dog.wav"), "dog bark", "", "event", "g", "", "made", "CC0")
    >>> drawer = SceneDrawer([clip], Measures(), SceneConfig(background_share=0.0))
    >>> drawer.draw(seed=0, index=3) == drawer.draw(seed=0, index=3)
    True
    """

    def __init__(self, clips: Sequence[SourceClip], measures: ClipMeasures, config: SceneConfig):
        self.config = config
        self._measures = measures
        self.skipped: Counter[str] = Counter()
        usable = [clip for clip in sorted(clips, key=lambda clip: clip.clip_id) if self._is_usable(clip)]
        skipped = f" ({', '.join(f'{n} {why}' for why, n in self.skipped.items())})" if self.skipped else ""
        self._backgrounds = [clip for clip in usable if clip.kind == "background"]
        self._overlays = [clip for clip in usable if clip.kind in config.overlay.kinds]
        self._unlabelled = [clip for clip in usable if clip.kind != "background" and not clip.label]
        labelled = [clip for clip in usable if clip.kind != "background" and clip.label]
        if not labelled:
            raise ConfigError(
                f"the library has no labelled event that can be used{skipped}; a scene needs at least one"
            )
        if config.background_share > 0 and not self._backgrounds:
            raise ConfigError(
                f"the library has no background that can be used{skipped}; add some or set background_share to 0"
            )
        if config.overlay.share > 0 and not self._overlays:
            kinds = " or ".join(config.overlay.kinds)
            raise ConfigError(f"the library has no {kinds}{skipped}; add some or set overlay.share to 0")
        self._events = ClipDrawer(labelled, config)
        self._rooms = RoomDrawer(config.room)

    def draw(self, seed: int, index: int) -> ScenePlan:
        """The plan with this number; equal arguments give equal plans on every machine.

        Raises
        ------
        ConfigError
            a negative seed or index
        """
        if seed < 0 or index < 0:
            raise ConfigError(f"seed {seed} and index {index} must be 0 or greater")
        rng = np.random.Generator(np.random.PCG64([seed, index]))
        config = self.config
        background_db = round(config.background_db.draw(rng), 3)
        background = None
        if self._backgrounds and rng.random() < config.background_share:
            background = self._draw_background(rng, background_db)
        events, n_wanted, left_out = self._draw_events(rng, background_db)
        overlays = self._draw_overlay(rng, background_db, events) if rng.random() < config.overlay.share else []
        filter = draw_filter(rng, config.filter)
        peak_db = None if config.peak_db is None else round(config.peak_db.draw(rng), 3)
        events, overlays = self._in_a_room(rng, events, overlays)
        return ScenePlan(
            duration_s=config.duration_s,
            background=background,
            events=tuple(events),
            overlays=tuple(overlays),
            background_db=background_db,
            peak_db=peak_db,
            fade_s=config.fade_s,
            boundaries=config.boundaries,
            filter=filter,
            n_wanted=n_wanted,
            left_out=left_out,
            seed=seed,
            index=index,
        )

    def _is_usable(self, clip: SourceClip) -> bool:
        try:
            usable = self._measures.can_sound(clip.clip_id)
        except KeyError:
            self.skipped["missing or damaged"] += 1
            return False
        if not usable:
            self.skipped["silent or empty"] += 1
        return usable

    def _draw_background(self, rng: np.random.Generator, level_db: float) -> Placement:
        """A random part; a clip that is too short goes round, each round faded into the next."""
        config = self.config
        clip = self._backgrounds[rng.integers(len(self._backgrounds))]
        length = self._measures.n_samples(clip.clip_id) * PER_S // self._measures.sample_rate
        duration, fade = math.ceil(config.duration_s * PER_S), min(round_half_up(config.fade_s * PER_S), length // 2)
        source = (
            int(rng.integers(0, max(length - duration, 0) + 1))
            if length >= duration
            else int(rng.integers(length // 2))
        )
        pieces, onset = [], 0
        while True:
            taken = min(length - source, duration - onset)
            pieces.append(Piece(source / PER_S, onset / PER_S, min(taken / PER_S, config.duration_s - onset / PER_S)))
            if onset + taken >= duration:
                return Placement(
                    clip.clip_id, tuple(pieces), level_db, draw_effects(rng, config.effects, background=True)
                )
            onset, source = onset + taken - fade, 0

    def _draw_events(self, rng: np.random.Generator, background_db: float) -> tuple[list[Placement], int, int]:
        config = self.config
        single = rng.random() < config.single_share
        n_wanted = 1 if single else round_half_up(config.n_events.draw(rng))
        events: list[Placement] = []
        left_out = 0
        for _ in range(n_wanted):
            if single and self._unlabelled and rng.random() < config.unlabelled_share:
                clip = self._unlabelled[rng.integers(len(self._unlabelled))]
            else:
                clip = self._events.draw(rng)
            part = self._draw_part(rng, clip)
            cut = self._draw_cut(rng, part, single)
            pieces = self._place(rng, part, cut, [_span(piece) for event in events for piece in event.pieces])
            left_out += len(cut) - len(pieces)
            level_db = round(background_db + config.snr_db.draw(rng), 3)
            if pieces:
                events.append(Placement(clip.clip_id, pieces, level_db, part.effects))
        return events, n_wanted, left_out

    def _draw_part(self, rng: np.random.Generator, clip: SourceClip) -> _Part:
        """Which part of a clip sounds, in which speed."""
        config = self.config
        effects = draw_effects(rng, config.effects)
        spans_s = self._measures.spans_s(clip.clip_id)
        end_s = min(spans_s[-1][1], self._measures.n_samples(clip.clip_id) / self._measures.sample_rate)
        first_s = math.ceil(spans_s[0][0] * PER_S - 1e-6) / PER_S
        available_s = (end_s - first_s) / source_seconds(effects, 1.0)
        wanted_s = available_s if config.event_s is None else config.event_s.draw(rng)
        longest_s = min(available_s, wanted_s, config.max_event_s, config.duration_s)
        return _Part(clip, effects, first_s, available_s, max(math.floor(longest_s * PER_S + 1e-6), 1))

    def _draw_cut(self, rng: np.random.Generator, part: _Part, single: bool) -> list[tuple[float, int]]:
        """The pieces of an event before they have a place: where in the clip each begins, s, and its length, ms."""
        config = self.config
        spare_s = max(part.available_s - part.duration / PER_S, 0.0)
        spare_in_clip_s = source_seconds(part.effects, spare_s)
        if config.source_s is None:
            after_s = rng.uniform(0, spare_in_clip_s)
        else:
            after_s = min(config.source_s.draw(rng), spare_in_clip_s)
        source_s = part.first_s + math.floor(after_s * PER_S) / PER_S
        kind = rng.random()
        repeat_share = config.repeat.single_share if single else config.repeat.share
        if kind < repeat_share:
            short = part.duration <= config.repeat.longest_part * config.duration_s * PER_S
            times = round_half_up(config.repeat.times.draw(rng))
            return [(round(source_s, 6), part.duration)] * (times if short else 1)
        if not single and kind < repeat_share + config.split.share:
            shortest = max(round_half_up(config.split.shortest_s * PER_S), 1)
            n_pieces = min(round_half_up(config.split.pieces.draw(rng)), part.duration // shortest)
            if n_pieces >= 2:
                spare = part.duration - n_pieces * shortest
                cuts = np.sort(rng.integers(0, spare + 1, size=n_pieces - 1)) + shortest * np.arange(1, n_pieces)
                edges = [0, *cuts.tolist(), part.duration]
                return [
                    (round(source_s + source_seconds(part.effects, start / PER_S), 6), end - start)
                    for start, end in pairwise(edges)
                ]
        return [(round(source_s, 6), part.duration)]

    def _place(
        self, rng: np.random.Generator, part: _Part, cut: Sequence[tuple[float, int]], taken: Sequence[tuple[int, int]]
    ) -> tuple[Piece, ...]:
        """Give each piece an onset where the polyphony allows; those without room are left out."""
        config = self.config
        end = math.floor(config.duration_s * PER_S)
        own: list[tuple[int, int]] = []
        pieces = []
        for source_s, duration in cut:
            free = free_onsets(taken, own, duration, end, config.max_polyphony)
            onset = None
            if config.onset_s is None:
                onset = draw_from(rng, free) if free else None
            else:
                for _ in range(config.onset_attempts):
                    drawn = round_half_up(config.onset_s.draw(rng) * PER_S)
                    if any(low <= drawn <= high for low, high in free):
                        onset = drawn
                        break
            if onset is not None:
                own.append((onset, onset + duration))
                pieces.append(Piece(source_s, onset / PER_S, duration / PER_S))
        return tuple(pieces)

    def _draw_overlay(
        self, rng: np.random.Generator, background_db: float, events: Sequence[Placement]
    ) -> list[Placement]:
        """Speech or music that begins so that it meets one of the events."""
        config = self.config
        part = self._draw_part(rng, self._overlays[rng.integers(len(self._overlays))])
        level_db = round(background_db + config.overlay.snr_db.draw(rng), 3)
        [(source_s, duration), *_] = self._draw_cut(rng, part, single=True)
        if not events:
            return []
        start, end = _span(events[int(rng.integers(len(events)))].pieces[0])
        last = math.floor(config.duration_s * PER_S) - duration
        onset = int(rng.integers(min(max(start - duration + 1, 0), last), min(end - 1, last) + 1))
        piece = Piece(source_s, onset / PER_S, duration / PER_S)
        return [Placement(part.clip.clip_id, (piece,), level_db, part.effects)]

    def _in_a_room(
        self, rng: np.random.Generator, events: list[Placement], overlays: list[Placement]
    ) -> tuple[list[Placement], list[Placement]]:
        rooms = self._rooms.draw(rng, len(events) + len(overlays))
        if rooms is None:
            return events, overlays
        inside = [
            replace(placement, effects=in_room(placement.effects, room))
            for placement, room in zip([*events, *overlays], rooms, strict=True)
        ]
        return inside[: len(events)], inside[len(events) :]


def _span(piece: Piece) -> tuple[int, int]:
    onset = round_half_up(piece.onset_s * PER_S)
    return onset, onset + round_half_up(piece.duration_s * PER_S)
