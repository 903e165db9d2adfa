"""The axes that vectors of a model are stored along: the first ones hold most of what vectors have in common."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from flam.core import ModelError, atomic_path

FILE_NAME = "search_axes.safetensors"
# a vector may lie further out than any that the axes were fitted on; what is beyond is cut off, which costs pruning all
# the more as one such frame raises the bound of its whole segment
HEADROOM, LEAST_RANGE = 1.25, 0.6
LARGEST_CODE = 127
# with a tenth or a twentieth fewest frames pass a scan
TEXT_WEIGHT = 0.05


@dataclass(frozen=True, eq=False)
class SearchAxes:
    """An orthogonal matrix that frame features are turned by before they are stored, and how finely to store them.

    Parameters
    ----------
    rotation : numpy.ndarray
        (D, D) float32, orthogonal; column i is axis i, the one of most energy first.
    steps : numpy.ndarray
        (D,) float32, distance of two neighbouring 8-bit codes along each axis.
    """

    rotation: np.ndarray
    steps: np.ndarray

    def __post_init__(self) -> None:
        dim = len(self.steps)
        if self.rotation.shape != (dim, dim) or not (self.steps > 0).all():
            raise ModelError(
                f"search axes of shape {self.rotation.shape} with {dim} steps must be (D, D) and D positive steps; "
                "fit them again with flam index axes"
            )
        error = np.abs(self.rotation.T.astype(np.float64) @ self.rotation - np.eye(dim)).max()
        if not error < 1e-4:
            raise ModelError(f"search axes are {error:.1e} from orthogonal, 1e-4 is allowed; fit them again")

    @property
    def dim(self) -> int:
        """Size of the vectors, D."""
        return len(self.steps)

    def save(self, path: str | Path) -> None:
        """Write the axes to a file.

        Raises
        ------
        OutputError
            The file can't be written.
        """
        content = save({"rotation": np.ascontiguousarray(self.rotation), "steps": self.steps})
        with atomic_path(Path(path)) as part:
            part.write_bytes(content)

    @staticmethod
    def load(path: str | Path) -> SearchAxes:
        """Read what ``save`` wrote.

        Raises
        ------
        ModelError
            The file can't be read or holds no axes.
        """
        try:
            tensors = load_file(path)
            return SearchAxes(tensors["rotation"].astype(np.float32), tensors["steps"].astype(np.float32))
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise ModelError(f"{path}: search axes can't be read ({error})") from error


def fit_axes(batches: Iterable[np.ndarray], texts: np.ndarray | None = None) -> SearchAxes:
    """Find the principal axes of frame features, and to a small part of texts.

    What a search leaves out of a prefix costs it the length that is left out of the frame times that of the query, so
    that the axes have to suit both.

    Parameters
    ----------
    batches : iterable of numpy.ndarray
        (T, D) float32 frame features of length 1, held in memory together; a quarter of an hour of varied sound is
        enough.
    texts : numpy.ndarray, optional
        (K, D) features of texts as people search for them.

    Returns
    -------
    SearchAxes

    Raises
    ------
    ModelError
        No features at all.

    Examples
    --------
    >>> features = np.random.default_rng(0).normal(size=(500, 8)) * [9, 1, 1, 1, 1, 1, 1, 1]
    >>> axes = fit_axes([features.astype(np.float32)])
    >>> int(np.abs(axes.rotation[:, 0]).argmax())
    0
    """
    kept = [np.asarray(batch, np.float32) for batch in batches]
    if not sum(map(len, kept)):
        raise ModelError("search axes can't be fitted to no features at all; give recordings with sound")
    features = np.concatenate(kept)
    # about the origin, not about the mean: what counts is the share of a vector's own length
    second_moment = features.T.astype(np.float64) @ features / len(features)
    if texts is not None:
        second_moment += TEXT_WEIGHT * texts.T.astype(np.float64) @ texts / len(texts)
    _, vectors = np.linalg.eigh(second_moment)
    rotation = np.ascontiguousarray(vectors[:, ::-1], np.float32)
    largest = np.abs(features @ rotation).max(axis=0)
    steps = np.clip(largest * HEADROOM, LEAST_RANGE, 1.0) / LARGEST_CODE
    return SearchAxes(rotation, steps.astype(np.float32))
