"""An array on disk that grows at its end while others read what is there."""

from __future__ import annotations

from pathlib import Path

import numpy as np


class Series:
    """Rows of one type in a file: appended by one thread, read by any.

    Parameters
    ----------
    path : Path
        The file, which appears with the first rows.
    dtype : type
        Of the values.
    n_columns : int or None
        Values of a row; None takes it from the first rows.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     series = Series(Path(folder, "power"), np.float32, 1)
    ...     series.append(np.arange(5, dtype=np.float32)[:, None])
    ...     len(series), series.read(1, 3)[:, 0].tolist()
    (5, [1.0, 2.0])
    """

    def __init__(self, path: Path, dtype: type[np.generic], n_columns: int | None = None):
        self._path, self._dtype = path, np.dtype(dtype)
        self.n_columns = n_columns
        self._n_rows = 0

    def __len__(self) -> int:
        return self._n_rows

    def append(self, rows: np.ndarray) -> None:
        """Add rows, which are visible to readers once this returns."""
        if self.n_columns is None:
            self.n_columns = rows.shape[1]
        with open(self._path, "ab") as file:
            file.write(np.ascontiguousarray(rows, self._dtype).tobytes())
        self._n_rows += len(rows)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Rows from ``start`` to before ``stop``, fewer where the series ends.

        Returns
        -------
        numpy.ndarray
            (n, n_columns).
        """
        n_columns = self.n_columns or 1
        n_rows = max(0, min(stop, self._n_rows) - start)
        if n_rows == 0:
            return np.zeros((0, n_columns), self._dtype)
        offset = start * n_columns * self._dtype.itemsize
        values = np.fromfile(self._path, self._dtype, n_rows * n_columns, offset=offset)
        return values.reshape(n_rows, n_columns)

    def pooled(self, start: int, n_groups: int, size: int) -> np.ndarray:
        """Rows joined in groups: ``n_groups`` rows, each the maximum of ``size`` neighbours.

        Returns
        -------
        numpy.ndarray
            (n, n_columns), n at most ``n_groups``; the last group may hold fewer rows.
        """
        rows = self.read(start, start + n_groups * size)
        if size == 1 or len(rows) == 0:
            return rows
        return np.maximum.reduceat(rows, np.arange(0, len(rows), size), axis=0)
