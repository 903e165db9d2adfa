"""Joining overlapping windows into one stream of frames, in bounded memory, with nothing lost and nothing invented."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class FramePiece:
    """Consecutive frames of a recording: what the model said of a window, or a stretch of the joined stream.

    Parameters
    ----------
    start_frame : position of the first row
    values : (T, X) float tensor
    n_samples : samples of the recording that the rows cover; rows of a window beyond them hold filling
    """

    start_frame: int
    values: Tensor
    n_samples: int


def stitch(
    pieces: Iterable[FramePiece], window_frames: int, overlap_frames: int, frame_samples: int
) -> Iterator[FramePiece]:
    """Join windows, each frame a weighted mean of the windows that hold it.

    The weight rises linearly over the overlap at a window's start and falls over that at its end, because a model knows
    least about the frames at the borders of its input. The windows' own ends in a recording lose nothing by it: there
    is no other window to share with.

    Parameters
    ----------
    pieces : one for each window, starting ``window_frames - overlap_frames`` apart; all but the last cover a whole
        window, the last ends with the recording
    window_frames : frames of a window
    overlap_frames : frames that two neighbours have in common, at most half a window
    frame_samples : samples of a frame

    Returns
    -------
    iterator of FramePiece, each given as soon as no later window can change it; filling is dropped, and at no time
    more than one window is held

    >>> windows = [FramePiece(0, torch.zeros(4, 1), 4), FramePiece(2, torch.ones(4, 1), 3)]
    >>> joined = torch.cat([piece.values for piece in stitch(windows, 4, 2, frame_samples=1)])
    >>> [round(value, 2) for value in joined[:, 0].tolist()]
    [0.0, 0.0, 0.33, 0.67, 1.0]
    """
    window_weights = border_weights(window_frames, overlap_frames)
    hop_frames = window_frames - overlap_frames
    held_sum: Tensor | None = None
    held_weights = window_weights[:0]
    held_start = held_samples = 0
    for piece in pieces:
        n_frames = -(-piece.n_samples // frame_samples)
        weights = window_weights[:n_frames].to(piece.values.device)
        weighted = piece.values[:n_frames] * weights
        if held_sum is not None:
            n_shared = len(held_sum)
            weighted[:n_shared] += held_sum
            weights = torch.cat([weights[:n_shared] + held_weights, weights[n_shared:]])
        n_final = min(hop_frames, n_frames)
        n_samples = min(n_final * frame_samples, piece.n_samples)
        yield FramePiece(piece.start_frame, weighted[:n_final] / weights[:n_final], n_samples)
        held_start, held_samples = piece.start_frame + n_final, piece.n_samples - n_samples
        held_sum, held_weights = weighted[n_final:].clone(), weights[n_final:]
    if held_sum is not None and held_samples > 0:
        yield FramePiece(held_start, held_sum / held_weights, held_samples)


def border_weights(window_frames: int, overlap_frames: int) -> Tensor:
    """Trapezoid of weights along a window: those of two neighbours add up to 1 where they overlap.

    Returns
    -------
    (window_frames, 1) float32 tensor

    >>> border_weights(5, 1)[:, 0].tolist()
    [0.5, 1.0, 1.0, 1.0, 0.5]
    """
    weights = torch.ones(window_frames, 1)
    rise = torch.arange(1, overlap_frames + 1)[:, None] / (overlap_frames + 1)
    weights[:overlap_frames] = rise
    weights[window_frames - overlap_frames :] = rise.flip(0)
    return weights
