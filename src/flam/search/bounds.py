"""Upper bounds of the cosines of queries with stored frames, from codes of 8 bits alone: none is ever too low.

A query becomes a column of 7-bit weights for the 64 bytes of a prefix, the weight of the last byte being the length of
the query's own rest. One integer product is then an upper bound of the cosine, up to rounding of the weights and of the
codes, for which the threshold is lowered by as much as they can add up to. Frames that pass are bounded again with the
codes along further axes.

Weights have 7 bits because two products of 8 by 8 bits overflow the 16 bits that processors without dot product
instructions (AVX2) add them in.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from flam.search.codec import PREFIX_AXES, REST_STEP, ZERO_CODE, Codec
from flam.search.kernels import product
from flam.search.segment import Segment, SegmentHeader

LARGEST_WEIGHT = 63
SQUARE_ERROR = 4e-6


@dataclass(frozen=True, eq=False)
class Weights:
    """Vectors of K queries in whole numbers.

    Parameters
    ----------
    columns : numpy.ndarray
        (X, K) int8.
    scales : numpy.ndarray
        (K,) what a unit of each query's product is worth.
    lost : numpy.ndarray
        (K,) length of what rounding changed.
    """

    columns: np.ndarray
    scales: np.ndarray
    lost: np.ndarray

    @staticmethod
    def rounded(exact: np.ndarray, n_rounded_up: int = 0) -> Weights:
        """Of (K, X) values; the last ones can be rounded up, which then counts as nothing lost."""
        scales = np.maximum(np.abs(exact).max(axis=1, initial=0.0), 1e-12) / LARGEST_WEIGHT
        units, n_nearest = exact / scales[:, None], exact.shape[1] - n_rounded_up
        weights = np.rint(units)
        weights[:, n_nearest:] = np.minimum(np.ceil(units[:, n_nearest:]), LARGEST_WEIGHT)
        lost = scales * np.linalg.norm((units - weights)[:, :n_nearest], axis=1)
        return Weights(np.ascontiguousarray(weights.T.astype(np.int8)), scales, lost)


class Bounds:
    """Which frames may reach a cosine with each of several queries.

    Parameters
    ----------
    codec : Codec
        Of the archive.
    kept : numpy.ndarray
        (K, X) queries along the axes that the form keeps.
    min_cosines : numpy.ndarray
        (K,) lowest cosine that counts.
    """

    def __init__(self, codec: Codec, kept: np.ndarray, min_cosines: np.ndarray):
        self._codec, self._min_cosines = codec, min_cosines
        n_prefix, n_known = codec.n_prefix, codec.n_prefix + codec.n_further
        self._known = np.ascontiguousarray(kept[:, :n_known])
        exact, steps = kept.astype(np.float64), codec.axes.steps.astype(np.float64)
        self._prefix_norm, self._known_norm, self._unknown_norm, rest_norm = (
            np.linalg.norm(part, axis=1)
            for part in (exact[:, :n_prefix], exact[:, :n_known], exact[:, n_known:], exact[:, n_prefix:])
        )
        of_prefix = np.zeros((len(kept), PREFIX_AXES + 1))
        of_prefix[:, :n_prefix] = exact[:, :n_prefix] * steps[:n_prefix]
        # the last weight multiplies a length, which is never negative: rounded up it still bounds
        of_prefix[:, -1] = rest_norm * REST_STEP
        self._first = Weights.rounded(of_prefix, n_rounded_up=1)
        self._of_length = self._first.columns[-1].astype(np.float64)
        self._second = Weights.rounded(exact[:, n_prefix:n_known] * steps[n_prefix:n_known])
        self._lost_by_length = self._second.lost / steps[n_prefix:n_known].min(initial=1.0)

    def limits(self, header: SegmentHeader) -> np.ndarray:
        """(K,) int32: a frame of a segment whose product is below it cannot reach the cosine of the query."""
        slack = self._first.lost * header.code_norm + self._prefix_norm * header.prefix_error
        limits = (self._min_cosines - slack - self._length_offset) / self._first.scales
        return np.floor(limits).clip(-(2.0**31), 2.0**31 - 1).astype(np.int32)

    def products(self, prefix: np.ndarray) -> np.ndarray:
        """(K, T) int32 products with (T, 64) prefixes."""
        return product(prefix, self._first.columns, ZERO_CODE)

    def narrowed(
        self, segment: Segment, queries: np.ndarray, rows: np.ndarray, products: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The pairs of query and row that may still reach the cosine when codes along further axes are read.

        Parameters
        ----------
        segment : Segment
            Segment
        queries, rows : numpy.ndarray
            (M,) each, ordered by query.
        products : numpy.ndarray
            (M,) of the pairs.
        """
        if not (self._codec.n_further and len(rows)):
            return queries, rows
        further = segment.further.take(rows, axis=0)
        is_left = self._second_bound(segment, queries, rows, products, further) >= self._min_cosines[queries]
        queries, rows, further = queries[is_left], rows[is_left], further[is_left]
        if self._codec.n_kept > self._known.shape[1]:
            is_left = self._third_bound(segment, queries, rows, further) >= self._min_cosines[queries]
            queries, rows = queries[is_left], rows[is_left]
        return queries, rows

    @cached_property
    def _length_offset(self) -> np.ndarray:
        """Of the first products: the length is stored from 0, not from ``ZERO_CODE`` as the codes are."""
        return self._first.scales * self._of_length * ZERO_CODE

    def _second_bound(
        self, segment: Segment, queries: np.ndarray, rows: np.ndarray, products: np.ndarray, further: np.ndarray
    ) -> np.ndarray:
        """Bounds from products with all codes: now only what lies beyond them is bounded by its length."""
        header, first = segment.header, queries[0]
        # products are cheaper than sorting out which are needed
        columns = np.ascontiguousarray(self._second.columns[:, first : queries[-1] + 1])
        of_further = product(further.view(np.uint8) ^ np.uint8(ZERO_CODE), columns, ZERO_CODE)
        own = of_further[queries - first, np.arange(len(rows))]
        per_length = REST_STEP * (self._unknown_norm + self._lost_by_length) - self._first.scales * self._of_length
        slack = self._first.lost * header.code_norm + self._known_norm * header.coarse_error
        slack += self._lost_by_length * header.coarse_error + self._length_offset
        return (
            self._first.scales[queries] * products
            + self._second.scales[queries] * own
            + per_length[queries] * segment.prefix[rows, -1]
            + slack[queries]
        )

    def _third_bound(self, segment: Segment, queries: np.ndarray, rows: np.ndarray, further: np.ndarray) -> np.ndarray:
        """Bounds without rounding of the query, and with the length that the codes themselves leave."""
        prefix, error = segment.prefix.take(rows, axis=0), segment.header.coarse_error
        values = self._codec.coarse_values(prefix, further)
        more = values[:, self._codec.n_prefix :]
        length = prefix[:, -1] * np.float32(REST_STEP)
        # what is left of the length of the rest, with room for what a sum of squares may be off
        of_more = np.maximum(np.sqrt(np.einsum("ij,ij->i", more, more)) - error, 0)
        left = np.sqrt(np.maximum(length**2 - of_more**2, 0) + SQUARE_ERROR)
        along = np.einsum("ij,ij->i", values, self._known[queries])
        return along + left * self._unknown_norm[queries] + error * self._known_norm[queries]
