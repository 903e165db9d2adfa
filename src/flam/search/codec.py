"""How a frame feature is stored: a prefix of 64 bytes that a search reads, and the rest, which it reads for few frames.

A feature is turned along the search axes. Of the first ``PREFIX_AXES`` axes the prefix keeps an 8-bit code each, and in
its last byte the length of all that these codes leave out, rounded up. So for any query q ::

    q . v  <=  (prefix of q) . (prefix of v)  +  |rest of q| * |rest of v|  +  |prefix of q| * (largest error of codes)

bounds the product with the vector v as it is stored, whatever v is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from flam.core import ConfigError
from flam.search.axes import LARGEST_CODE, SearchAxes
from flam.search.kernels import single

Form = Literal["exact", "compact", "tiny"]
FORMS: tuple[Form, ...] = get_args(Form)
PREFIX_BYTES = 64
PREFIX_AXES = PREFIX_BYTES - 1
ZERO_CODE = 128
REST_STEP = 1.1 / 255  # the rest of a vector of length 1 is hardly longer than that, even rounded
DETAIL_AXES = {"compact": 192, "tiny": 64}
MORE_AXES = 64


@dataclass(frozen=True, eq=False)
class StoredFrames:
    """Frames as they lie in a segment.

    Parameters
    ----------
    prefix : numpy.ndarray
        (T, 64) uint8: codes along the first axes with ``ZERO_CODE`` for 0, then the length of the rest.
    more : numpy.ndarray
        (T, 64) int8 codes along the axes that follow, which spare a search most vectors; none in the other forms.
    detail : numpy.ndarray
        (T, X): the whole vector in float16 (form "exact"), or int8 codes along further axes, possibly none.
    """

    prefix: np.ndarray
    more: np.ndarray
    detail: np.ndarray


class Codec:
    """Turns features into what a form stores, and back.

    Parameters
    ----------
    axes : SearchAxes
        SearchAxes
    form : {"exact", "compact", "tiny"}
        "exact" keeps whole vectors in 16 bits; "compact" codes of 8 bits; "tiny" those of half as many axes.

    Examples
    --------
    >>> axes = SearchAxes(np.eye(4, dtype=np.float32), np.full(4, 1 / 127, np.float32))
    >>> codec = Codec(axes, "compact")
    >>> stored = codec.encode(np.array([[0.6, 0.0, -0.8, 0.0]], np.float32))
    >>> codec.decode(stored.prefix, stored.detail).astype(float).round(2).tolist()
    [[0.6, 0.0, -0.8, 0.0]]
    """

    def __init__(self, axes: SearchAxes, form: Form):
        if form not in FORMS:
            raise ConfigError(f"form {form!r} is not known; choose one of {', '.join(FORMS)}")
        self.axes = axes
        self.form = form
        self.n_prefix = min(PREFIX_AXES, axes.dim)
        self.n_more = min(MORE_AXES, axes.dim - self.n_prefix) if form == "exact" else 0
        self.n_further = self.n_more if form == "exact" else min(DETAIL_AXES[form], axes.dim - self.n_prefix)
        self.n_kept = axes.dim if form == "exact" else self.n_prefix + self.n_further
        self.detail_dtype = np.dtype(np.float16 if form == "exact" else np.int8)
        self.detail_width = axes.dim if form == "exact" else self.n_further

    def rotate(self, features: np.ndarray) -> np.ndarray:
        """(T, D) features along the axes."""
        return np.asarray(features, np.float32) @ self.axes.rotation

    def encode(self, features: np.ndarray) -> StoredFrames:
        """Store (T, D) float32 features of length 1."""
        return self.encode_rotated(self.rotate(features))

    def encode_rotated(self, rotated: np.ndarray) -> StoredFrames:
        """Store (T, D) float32 features that are turned along the axes already."""
        codes = np.clip(np.rint(rotated / self.axes.steps), -LARGEST_CODE, LARGEST_CODE)
        prefix = np.full((len(rotated), PREFIX_BYTES), ZERO_CODE, np.uint8)
        prefix[:, : self.n_prefix] += codes[:, : self.n_prefix].astype(np.int8).view(np.uint8)
        if self.form == "exact":
            detail = rotated.astype(np.float16)
            rest = detail[:, self.n_prefix :].astype(np.float64)
        else:
            detail = codes[:, self.n_prefix : self.n_kept].astype(np.int8)
            rest = detail * self.axes.steps[self.n_prefix : self.n_kept].astype(np.float64)
        rest_norm = np.linalg.norm(rest, axis=1)
        prefix[:, -1] = np.ceil(np.minimum(rest_norm / REST_STEP * (1 + 1e-9), 255))
        more = codes[:, self.n_prefix : self.n_prefix + self.n_more].astype(np.int8)
        return StoredFrames(prefix, more, detail)

    def prefix_values(self, prefix: np.ndarray) -> np.ndarray:
        """(T, 64) prefixes as (T, P) float32 values along the first axes."""
        return (prefix[:, : self.n_prefix].astype(np.float32) - ZERO_CODE) * self.axes.steps[: self.n_prefix]

    @property
    def needs_prefix(self) -> bool:
        """Whether values are decoded from the prefix too."""
        return self.form != "exact"

    def decode(self, prefix: np.ndarray, detail: np.ndarray) -> np.ndarray:
        """(T, X) float32 values along the axes that are kept."""
        if self.form == "exact":
            return single(detail)
        more = detail * self.axes.steps[self.n_prefix : self.n_kept]
        return np.concatenate([self.prefix_values(prefix), more], axis=1)

    def prefix_error(self, stored: StoredFrames) -> float:
        """The largest distance between the prefix of a stored vector and what its codes say."""
        if self.form != "exact" or not len(stored.prefix):
            return 0.0  # the codes are the stored vector
        return self._largest_error(stored, self.prefix_values(stored.prefix))

    def coarse_values(self, prefix: np.ndarray, more: np.ndarray) -> np.ndarray:
        """(T, P + M) float32 values along the axes of the prefix and those that follow, from codes alone."""
        steps = self.axes.steps[self.n_prefix : self.n_prefix + self.n_more]
        return np.concatenate([self.prefix_values(prefix), more * steps], axis=1)

    def coarse_error(self, stored: StoredFrames) -> float:
        """The largest distance between a stored vector and its coarse values, along their axes."""
        if not self.n_more or not len(stored.prefix):
            return 0.0
        return self._largest_error(stored, self.coarse_values(stored.prefix, stored.more))

    @staticmethod
    def _largest_error(stored: StoredFrames, values: np.ndarray) -> float:
        exact = stored.detail[:, : values.shape[1]].astype(np.float32)
        return float(np.linalg.norm(exact - values, axis=1).max())

    def code_norm(self, stored: StoredFrames) -> float:
        """The largest length of the codes of a prefix, which bounds what rounding a query can do."""
        codes = stored.prefix[:, : self.n_prefix].astype(np.float32) - ZERO_CODE
        return float(np.linalg.norm(codes, axis=1).max(initial=0.0))
