"""The scan: which frames of a segment reach a cosine, found from 64 bytes of most frames, losing none that does.

Codes bound the cosines from above, first those of a prefix, then further ones; what passes is checked against the
stored vector itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np

from flam.core.processor import available_cores
from flam.search.bounds import Bounds
from flam.search.codec import Codec
from flam.search.segment import Segment

PRODUCTS_AT_ONCE = 1 << 20
MOST_ROWS, FEWEST_ROWS = 1 << 18, 1 << 12
CHECKED_AT_ONCE = 1 << 13
# products of vectors of length 1 in float32, and the turn along the axes, stay well within this
FLOAT_ERROR = 1e-5


@dataclass(frozen=True, eq=False)
class Hits:
    """Frames that reach the cosine of one query.

    Parameters
    ----------
    frames : numpy.ndarray
        (H,) int64 rows of the segment, ascending.
    cosines : numpy.ndarray
        (H,) float32.
    """

    frames: np.ndarray
    cosines: np.ndarray


class Scanner:
    """Finds the frames of segments that reach a cosine with each of several queries.

    Parameters
    ----------
    codec : Codec
        Of the archive.
    queries : numpy.ndarray
        (K, D) float32, of length 1.
    min_cosines : numpy.ndarray
        (K,) lowest cosine that counts; infinite for a query that nothing reaches.
    n_threads : int, optional
        Threads; None takes one for each core.
    """

    def __init__(self, codec: Codec, queries: np.ndarray, min_cosines: np.ndarray, n_threads: int | None = None):
        self._n_queries = len(queries)
        self._reachable = np.flatnonzero(np.isfinite(min_cosines))
        self._kept = codec.rotate(queries)[self._reachable, : codec.n_kept]
        self._min_cosines = np.asarray(min_cosines, np.float64)[self._reachable] - FLOAT_ERROR
        self._bounds = Bounds(codec, self._kept, self._min_cosines)
        self._n_threads = available_cores() if n_threads is None else n_threads
        largest = PRODUCTS_AT_ONCE // max(len(self._reachable), 1)
        self._rows_at_once = min(max(largest, FEWEST_ROWS), MOST_ROWS)

    def scan(self, segment: Segment, cancelled: Callable[[], bool] = lambda: False) -> list[Hits]:
        """All frames of a segment that reach the cosine of each query, K results.

        Parameters
        ----------
        segment : Segment
            Segment
        cancelled : callable
            Asked now and then; True ends the scan early.
        """
        limits = self._bounds.limits(segment.header)
        starts = range(0, segment.header.n_frames if len(self._reachable) else 0, self._rows_at_once)

        def scan_chunk(start: int) -> list[tuple[np.ndarray, Hits]]:
            return [] if cancelled() else list(self._scan_chunk(segment, start, limits))

        with ThreadPoolExecutor(self._n_threads) if self._n_threads > 1 else nullcontext() as pool:
            chunks = (map if pool is None else pool.map)(scan_chunk, starts)
            return self._by_query([found for chunk in chunks for found in chunk])

    def _scan_chunk(self, segment: Segment, start: int, limits: np.ndarray) -> Iterator[tuple[np.ndarray, Hits]]:
        """Queries, ascending, with a frame that reaches the cosine of each."""
        products = self._bounds.products(segment.prefix[start : start + self._rows_at_once])
        places = [np.flatnonzero(reached) for reached in products >= limits[:, None]]
        queries, within = np.repeat(np.arange(len(places)), [len(rows) for rows in places]), np.concatenate(places)
        for first in range(0, len(queries), CHECKED_AT_ONCE):
            some = slice(first, first + CHECKED_AT_ONCE)
            own = products[queries[some], within[some]]
            yield self._checked(segment, *self._bounds.narrowed(segment, queries[some], within[some] + start, own))

    def _checked(self, segment: Segment, queries: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, Hits]:
        cosines = np.einsum("ij,ij->i", segment.values(rows), self._kept[queries])
        reached = cosines >= self._min_cosines[queries]
        return queries[reached], Hits(rows[reached], cosines[reached])

    def _by_query(self, found: list[tuple[np.ndarray, Hits]]) -> list[Hits]:
        queries = self._reachable[np.concatenate([np.zeros(0, np.int64), *(queries for queries, _ in found)])]
        frames = np.concatenate([np.zeros(0, np.int64), *(hits.frames for _, hits in found)])
        cosines = np.concatenate([np.zeros(0, np.float32), *(hits.cosines for _, hits in found)])
        # pieces are in the order of time
        order = np.argsort(queries, kind="stable")
        ends = np.cumsum(np.bincount(queries, minlength=self._n_queries))[:-1]
        return [Hits(*both) for both in zip(np.split(frames[order], ends), np.split(cosines[order], ends), strict=True)]
