"""Boundary correction: a label holds where its event can be heard, not where its clip was placed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flam.core import seconds_to_samples

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
