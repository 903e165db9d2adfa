"""Configuration of scenes; the defaults are the paper's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from flam.scenes.distributions import (
    Constant,
    Distribution,
    Integers,
    Uniform,
    check_bounds,
    check_share,
)
from flam.scenes.effects import EffectsConfig, FilterConfig, RoomConfig
from flam.scenes.scene import Boundaries, require_duration

MOST_EVENTS = 10_000


@dataclass(frozen=True)
class SourcePool:
    """A part of the library's sources.

    Parameters
    ----------
    share : float
        part of the events that come from it; the shares of all pools add up to 1
    sources : tuple[str, ...], default ()
        as the library's source column names them; empty for all that no other pool names
    """

    share: float
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class SplitConfig:
    """Events cut into fragments that lie apart.

    Parameters
    ----------
    share : float, default 0.1
        part of the events
    pieces : Distribution, optional
        how many fragments
    shortest_s : float, default 0.25
        no fragment is shorter; an event too short for two stays whole
    """

    share: float = 0.1
    pieces: Distribution = Integers((2, 3))
    shortest_s: float = 0.25

    def __post_init__(self) -> None:
        check_share("share", self.share)
        check_bounds("pieces", self.pieces, 2, MOST_EVENTS)
        if self.shortest_s <= 0:
            raise ValueError(f"shortest_s is {self.shortest_s}; it must be positive")


@dataclass(frozen=True)
class RepeatConfig:
    """Events that occur several times.

    Parameters
    ----------
    share : float, default 0.1
        part of the events; none of them is split
    single_share : float, default 0.1
        the same for scenes of a single source
    times : Distribution, optional
        how often they occur
    longest_part : float, optional
        events longer than this part of the scene are never repeated
    """

    share: float = 0.1
    single_share: float = 0.1
    times: Distribution = Integers((2, 3))
    longest_part: float = 1 / 3

    def __post_init__(self) -> None:
        check_share("share", self.share)
        check_share("single_share", self.single_share)
        check_share("longest_part", self.longest_part)
        check_bounds("times", self.times, 2, MOST_EVENTS)


@dataclass(frozen=True)
class OverlayConfig:
    """Speech or music laid over events, beyond the polyphony of the scene.

    Parameters
    ----------
    share : float, default 0.0
        part of the scenes
    kinds : tuple[Literal['speech', 'music'], ...], default ('speech', 'music')
        what is laid over
    snr_db : Distribution, optional
        its level above the background
    """

    share: float = 0.0
    kinds: tuple[Literal["speech", "music"], ...] = ("speech", "music")
    snr_db: Distribution = Uniform((0.0, 15.0))

    def __post_init__(self) -> None:
        check_share("share", self.share)
        if not self.kinds:
            raise ValueError("kinds is empty; name speech, music or both, or set share to 0")


@dataclass(frozen=True)
class SceneConfig:
    """How scenes are drawn; the defaults are the paper's, and ours where it is silent.

    Parameters
    ----------
    duration_s : float, default 10.0
        length of a scene
    background_share : float, default 1.0
        part of the scenes that have a background
    background_db : Distribution, optional
        A-weighted level of the background, dB re full scale; where there is none, events are still placed above this
        level
    single_share : float, default 0.0
        part of the scenes that hold one source only, so that clips are also heard unmixed
    unlabelled_share : float, default 0.0
        part of the single scenes whose source has no label, where the library has such clips
    n_events : Distribution, optional
        events of a mixed scene; those that find no room are left out and counted
    max_polyphony : int, default 3
        most events active at once
    pools : tuple[SourcePool, ...], default ()
        parts of the library and how often events come from them; empty for one pool of everything
    label_power : float, default 1.0
        a label is drawn in proportion to its number of clips, at most ``label_cap``, to this power; then one of its
        clips, all alike. 1 without cap draws all clips alike, 0 all labels alike
    label_cap : int | None, optional
        a label is drawn in proportion to its number of clips, at most ``label_cap``, to this power; then one of its
        clips, all alike. 1 without cap draws all clips alike, 0 all labels alike
    snr_db : Distribution, optional
        level of an event above the background, both A-weighted, see ``Placement``
    source_s : Distribution | None, optional
        where in the active part of a clip the event begins; None for anywhere
    event_s : Distribution | None, optional
        length of an event, where the clip is long enough; None for all of its active part
    max_event_s : float, default 10.0
        longer events are cut to a part of this length
    onset_s : Distribution | None, optional
        when events begin; None for anywhere that the polyphony allows
    onset_attempts : int, default 8
        a drawn onset without room is drawn again, so often in all, before the event is left out
    split : SplitConfig, optional
        events in fragments, events that occur several times
    repeat : RepeatConfig, optional
        events in fragments, events that occur several times
    fade_s : float, default 0.01
        linear fade at both ends of every piece
    peak_db : Distribution | None, optional
        level of the scene's highest peak, to which the whole scene is scaled; None to scale only scenes that would clip
    boundaries : Boundaries, optional
        how labels are corrected to where events can be heard
    overlay : OverlayConfig, optional
        speech or music over events
    effects : EffectsConfig, optional
        what happens to single sounds
    filter : FilterConfig, optional
        an equaliser and band limit of the whole scene
    room : RoomConfig, optional
        reverberation
    """

    duration_s: float = 10.0
    background_share: float = 1.0
    background_db: Distribution = Constant(-50.0)
    single_share: float = 0.0
    unlabelled_share: float = 0.0
    n_events: Distribution = Integers((1, 10))
    max_polyphony: int = 3
    pools: tuple[SourcePool, ...] = ()
    label_power: float = 1.0
    label_cap: int | None = None
    snr_db: Distribution = Uniform((6.0, 30.0))
    source_s: Distribution | None = None
    event_s: Distribution | None = None
    max_event_s: float = 10.0
    onset_s: Distribution | None = None
    onset_attempts: int = 8
    split: SplitConfig = field(default_factory=SplitConfig)
    repeat: RepeatConfig = field(default_factory=RepeatConfig)
    fade_s: float = 0.01
    peak_db: Distribution | None = None
    boundaries: Boundaries = field(default_factory=Boundaries)
    overlay: OverlayConfig = field(default_factory=OverlayConfig)
    effects: EffectsConfig = field(default_factory=EffectsConfig)
    filter: FilterConfig = field(default_factory=FilterConfig)
    room: RoomConfig = field(default_factory=RoomConfig)

    def __post_init__(self) -> None:
        for name in ("duration_s", "max_event_s"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be positive")
        require_duration(self.duration_s)
        for name in ("max_polyphony", "onset_attempts"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.label_cap is not None and self.label_cap < 1:
            raise ValueError(f"label_cap is {self.label_cap}; it must be at least 1, or null for none")
        for name in ("background_share", "single_share", "unlabelled_share"):
            check_share(name, getattr(self, name))
        check_share("split.share + repeat.share", self.split.share + self.repeat.share)
        check_bounds("n_events", self.n_events, 1, MOST_EVENTS)
        check_bounds("event_s", self.event_s, 0.01)
        check_bounds("source_s", self.source_s, 0.0)
        check_bounds("peak_db", self.peak_db, -120.0, 0.0)
        if self.fade_s < 0:
            raise ValueError(f"fade_s is {self.fade_s}; it must not be negative")
        if self.pools and abs(sum(pool.share for pool in self.pools) - 1) > 1e-6:
            raise ValueError(f"the shares of the pools add up to {sum(pool.share for pool in self.pools)}, not to 1")
        if sum(not pool.sources for pool in self.pools) > 1:
            raise ValueError("two pools name no sources; one alone can have all that the others leave")
