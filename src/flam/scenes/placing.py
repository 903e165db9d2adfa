"""Where a piece may begin so that never more events sound at once than allowed: worked out, not tried."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Span = tuple[int, int]


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
