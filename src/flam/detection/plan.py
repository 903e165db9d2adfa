"""Windows: how a recording is cut for a model, and how overlapping windows are joined into one stream of frames."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from flam.core import ConfigError, ModelError, round_half_up
from flam.detection.backends.base import Backend
from flam.detection.config import DetectionConfig

# Frames near both ends of an input at once are like nothing a model was trained on: short recordings are repeated.
SHORTEST_INPUT_S = 1.0


@dataclass(frozen=True)
class WindowPlan:
    """Where the windows of a recording lie, and when their parts are encoded; all counts are frames of the model.

    A frame's numbers depend on the first four values alone. The last two decide how early they are known.

    Parameters
    ----------
    frame_samples : int
        Samples of a frame.
    window_frames, overlap_frames : int
        Length of a window, and what it shares with the next.
    shortest_frames : int
        Length that the input of the last window is filled to.
    context_frames : int or None
        Frames on both sides that a frame's embedding depends on; None: the whole window.
    delay_frames : int or None
        A frame is encoded before this many frames have followed its first sample; None waits for whole windows.
    """

    frame_samples: int
    window_frames: int
    overlap_frames: int
    shortest_frames: int
    context_frames: int | None = None
    delay_frames: int | None = None

    @property
    def hop_frames(self) -> int:
        """Distance between the starts of two windows."""
        return self.window_frames - self.overlap_frames


def plan_windows(backend: Backend, config: DetectionConfig) -> WindowPlan:
    """Choose the windows for a model.

    Raises
    ------
    ConfigError
        ``latency_s`` is shorter than the model allows.
    ModelError
        The model's window is not a whole number of frames.
    """
    frame_samples = backend.grid.hop_samples
    window_frames, remainder = divmod(backend.window_samples, frame_samples)
    if remainder:
        raise ModelError(
            f"window of {backend.window_samples} samples must be a multiple of the frame, {frame_samples} samples; "
            "set the model's window_s"
        )
    shortest_frames = window_frames
    if backend.variable_length:
        shortest_frames = min(window_frames, math.ceil(SHORTEST_INPUT_S * backend.grid.rate_hz))
    overlap_frames = min(round_half_up(config.overlap * window_frames), window_frames // 2)
    delay_frames = None
    if config.latency_s is not None:
        lowest_s = lowest_latency_s(backend)
        if config.latency_s < lowest_s:
            raise ConfigError(
                f"latency_s {config.latency_s} must be at least {lowest_s:g}, which this model needs to hear what "
                "surrounds a frame; raise it, or leave it out"
            )
        if backend.context_frames is not None:
            # one frame less: blocks of up to a frame then never add to the latency
            delay_frames = math.floor(config.latency_s * backend.grid.rate_hz + 1e-6) - 1
            # frames in the overlap wait until it is certain that there is a next window
            overlap_frames = min(overlap_frames, delay_frames)
    return WindowPlan(
        frame_samples, window_frames, overlap_frames, shortest_frames, backend.context_frames, delay_frames
    )


def lowest_latency_s(backend: Backend) -> float:
    """The shortest time, in seconds, after which a model can give final scores of live sound."""
    if backend.context_frames is None:
        return backend.window_samples / backend.sample_rate
    return (backend.context_frames + 2) * backend.grid.hop_s


@dataclass(frozen=True, eq=False)
class Span:
    """Frames of one window that can be encoded now.

    Parameters
    ----------
    start_frame : int
        The first of them, in the recording.
    waveform : numpy.ndarray
        (N,) float32 model input.
    skipped_frames : int
        Frames at the start of the input that only surround them.
    n_samples : int
        Samples of the recording that the frames cover; what follows in the input surrounds them, or is filling.
    """

    start_frame: int
    waveform: np.ndarray
    skipped_frames: int
    n_samples: int


class WindowCutter:
    """Cut a stream of samples into the spans that a plan asks for; how the stream is divided changes no number.

    The last window of a longer recording is filled with zeros. A recording shorter than one window is repeated until
    it fills its input, never stretched.

    Parameters
    ----------
    plan : WindowPlan
        Lengths, and when spans are given.
    """

    def __init__(self, plan: WindowPlan):
        self.plan = plan
        self._window = np.empty(plan.window_frames * plan.frame_samples, np.float32)
        self._n_held = 0  # samples of the present window
        self._start_frame = 0  # of the present window
        self._done = 0  # frames of the present window that were given

    def push(self, block: np.ndarray) -> Iterator[Span]:
        """Take the next (n,) samples, any n; give the spans that became ready."""
        position = 0
        while position < len(block):
            n_taken = min(len(self._window) - self._n_held, len(block) - position)
            self._window[self._n_held : self._n_held + n_taken] = block[position : position + n_taken]
            self._n_held += n_taken
            position += n_taken
            if self._n_held == len(self._window):
                yield self._span(self.plan.window_frames, self._n_held)
                self._next_window()
            elif self._is_due():
                assert self.plan.context_frames is not None
                n_heard = self._n_held // self.plan.frame_samples
                # the overlap with the next window is not urgent: it waits for that window anyway
                ready = min(n_heard - self.plan.context_frames, self.plan.hop_frames)
                yield self._span(ready, ready * self.plan.frame_samples, n_heard)

    def finish(self) -> Iterator[Span]:
        """The recording has ended: give the rest of the last window, if it holds something that no other one does."""
        if not self._has_own_samples() or self._n_held <= self._done * self.plan.frame_samples:
            return
        n_frames = max(-(-self._n_held // self.plan.frame_samples), self.plan.shortest_frames)
        n_input = n_frames * self.plan.frame_samples
        own = self._window[: self._n_held]
        if self._start_frame == 0:
            self._window[:n_input] = np.resize(own, n_input)
        else:
            self._window[self._n_held : n_input] = 0
        yield self._span(n_frames, self._n_held, n_frames)

    def _has_own_samples(self) -> bool:
        """Whether the present window reaches beyond the one before, without which there is no such window."""
        n_shared = 0 if self._start_frame == 0 else self.plan.overlap_frames * self.plan.frame_samples
        return self._n_held > n_shared

    def _is_due(self) -> bool:
        """Whether a frame would come later than the plan allows unless it is encoded now."""
        if self.plan.delay_frames is None or self.plan.context_frames is None or not self._has_own_samples():
            return False
        return (
            self._done < self.plan.hop_frames
            and self._n_held >= (self._done + self.plan.delay_frames) * self.plan.frame_samples
        )

    def _span(self, end: int, n_samples: int, input_end: int | None = None) -> Span:
        """Frames from where the last span ended to ``end``; ``n_samples`` are the window's own up to there."""
        context = self._done if self.plan.context_frames is None else self.plan.context_frames
        input_start = max(0, self._done - context)
        size = self.plan.frame_samples
        waveform = self._window[input_start * size : (end if input_end is None else input_end) * size].copy()
        span = Span(self._start_frame + self._done, waveform, self._done - input_start, n_samples - self._done * size)
        self._done = end
        return span

    def _next_window(self) -> None:
        hop_samples = self.plan.hop_frames * self.plan.frame_samples
        self._n_held -= hop_samples
        self._window[: self._n_held] = self._window[hop_samples:].copy()
        self._start_frame += self.plan.hop_frames
        self._done = 0


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
