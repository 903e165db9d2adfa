"""The scan: which frames of a segment may reach a cosine, found from 64 bytes a frame, losing none that does.

A query becomes a column of 7-bit weights for the 64 bytes of a prefix, the weight of the last byte being the length of
the query's own rest. One integer product is then an upper bound of the cosine, up to rounding of the weights and of the
codes, for which the threshold is lowered by as much as they can add up to. Where whole vectors are large, frames that
pass are bounded once more by codes along further axes; what passes is checked against the stored vector itself.

Weights have 7 bits because two products of 8 by 8 bits overflow the 16 bits that processors without dot product
instructions (AVX2) add them in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np

from flam.core.processor import available_cores
from flam.search.codec import PREFIX_BYTES, REST_STEP, ZERO_CODE, Codec
from flam.search.kernels import product
from flam.search.segment import Segment

LARGEST_WEIGHT = 63
PRODUCTS_AT_ONCE = 1 << 20
MOST_ROWS, FEWEST_ROWS = 1 << 18, 1 << 12
CHECKED_AT_ONCE = 1 << 11
SQUARE_ERROR = 4e-6
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
        self._codec = codec
        rotated = codec.rotate(queries)
        self._kept = rotated[:, : codec.n_kept]
        self._min_cosines = np.asarray(min_cosines, np.float64) - FLOAT_ERROR
        self._prefix = rotated[:, : codec.n_prefix].astype(np.float64)
        self._rest_norm = np.linalg.norm(self._kept[:, codec.n_prefix :].astype(np.float64), axis=1)
        self._weights, self._scales, self._lost = self._rounded_weights()
        self._reachable = np.flatnonzero(np.isfinite(self._min_cosines))
        self._n_threads = available_cores() if n_threads is None else n_threads
        # columns of the product, for queries that anything can reach
        self._columns = np.ascontiguousarray(self._weights[self._reachable].T)
        largest = MOST_ROWS if not len(self._reachable) else PRODUCTS_AT_ONCE // len(self._reachable)
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
        limits, found = self._integer_limits(segment), [list[Hits]() for _ in self._min_cosines]
        starts = range(0, segment.header.n_frames if len(self._reachable) else 0, self._rows_at_once)

        def scan_chunk(start: int) -> list[tuple[int, Hits]]:
            return [] if cancelled() else self._scan_chunk(segment, start, limits)

        with ThreadPoolExecutor(self._n_threads) if self._n_threads > 1 else nullcontext() as pool:
            for hits_of_chunk in (map if pool is None else pool.map)(scan_chunk, starts):
                for query, hits in hits_of_chunk:
                    found[query].append(hits)
        return [_joined(hits) for hits in found]

    def cosines(self, values: np.ndarray) -> np.ndarray:
        """(T, K) float32 cosines of (T, X) decoded frames."""
        return values @ self._kept.T

    def _rounded_weights(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(K, 64) int8 weights, the value of a unit of each query's product, and the length that rounding changed."""
        n_prefix, steps = self._codec.n_prefix, self._codec.axes.steps[: self._codec.n_prefix].astype(np.float64)
        exact = np.zeros((len(self._prefix), PREFIX_BYTES))
        exact[:, :n_prefix] = self._prefix * steps
        exact[:, -1] = self._rest_norm * REST_STEP
        scales = np.maximum(np.abs(exact).max(axis=1, initial=0.0), 1e-12) / LARGEST_WEIGHT
        weights = np.rint(exact / scales[:, None])
        # the last weight multiplies a length, which is never negative: rounded up it still bounds
        weights[:, -1] = np.minimum(np.ceil(exact[:, -1] / scales), LARGEST_WEIGHT)
        lost = np.linalg.norm(exact[:, :n_prefix] - weights[:, :n_prefix] * scales[:, None], axis=1)
        return weights.astype(np.int8), scales, lost

    def _integer_limits(self, segment: Segment) -> np.ndarray:
        """(K,) int32: a frame whose product is below it cannot reach the cosine of the query."""
        header = segment.header
        slack = self._lost * header.code_norm + np.linalg.norm(self._prefix, axis=1) * header.prefix_error
        offset = self._scales * self._weights[:, -1] * ZERO_CODE  # the length is stored from 0, not from ZERO_CODE
        limits = (self._min_cosines - slack - offset) / self._scales
        return np.floor(limits).clip(-(2.0**31), 2.0**31 - 1).astype(np.int32)

    def _scan_chunk(self, segment: Segment, start: int, limits: np.ndarray) -> list[tuple[int, Hits]]:
        prefix = segment.prefix[start : start + self._rows_at_once]
        found = []
        for query, rows in self._candidates(prefix, limits):
            for first in range(0, len(rows), CHECKED_AT_ONCE):
                some = rows[first : first + CHECKED_AT_ONCE]
                if self._codec.n_more:
                    some = self._narrowed(segment, query, prefix[some], some + start)
                else:
                    some = some + start
                found.append((query, self._checked(segment, query, some)))
        return found

    def _candidates(self, prefix: np.ndarray, limits: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Queries with the rows whose products reach their limits."""
        for query, products in zip(self._reachable.tolist(), product(prefix, self._columns, ZERO_CODE), strict=True):
            rows = np.flatnonzero(products >= limits[query])
            if len(rows):
                yield query, rows

    def _narrowed(self, segment: Segment, query: int, prefix: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The rows that may still reach the cosine when twice as many axes are read."""
        values = self._codec.coarse_values(prefix, segment.more[rows])
        more, error = values[:, self._codec.n_prefix :], segment.header.coarse_error
        known = self._kept[query, : values.shape[1]]
        length = prefix[:, -1] * np.float32(REST_STEP)
        # what is left of the length of the rest, with room for what a sum of squares may be off
        of_more = np.maximum(np.sqrt(np.einsum("ij,ij->i", more, more)) - error, 0)
        left = np.sqrt(np.maximum(length**2 - of_more**2, 0) + SQUARE_ERROR)
        unknown = np.linalg.norm(self._kept[query, values.shape[1] :])
        bound = _dot(values, known) + left * unknown + error * np.linalg.norm(known)
        return rows[bound >= self._min_cosines[query]]

    def _checked(self, segment: Segment, query: int, rows: np.ndarray) -> Hits:
        cosines = _dot(segment.values(rows), self._kept[query])
        reached = cosines >= self._min_cosines[query]
        return Hits(rows[reached], cosines[reached])


def _dot(values: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Products of (H, X) rows with a vector; a matrix product would start threads of its own in each of ours."""
    return np.einsum("ij,j->i", values, vector)


def _joined(hits: list[Hits]) -> Hits:
    if not hits:
        return Hits(np.zeros(0, np.int64), np.zeros(0, np.float32))
    return Hits(np.concatenate([hit.frames for hit in hits]), np.concatenate([hit.cosines for hit in hits]))
