"""A benchmark (recordings, questions, ground truth), and the protocol of a system under evaluation."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

import numpy as np

from flam.core import ConfigError, Event, FrameScores

if TYPE_CHECKING:
    from flam.detection import DetectionConfig

Task = Literal["frames", "ambience", "paraphrases", "near misses", "retrieval", "classify"]
ON_FRAMES = ("frames", "ambience", "paraphrases")  # tasks that ask for the scores of frames
N_SHOWN = 5


@dataclass(frozen=True)
class Item:
    """One recording and what is true of it, each field for the task that needs it.

    Parameters
    ----------
    name : str
        unique in the benchmark
    path : Path
        audio file
    duration_s : float | None, optional
        what its length should be, seconds; None where nobody says
    events : tuple[Event, ...], default ()
        what sounds when, by prompt; none where nothing does
    captions : tuple[str, ...], default ()
        sentences about it
    prompt : str, default ""
        the class that it is
    not_judged : frozenset[str], default frozenset()
        prompts of which nobody can say whether they sound in it; it has no events of these
    """

    name: str
    path: Path
    duration_s: float | None = None
    events: tuple[Event, ...] = ()
    captions: tuple[str, ...] = ()
    prompt: str = ""
    not_judged: frozenset[str] = frozenset()


@dataclass(frozen=True)
class OperatingPoints:
    """At which thresholds frame scores are judged, beside those that a system ships with.

    Parameters
    ----------
    false_alarms_per_minute : float or None
        Where all prompts together have so many false alarms: the thresholds of all prompts are moved alike. None to
        leave it out.
    prompts_at_once : tuple of int
        Numbers of prompts that somebody asks for together: each time all prompts are asked, in random groups of so
        many, and the system settles its thresholds for each group.
    """

    false_alarms_per_minute: float | None = 2.5
    prompts_at_once: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.false_alarms_per_minute is not None and not self.false_alarms_per_minute > 0:
            raise ValueError(f"false_alarms_per_minute is {self.false_alarms_per_minute}; it must be above 0")
        if not all(number >= 1 for number in self.prompts_at_once):
            raise ValueError(f"prompts_at_once is {self.prompts_at_once}; each number must be at least 1")

    @property
    def equal_title(self) -> str:
        """What tables call the point of equal false alarms; empty where it is left out."""
        per_minute = self.false_alarms_per_minute
        return "" if per_minute is None else f"at {per_minute:g} false alarms a minute"


@dataclass(frozen=True)
class OtherTexts:
    """Texts to compare with labels.

    Parameters
    ----------
    of_label : mapping of str to tuple of str
        Label to other words for it (task "paraphrases"), or to labels of similar sounds (task "near misses").
    n_training_clips : mapping of str to int
        Label to the number of its clips that training may hear; a label that is not there has none.
    """

    of_label: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    n_training_clips: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Benchmark:
    """Recordings and questions about them.

    Parameters
    ----------
    name : str
        how it is asked for
    task : Task
        "frames": when does each prompt sound; "ambience": the same where none of them does; "paraphrases": the same by
        other words; "near misses": is a recording closer to its label than to similar ones; "retrieval": which caption
        belongs to which recording; "classify": which of the prompts is it
    items : tuple[Item, ...]
        the recordings
    prompts : tuple[str, ...], default ()
        K texts; every one is asked of every recording
    remarks : tuple[str, ...], default ()
        what a reader of the figures has to know
    problems : tuple[str, ...], default ()
        what of the benchmark is missing or can't be used, one line each
    n_listed : int | None, optional
        recordings it should have; None for as many as there are
    points : OperatingPoints, optional
        at which thresholds frame scores are judged
    other_texts : OtherTexts, optional
        for the tasks that need them

    Raises
    ------
    ConfigError
        nothing to ask or to evaluate, names or prompts that repeat, prompts of items that are not asked

    Examples
    --------
    >>> dog = Item("a", Path("a.wav"), events=(Event(0.0, 1.0, "dog"),))
    >>> Benchmark("mine", "frames", (dog,), ("dog", "cat")).n_listed
    1
    >>> Benchmark("m", "frames", (dog,), ("cat",))
    Traceback (most recent call last):
    flam.core.errors.ConfigError: benchmark 'm': recordings hold 1 classes beside its prompts: dog; add or correct them
    """

    name: str
    task: Task
    items: tuple[Item, ...]
    prompts: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    n_listed: int | None = None
    points: OperatingPoints = field(default_factory=OperatingPoints)
    other_texts: OtherTexts = field(default_factory=OtherTexts)

    def __post_init__(self) -> None:
        where = f"benchmark {self.name!r}"
        if self.n_listed is None:
            object.__setattr__(self, "n_listed", len(self.items))
        if not self.items:
            raise ConfigError(f"{where}: no recordings; give at least one")
        _require_unique(where, "recordings", [item.name for item in self.items])
        _require_unique(where, "prompts", list(self.prompts))
        if self.task == "retrieval":
            _require_all(where, "caption", [item for item in self.items if not item.captions])
            return
        if not self.prompts:
            raise ConfigError(f"{where}: no prompts; say what to ask for")
        if self.task in ("classify", "near misses"):
            _require_all(where, "class", [item for item in self.items if not item.prompt])
        elif self.task != "ambience" and not any(item.events for item in self.items):
            raise ConfigError(f"{where}: no events in any of {len(self.items)} recordings, so nothing can be found")
        there = {event.prompt for item in self.items for event in item.events}
        there |= {item.prompt for item in self.items if item.prompt}
        unasked = sorted(there - set(self.prompts))
        if unasked:
            raise ConfigError(
                f"{where}: recordings hold {len(unasked)} classes beside its prompts: "
                f"{', '.join(unasked[:N_SHOWN])}; add or correct them"
            )

    def limited(self, n_items: int | None) -> Benchmark:
        """The same with at most so many recordings, taken evenly from all of them.

        Examples
        --------
        >>> items = tuple(Item(str(i), Path("a"), captions=("rain",)) for i in range(10))
        >>> [item.name for item in Benchmark("mine", "retrieval", items).limited(3).items]
        ['0', '3', '6']
        """
        if n_items is None or n_items >= len(self.items):
            return self
        places = [number * len(self.items) // n_items for number in range(n_items)]
        fewer = self.with_items(tuple(self.items[place] for place in places))
        remark = f"{n_items} of {len(self.items)} recordings, taken evenly"
        return dataclasses.replace(fewer, n_listed=n_items, remarks=(*self.remarks, remark))

    def with_items(self, items: tuple[Item, ...]) -> Benchmark:
        """The same about other recordings."""
        return dataclasses.replace(self, items=items)


def _require_unique(where: str, what: str, names: list[str]) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if repeated:
        raise ConfigError(f"{where}: {what} that occur more than once: {', '.join(repeated[:N_SHOWN])}; name each once")


def _require_all(where: str, what: str, without: list[Item]) -> None:
    if without:
        names = ", ".join(item.name for item in without[:N_SHOWN])
        raise ConfigError(f"{where}: {len(without)} recordings have no {what}: {names}; give one or leave them out")


class System(Protocol):
    """A model under evaluation; a method that no asked benchmark needs may raise.

    Attributes
    ----------
    name : str
        in tables and pictures, unique among the systems of a report
    fingerprint : str
        equal only for systems that give equal answers; what was computed is remembered under it

    Examples
    --------
    >>> class Silence:
    ...     name, fingerprint = "silence", "silence-1"
    ...     def frame_scores(self, audio, prompts):
    ...         from flam.core import TimeGrid
    ...         return FrameScores(np.zeros((100, len(prompts)), np.float32), tuple(prompts), TimeGrid(10, 1), 0, 100)
    >>> Silence().frame_scores(Path("ten_seconds.wav"), ["dog"]).end_s
    10.0
    """

    name: str
    fingerprint: str

    def frame_scores(self, audio: Path, prompts: Sequence[str]) -> FrameScores:
        """Scores in [0, 1] of all frames of a recording for K prompts; its errors are reported per recording."""

    def audio_features(self, audio: Path) -> np.ndarray:
        """(D,) vector of a recording; its product with a text's is their similarity."""

    def text_features(self, texts: Sequence[str]) -> np.ndarray:
        """(K, D) vectors of texts."""


@runtime_checkable
class HasOperatingPoint(Protocol):
    """A system that comes with rules for making events of its scores, and is judged by them as well."""

    def operating_point(self, prompts: Sequence[str]) -> DetectionConfig | None:
        """The rules for ``frame_scores`` of these prompts; None where nobody chose any."""
