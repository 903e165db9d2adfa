"""Joining overlapping windows into one stream of frames, in bounded memory, with nothing lost and nothing invented."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class FramePiece:
    """Consecutive frames of a recording: what the model said of a window or a part of it, or of the joined stream.

    Parameters
    ----------
    start_frame : int
        Position of the first row.
    values : numpy.ndarray
        (T, X) float32.
    n_samples : int
        Samples of the recording that the rows cover; rows beyond them hold filling.
    """

    start_frame: int
    values: np.ndarray
    n_samples: int


class Stitcher:
    """Join windows, each frame a weighted mean of the windows that hold it.

    The weight rises linearly over the overlap at a window's start and falls over that at its end, because a model knows
    least about the frames at the borders of its input. The windows' own ends in a recording lose nothing by it: there
    is no other window to share with.

    Parameters
    ----------
    window_frames : int
        Frames of a window.
    overlap_frames : int
        Frames that two neighbours have in common, at most half a window.
    frame_samples : int
        Samples of a frame.
    """

    def __init__(self, window_frames: int, overlap_frames: int, frame_samples: int):
        self._weights = border_weights(window_frames, overlap_frames)
        self._hop_frames = window_frames - overlap_frames
        self._frame_samples = frame_samples
        self._window_start = self._row = 0
        # frames that the next window may share: sums, weights, and the samples they cover
        self._held_start = self._held_samples = 0
        self._held_sum: np.ndarray | None = None
        self._held_weights = self._weights[:0]

    def push(self, piece: FramePiece) -> FramePiece | None:
        """Take the next window or the next part of one; give the frames that no later window can change.

        All windows but the last cover ``window_frames`` whole frames and start ``window_frames - overlap_frames``
        apart; the last one ends with the recording.
        """
        if self._row in (0, len(self._weights)):
            self._window_start, self._row = piece.start_frame, 0
        n_frames = -(-piece.n_samples // self._frame_samples)
        weights = self._weights[self._row : self._row + n_frames].copy()
        self._row += n_frames
        sums = piece.values[:n_frames] * weights
        if self._held_sum is not None and piece.start_frame == self._held_start:
            n_shared = min(len(self._held_sum), n_frames)
            sums[:n_shared] += self._held_sum[:n_shared]
            weights[:n_shared] += self._held_weights[:n_shared]
            self._held_sum, self._held_weights = self._held_sum[n_shared:], self._held_weights[n_shared:]
            self._held_start += n_shared
            self._held_samples -= n_shared * self._frame_samples
        n_final = max(0, min(n_frames, self._window_start + self._hop_frames - piece.start_frame))
        n_samples = min(n_final * self._frame_samples, piece.n_samples)
        if n_final < n_frames:
            self._hold(piece.start_frame + n_final, sums[n_final:], weights[n_final:], piece.n_samples - n_samples)
        return FramePiece(piece.start_frame, sums[:n_final] / weights[:n_final], n_samples) if n_final else None

    def finish(self) -> FramePiece | None:
        """The recording has ended: give the frames that no further window shares."""
        if self._held_sum is None or self._held_samples <= 0:
            return None
        last = FramePiece(self._held_start, self._held_sum / self._held_weights, self._held_samples)
        self._held_sum = None
        return last

    def _hold(self, start_frame: int, sums: np.ndarray, weights: np.ndarray, n_samples: int) -> None:
        if self._held_sum is not None and len(self._held_sum):
            self._held_sum = np.concatenate([self._held_sum, sums])
            self._held_weights = np.concatenate([self._held_weights, weights])
            self._held_samples += n_samples
        else:
            self._held_start, self._held_samples = start_frame, n_samples
            self._held_sum, self._held_weights = sums.copy(), weights.copy()


def stitch(
    pieces: Iterable[FramePiece], window_frames: int, overlap_frames: int, frame_samples: int
) -> Iterator[FramePiece]:
    """Join windows that come one after the other; see ``Stitcher``.

    Returns
    -------
    iterator of FramePiece
        Each given as soon as no later window can change it; filling is dropped, and at no time more than one window
        is held.

    Examples
    --------
    >>> windows = [FramePiece(0, np.zeros((4, 1)), 4), FramePiece(2, np.ones((4, 1)), 3)]
    >>> joined = np.concatenate([piece.values for piece in stitch(windows, 4, 2, frame_samples=1)])
    >>> joined[:, 0].round(2).tolist()
    [0.0, 0.0, 0.33, 0.67, 1.0]
    """
    stitcher = Stitcher(window_frames, overlap_frames, frame_samples)
    for piece in pieces:
        joined = stitcher.push(piece)
        if joined is not None:
            yield joined
    last = stitcher.finish()
    if last is not None:
        yield last


def border_weights(window_frames: int, overlap_frames: int) -> np.ndarray:
    """Build the trapezoid of weights along a window: those of two neighbours add up to 1 where they overlap.

    Returns
    -------
    numpy.ndarray
        (window_frames, 1) float32.

    Examples
    --------
    >>> border_weights(5, 1)[:, 0].tolist()
    [0.5, 1.0, 1.0, 1.0, 0.5]
    """
    weights = np.ones((window_frames, 1), np.float32)
    rise = (np.arange(1, overlap_frames + 1, dtype=np.float32) / np.float32(overlap_frames + 1))[:, None]
    weights[:overlap_frames] = rise
    weights[window_frames - overlap_frames :] = rise[::-1]
    return weights
