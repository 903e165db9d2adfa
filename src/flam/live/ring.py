"""The last seconds of a source, for several readers: the clip writer, the page, whoever comes next."""

from __future__ import annotations

import threading

import numpy as np


class RingBuffer:
    """The newest samples by their position in the stream; memory stays as it is.

    Parameters
    ----------
    capacity : int
        Samples that are kept.

    Examples
    --------
    >>> ring = RingBuffer(4)
    >>> for block in ([1, 2, 3], [4, 5]):
    ...     ring.write(np.array(block, np.float32))
    >>> ring.read(0, 10)
    (1, array([2., 3., 4., 5.], dtype=float32))
    """

    def __init__(self, capacity: int):
        self._samples = np.zeros(capacity, np.float32)
        self._end = 0
        self._lock = threading.Lock()

    @property
    def end(self) -> int:
        """Samples that were written so far."""
        return self._end

    def write(self, block: np.ndarray) -> None:
        """Add (n,) samples."""
        with self._lock:
            capacity = len(self._samples)
            kept = block[-capacity:]
            places = (self._end + len(block) - len(kept) + np.arange(len(kept))) % capacity
            self._samples[places] = kept
            self._end += len(block)

    def read(self, start: int, end: int) -> tuple[int, np.ndarray]:
        """Samples between two positions, as far as they are there.

        Parameters
        ----------
        start, end : int
            Positions in the stream, half-open.

        Returns
        -------
        tuple of int and numpy.ndarray
            Position of the first sample, and (n,) float32 samples.
        """
        with self._lock:
            capacity = len(self._samples)
            first = min(max(start, self._end - capacity, 0), self._end)
            last = max(first, min(end, self._end))
            return first, self._samples[np.arange(first, last) % capacity]
