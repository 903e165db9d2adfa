"""Scene plans: which sounds, when and how loud, as pure data that fits a line of JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from flam.core import from_mapping, parse_json, seconds_to_samples
from flam.scenes.effects import Effects, Filter

LONGEST_SCENE_S = 3 * 3600.0

Span = tuple[int, int]


@dataclass(frozen=True)
class Boundaries:
    """When an event counts as heard, by its A-weighted level in the finished scene.

    Parameters
    ----------
    threshold_db : float, default -70.0
        a frame below this level is inactive, dB re full scale
    below_loudest_db : float | None, optional
        so is a frame so far below the event's loudest one; None for no such rule
    fill_s : float, default 0.2
        shorter gaps between active frames are filled, first
    drop_s : float, default 0.04
        shorter active spans are dropped, afterwards
    """

    threshold_db: float = -70.0
    below_loudest_db: float | None = None
    fill_s: float = 0.2
    drop_s: float = 0.04

    def __post_init__(self) -> None:
        if self.fill_s < 0 or self.drop_s < 0:
            raise ValueError(f"fill_s {self.fill_s} and drop_s {self.drop_s} must not be negative")
        if self.below_loudest_db is not None and self.below_loudest_db <= 0:
            raise ValueError(
                f"below_loudest_db is {self.below_loudest_db}; it must be positive, or null for no such rule"
            )


def correct_spans(
    active: Sequence[Span], placed: Sequence[Span], sample_rate: int, boundaries: Boundaries
) -> list[Span]:
    """Fill, drop, and keep to where pieces were placed.

    Parameters
    ----------
    active : Sequence[Span]
        spans of active frames, samples of the scene, in any order
    placed : Sequence[Span]
        spans of the event's pieces
    sample_rate : int
        Hz
    boundaries : Boundaries
        the rules

    Returns
    -------
    list[Span]
        list of (start, end) in time order, samples; each begins no earlier than a piece and ends no later than one

    Examples
    --------
    >>> correct_spans([(0, 960), (4800, 9600), (20000, 20500)], [(480, 30000)], 48000, Boundaries())
    [(480, 9600)]
    """
    fill, drop = (seconds_to_samples(seconds, sample_rate) for seconds in (boundaries.fill_s, boundaries.drop_s))
    filled: list[Span] = []
    for start, end in sorted(active):
        if filled and (start - filled[-1][1] < fill or start <= filled[-1][1]):
            filled[-1] = (filled[-1][0], max(end, filled[-1][1]))
        else:
            filled.append((start, end))
    spans = []
    for start, end in filled:
        touched = [(first, last) for first, last in placed if first < end and start < last]
        if end - start >= drop and touched:
            spans.append((max(start, min(first for first, _ in touched)), min(end, max(last for _, last in touched))))
    return spans


@dataclass(frozen=True)
class Piece:
    """A part of a clip at its place in the scene.

    Parameters
    ----------
    source_s : float
        where in the clip the part begins
    onset_s, duration_s : float
        where it lies in the scene, once its speed is changed
    """

    source_s: float
    onset_s: float
    duration_s: float

    @property
    def offset_s(self) -> float:
        """Where it ends in the scene."""
        return self.onset_s + self.duration_s


@dataclass(frozen=True)
class Placement:
    """One source in a scene.

    Its level is the mean A-weighted power of its active frames: of all 50 ms windows, one every 20 ms counted from the
    start of the clip, whose hop lies at least partly in a piece, those within 35 dB of the loudest.

    Parameters
    ----------
    clip_id : str
        which clip
    pieces : tuple[Piece, ...]
        where it sounds: one piece, or several of an event that is repeated or split, or of a looped background
    level_db : float
        in the scene, dB re full scale, before the scene is scaled as a whole
    effects : Effects, optional
        what happens to it before it is mixed
    """

    clip_id: str
    pieces: tuple[Piece, ...]
    level_db: float
    effects: Effects = Effects()

    @property
    def onset_s(self) -> float:
        """Start of the earliest piece."""
        return min(piece.onset_s for piece in self.pieces)

    @property
    def offset_s(self) -> float:
        """End of the latest piece."""
        return max(piece.offset_s for piece in self.pieces)


@dataclass(frozen=True)
class ScenePlan:
    """A scene: its sources and what is done to all of them.

    Parameters
    ----------
    duration_s : float
        length
    background : Placement | None
        sounds throughout; None for none
    events : tuple[Placement, ...]
        the foreground, in the order in which it was drawn
    overlays : tuple[Placement, ...], default ()
        speech or music over events
    background_db : float, default -50.0
        level to which the levels of the events refer, dB re full scale
    peak_db : float | None, optional
        level of the highest peak, dB re full scale; None to scale only a scene that would clip
    fade_s : float, default 0.01
        linear fade at both ends of every piece
    boundaries : Boundaries, optional
        how labels are corrected to where events can be heard
    filter : Filter | None, optional
        an equaliser and band limit of every source
    n_wanted : int, default 0
        events that were asked for
    left_out : int, default 0
        pieces of events that found no room
    seed, index : int, default 0
        of the drawing
    """

    duration_s: float
    background: Placement | None
    events: tuple[Placement, ...]
    overlays: tuple[Placement, ...] = ()
    background_db: float = -50.0
    peak_db: float | None = None
    fade_s: float = 0.01
    boundaries: Boundaries = field(default_factory=Boundaries)
    filter: Filter | None = None
    n_wanted: int = 0
    left_out: int = 0
    seed: int = 0
    index: int = 0

    def __post_init__(self) -> None:
        require_duration(self.duration_s)

    @property
    def placements(self) -> tuple[Placement, ...]:
        """All sources in the order of the stems: background, events, overlays."""
        return (*(() if self.background is None else (self.background,)), *self.events, *self.overlays)


def require_duration(duration_s: float) -> None:
    """Refuse a length that no scene has, before memory is asked for.

    Raises
    ------
    ValueError
        Not above 0, or beyond ``LONGEST_SCENE_S``.
    """
    if not 0 < duration_s <= LONGEST_SCENE_S:
        raise ValueError(f"duration_s is {duration_s}; it must be above 0 and at most {LONGEST_SCENE_S:g}")


def plan_to_json(plan: ScenePlan) -> str:
    """A plan as one line of JSON; what equals its default is left out.

    Examples
    --------
    >>> plan = ScenePlan(10.0, None, (Placement("dog", (Piece(0.0, 1.5, 0.8),), -30.0),))
    >>> plan_to_json(plan)
    '{"duration_s":10.0,"background":null,"events":[{"clip_id":"dog","pieces":[[0.0,1.5,0.8]],"level_db":-30.0}]}'
    >>> plan_from_json(plan_to_json(plan)) == plan
    True
    """
    return json.dumps(_compact(plan), ensure_ascii=False, separators=(",", ":"))


def plan_from_json(line: str) -> ScenePlan:
    """The reverse of ``plan_to_json``: an equal plan.

    Raises
    ------
    ConfigError
        not JSON, or not a plan; the message names the place
    """
    mapping = parse_json(line, "plan", remedy="a plan is one line of plan_to_json")
    for placement in _placements(mapping):
        pieces = placement.get("pieces")
        if isinstance(pieces, list):
            names = [piece_field.name for piece_field in dataclasses.fields(Piece)]
            placement["pieces"] = [
                dict(zip(names, piece, strict=True)) if isinstance(piece, list) and len(piece) == len(names) else piece
                for piece in pieces
            ]
    return from_mapping(ScenePlan, mapping, "plan")


def _placements(mapping: Any) -> list[dict[str, Any]]:
    if not isinstance(mapping, dict):
        return []
    found = [mapping.get("background")]
    for key in ("events", "overlays"):
        found += mapping[key] if isinstance(mapping.get(key), list) else []
    return [placement for placement in found if isinstance(placement, dict)]


def _compact(value: Any) -> Any:
    if isinstance(value, Piece):
        return [value.source_s, value.onset_s, value.duration_s]
    if dataclasses.is_dataclass(value):
        return {
            item.name: _compact(getattr(value, item.name))
            for item in dataclasses.fields(value)
            if not _is_default(value, item)
        }
    return [_compact(item) for item in value] if isinstance(value, tuple) else value


def _is_default(value: Any, item: dataclasses.Field) -> bool:
    if item.default_factory is not dataclasses.MISSING:
        return getattr(value, item.name) == item.default_factory()
    return item.default is not dataclasses.MISSING and getattr(value, item.name) == item.default
