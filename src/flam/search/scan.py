"""The scan: which frames of a segment may reach a cosine, found from 64 bytes a frame, losing none that does.

A query becomes a column of 7-bit weights for the 64 bytes of a prefix, the weight of the last byte being the length of
the query's own rest. One integer product is then an upper bound of the cosine, up to rounding of the weights and of the
codes, for which the threshold is lowered by as much as they can add up to. Frames that pass are checked against the
same bound in floating point, and those that pass again against the stored vector itself.

Weights have 7 bits because two products of 8 by 8 bits overflow the 16 bits that processors without dot product
instructions (AVX2) add them in.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import onnxruntime

from flam.search.codec import PREFIX_BYTES, REST_STEP, ZERO_CODE, Codec
from flam.search.segment import Segment

LARGEST_WEIGHT = 63
PRODUCTS_AT_ONCE = 1 << 20
MOST_ROWS, FEWEST_ROWS = 1 << 18, 1 << 12
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
    n_threads : int
        For the product.
    """

    def __init__(self, codec: Codec, queries: np.ndarray, min_cosines: np.ndarray, n_threads: int = 0):
        self._codec = codec
        rotated = codec.rotate(queries)
        self._kept = rotated[:, : codec.n_kept]
        self._min_cosines = np.asarray(min_cosines, np.float64) - FLOAT_ERROR
        self._prefix = rotated[:, : codec.n_prefix].astype(np.float64)
        self._rest_norm = np.linalg.norm(self._kept[:, codec.n_prefix :].astype(np.float64), axis=1)
        self._weights, self._scales, self._lost = self._rounded_weights()
        self._reachable = np.flatnonzero(np.isfinite(self._min_cosines))
        self._product = _product(n_threads)
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
        found: list[list[Hits]] = [[] for _ in self._min_cosines]
        # in one row: numpy compares long rows much faster than (N, K) with (K,)
        limits = np.tile(self._integer_limits(segment)[self._reachable], self._rows_at_once)
        for start in range(0, segment.header.n_frames, self._rows_at_once):
            if cancelled() or not len(self._reachable):
                break
            prefix = segment.prefix[start : start + self._rows_at_once]
            for query, rows in self._candidates(prefix, limits):
                hits = self._checked(segment, prefix, start, query, rows)
                if len(hits.frames):
                    found[query].append(hits)
        return [_joined(hits) for hits in found]

    def bounds(self, segment: Segment, rows: slice) -> np.ndarray:
        """(T, K) float64 upper bounds of the cosines of frames, before any rounding of queries; for tests."""
        prefix = segment.prefix[rows]
        return self._bound(segment, prefix, slice(None))

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

    def _candidates(self, prefix: np.ndarray, limits: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        products = self._product(prefix, self._columns).ravel()
        rows, columns = np.divmod(np.flatnonzero(products >= limits[: len(products)]), len(self._reachable))
        for column in np.flatnonzero(np.bincount(columns)).tolist():
            yield int(self._reachable[column]), rows[columns == column]

    def _bound(self, segment: Segment, prefix: np.ndarray, query: int | slice) -> np.ndarray:
        values = self._codec.prefix_values(prefix)
        rest = prefix[:, -1].astype(np.float64) * REST_STEP
        own = np.linalg.norm(self._prefix[query], axis=-1) * segment.header.prefix_error
        return values @ self._prefix[query].T + np.multiply.outer(rest, self._rest_norm[query]) + own

    def _checked(self, segment: Segment, prefix: np.ndarray, start: int, query: int, rows: np.ndarray) -> Hits:
        close = self._bound(segment, prefix[rows], query) >= self._min_cosines[query]
        rows = rows[close] + start
        cosines = segment.values(rows) @ self._kept[query]
        reached = cosines >= self._min_cosines[query]
        return Hits(rows[reached], cosines[reached])


def _joined(hits: list[Hits]) -> Hits:
    if not hits:
        return Hits(np.zeros(0, np.int64), np.zeros(0, np.float32))
    return Hits(np.concatenate([hit.frames for hit in hits]), np.concatenate([hit.cosines for hit in hits]))


@functools.cache
def _product(n_threads: int) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """(N, 64) uint8 by (64, K) int8 to (N, K) int32, the zero of the first being ``ZERO_CODE``."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(_graph(), options, providers=["CPUExecutionProvider"])
    zero = np.array(ZERO_CODE, np.uint8)

    def product(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        return session.run(None, {"rows": np.asarray(rows), "columns": columns, "zero": zero})[0]

    return product


def _graph() -> bytes:
    """The ONNX graph of one MatMulInteger, written out in protocol buffers, which spares the package ``onnx``."""
    elements = {"rows": 2, "columns": 3, "zero": 2, "products": 6}  # uint8, int8, uint8, int32
    shapes = {"rows": 2, "columns": 2, "zero": 0, "products": 2}
    node = b"".join(_text(1, name) for name in ("rows", "columns", "zero"))
    node += _text(2, "products") + _text(4, "MatMulInteger")
    graph = _message(1, node) + _text(2, "scan")
    for name in elements:
        dimensions = b"".join(_message(1, _text(2, f"{name}{axis}")) for axis in range(shapes[name]))
        tensor_type = b"\x08" + bytes([elements[name]]) + _message(2, dimensions)
        value = _text(1, name) + _message(2, _message(1, tensor_type))
        graph += _message(12 if name == "products" else 11, value)
    operator_set = _text(1, "") + b"\x10\x11"  # version 17
    return b"\x08\x09" + _message(7, graph) + _message(8, operator_set)  # version 9 of the format


def _message(field: int, content: bytes) -> bytes:
    length, size = bytearray(), len(content)
    while size > 127:
        length.append(size & 127 | 128)
        size >>= 7
    return bytes([field << 3 | 2, *length, size]) + content


def _text(field: int, text: str) -> bytes:
    return _message(field, text.encode())
