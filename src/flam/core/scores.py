"""Frame scores: the whole contract between a model and everything that reads its output."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from flam.core.errors import FlamError
from flam.core.placeholders import require_content
from flam.core.timegrid import TimeGrid

# What a score means, see ``flam.model.flam.score``; named here so that a configuration needs no model to be read.
ScoreMethod = Literal["unbiased", "approximate", "posterior"]
LARGEST_SCORES_BYTES = 2**30
MOST_EXPANSION = 100  # of what is larger than that; scores of sound, rather than of zeros, shrink to a half
# what is raised for missing, empty, cut off, damaged and foreign files, and archives that are encrypted or too new
UNREADABLE = (OSError, EOFError, ValueError, TypeError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class FrameScores:
    """A probability for every frame and prompt, for a recording or a piece of one.

    Parameters
    ----------
    scores : np.ndarray
        (T, K) float32 array in [0, 1]
    prompts : tuple[str, ...]
        K texts, in column order
    grid : TimeGrid
        the time axis; row t is frame ``start_frame + t``
    start_frame : int
        position of the first row, so that pieces of a stream know their place
    n_samples : int
        samples of the recording (at ``grid.sample_rate``) that these rows cover, fewer than T frames hold when the
        recording ends inside its last frame
    """

    scores: np.ndarray
    prompts: tuple[str, ...]
    grid: TimeGrid
    start_frame: int
    n_samples: int

    def __post_init__(self) -> None:
        if self.scores.ndim != 2 or self.scores.shape[1] != len(self.prompts):
            raise ValueError(f"scores of shape {self.scores.shape} need (T, K) with K = {len(self.prompts)} prompts")
        if self.grid.n_frames(self.n_samples) != self.scores.shape[0]:
            raise ValueError(
                f"{self.scores.shape[0]} frames of scores do not fit {self.n_samples} samples, "
                f"which take {self.grid.n_frames(self.n_samples)} frames"
            )

    @property
    def start_s(self) -> float:
        """Start of the first frame in seconds."""
        return self.grid.frame_s(self.start_frame)

    @property
    def end_s(self) -> float:
        """End of the covered samples in seconds: never after the end of the recording."""
        return (self.start_frame * self.grid.hop_samples + self.n_samples) / self.grid.sample_rate

    @staticmethod
    def concatenate(pieces: Iterable[FrameScores]) -> FrameScores:
        """Join consecutive pieces of one recording.

        Raises
        ------
        ValueError
            no pieces, other prompts or grid, or a gap between two pieces
        """
        pieces = list(pieces)
        if not pieces:
            raise ValueError("no pieces of frame scores to join")
        first, expected_frame = pieces[0], pieces[0].start_frame
        for piece in pieces:
            if piece.prompts != first.prompts or piece.grid != first.grid or piece.start_frame != expected_frame:
                raise ValueError(
                    f"piece at frame {piece.start_frame} does not continue the one that ends at frame {expected_frame} "
                    "with the same prompts and grid"
                )
            expected_frame += piece.scores.shape[0]
        return FrameScores(
            np.concatenate([piece.scores for piece in pieces]),
            first.prompts,
            first.grid,
            first.start_frame,
            sum(piece.n_samples for piece in pieces),
        )

    def save(self, path: str | Path) -> None:
        """Write as a compressed ``.npz`` that ``FrameScores.load`` and plain numpy read."""
        with open(path, "wb") as file:
            np.savez_compressed(
                file,
                scores=self.scores,
                prompts=np.array(self.prompts, dtype=np.str_),
                grid=np.array([self.grid.sample_rate, self.grid.hop_samples, self.start_frame, self.n_samples]),
            )

    @staticmethod
    def load(path: str | Path) -> FrameScores:
        """Read what ``save`` wrote.

        Raises
        ------
        FlamError
            the file is not a saved FrameScores
        """
        require_content(path, FlamError)
        try:
            _require_bounded(path)
            with np.load(path, allow_pickle=False) as arrays:
                sample_rate, hop_samples, start_frame, n_samples = (int(value) for value in arrays["grid"])
                prompts = tuple(str(prompt) for prompt in arrays["prompts"])
                scores = arrays["scores"]
            if scores.dtype.kind not in "fiu" or not np.isfinite(scores).all():
                raise ValueError("its scores are not finite numbers")
            return FrameScores(scores, prompts, TimeGrid(sample_rate, hop_samples), start_frame, n_samples)
        except UNREADABLE as error:
            raise FlamError(f"{path}: not saved frame scores ({error}); write them with FrameScores.save") from error


def _require_bounded(path: str | Path) -> None:
    """Refuse an archive that is small on disk and unfolds to more than any recording's scores, before it is read.

    numpy asks for all the memory that an array's header claims, so the header must fit what the archive holds.
    """
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.file_size > max(LARGEST_SCORES_BYTES, MOST_EXPANSION * member.compress_size):
                raise ValueError(f"{member.filename} unfolds from {member.compress_size} to {member.file_size} bytes")
            with archive.open(member) as file:
                version = np.lib.format.read_magic(file)
                read_header = getattr(np.lib.format, f"read_array_header_{version[0]}_{version[1]}", None)
                if read_header is None:
                    raise ValueError(f"{member.filename} is of version {version} of the npy format")
                shape, _, dtype = read_header(file)
            if dtype.hasobject or math.prod(shape) * dtype.itemsize > member.file_size:
                raise ValueError(f"{member.filename} claims an array of {shape} that it does not hold")
