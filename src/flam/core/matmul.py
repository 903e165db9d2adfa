"""Matrix products that stay in the calling thread."""

from __future__ import annotations

import numpy as np

# OpenBLAS, which numpy's wheels bring, spreads a product over all cores from this many multiplications on. Its threads
# then wait for the next one in a loop: 20 ms of processor time after a product that takes 1 ms.
SMALL_PRODUCT = 1 << 18
COLUMNS_AT_ONCE = 32


def matmul_in_thread(a: np.ndarray, b: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Multiply two matrices in pieces too small to be spread over threads, for callers that are threads themselves.

    Parameters
    ----------
    a : numpy.ndarray
        (M, N).
    b : numpy.ndarray
        (N, K).
    out : numpy.ndarray, optional
        (M, K), where the product goes.

    Returns
    -------
    numpy.ndarray
        (M, K), ``out`` if it is given.

    Examples
    --------
    >>> a, b = np.ones((500, 300), np.float32), np.ones((300, 70), np.float32)
    >>> bool((matmul_in_thread(a, b) == a @ b).all())
    True
    """
    if out is None:
        out = np.empty((len(a), b.shape[1]), np.result_type(a, b))
    n_columns = max(1, min(COLUMNS_AT_ONCE, b.shape[1]))
    n_rows = max(1, SMALL_PRODUCT // (n_columns * max(1, len(b))))
    for top in range(0, len(a), n_rows):
        rows = slice(top, top + n_rows)
        for left in range(0, b.shape[1], n_columns):
            columns = slice(left, left + n_columns)
            np.matmul(a[rows], b[:, columns], out=out[rows, columns])
    return out
