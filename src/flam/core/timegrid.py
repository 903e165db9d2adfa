"""The time axis: samples, frames, seconds, and the rounding between them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


def round_half_up(value: float) -> int:
    """Round to the nearest integer, halves up: the only rounding rule from seconds to samples.

    Examples
    --------
    >>> round_half_up(2.5), round_half_up(2.4999), round_half_up(-0.5)
    (3, 2, 0)
    """
    return math.floor(value + 0.5)


def seconds_to_samples(seconds: float, sample_rate: int) -> int:
    """Position in samples of a time in seconds.

    Examples
    --------
    >>> seconds_to_samples(0.5, 48000)
    24000
    """
    return round_half_up(seconds * sample_rate)


@dataclass(frozen=True)
class TimeGrid:
    """Frames of equal length: frame i covers samples [i * hop_samples, (i + 1) * hop_samples).

    Examples
    --------
    >>> grid = TimeGrid(sample_rate=48000, hop_samples=3840)
    >>> grid.hop_s, grid.rate_hz
    (0.08, 12.5)
    >>> grid.n_frames(48000)
    13
    >>> grid.frame_s(12)
    0.96
    """

    sample_rate: int
    hop_samples: int

    def __post_init__(self) -> None:
        if self.sample_rate <= 0 or self.hop_samples <= 0:
            raise ValueError(f"sample_rate {self.sample_rate} and hop_samples {self.hop_samples} must be positive")

    @property
    def hop_s(self) -> float:
        """Length of a frame in seconds."""
        return self.hop_samples / self.sample_rate

    @property
    def rate_hz(self) -> float:
        """Frames per second."""
        return self.sample_rate / self.hop_samples

    def n_frames(self, n_samples: int) -> int:
        """Frames needed to cover ``n_samples``; the last one may be partial."""
        return -(-n_samples // self.hop_samples)

    def frame_s(self, frame: int) -> float:
        """Start of a frame in seconds."""
        return frame * self.hop_samples / self.sample_rate

    def frame_labels(self, spans_s: Sequence[tuple[float, float]], n_frames: int) -> np.ndarray:
        """Mark the frames that spans of time cover.

        A frame is active where a span covers at least half of it; a span too short to cover half of any frame
        marks the one it overlaps most, so that no event vanishes.

        Parameters
        ----------
        spans_s : Sequence[tuple[float, float]]
            sequence of (onset_s, offset_s), seconds, half-open
        n_frames : int
            length of the returned grid; what lies outside is ignored

        Returns
        -------
        np.ndarray
            (n_frames,) bool array

        Examples
        --------
        >>> grid = TimeGrid(10, 10)
        >>> grid.frame_labels([(0.5, 2.4), (3.1, 3.2)], 5).tolist()
        [True, True, False, True, False]
        """
        active = np.zeros(n_frames, dtype=bool)
        for onset_s, offset_s in spans_s:
            onset, offset = onset_s / self.hop_s, offset_s / self.hop_s
            # 1e-9 of a frame absorbs what seconds lose in floating point
            first, last = math.ceil(onset - 0.5 - 1e-9), math.floor(offset - 0.5 + 1e-9)
            if last >= first and offset - onset >= 0.5:
                active[max(first, 0) : max(last + 1, 0)] = True
            elif offset > onset:
                inside = math.floor(onset)
                best = inside if min(offset, inside + 1) - onset >= offset - (inside + 1) else inside + 1
                if 0 <= best < n_frames:
                    active[best] = True
        return active

    def label_matrix(
        self, spans_s: Mapping[str, Sequence[tuple[float, float]]], prompts: Sequence[str], n_frames: int
    ) -> np.ndarray:
        """``frame_labels`` of several prompts, (n_frames, K) bool array.

        Parameters
        ----------
        spans_s : Mapping[str, Sequence[tuple[float, float]]]
            when each prompt sounds, seconds; a prompt that is missing never does, see ``spans_by_prompt``
        prompts : Sequence[str]
            K prompts, the columns
        n_frames : int
            length of the returned grid

        Examples
        --------
        >>> TimeGrid(10, 10).label_matrix({"siren": [(0.0, 2.0)]}, ["siren", "dog"], 3).tolist()
        [[True, False], [True, False], [False, False]]
        """
        labels = np.zeros((n_frames, len(prompts)), bool)
        for column, prompt in enumerate(prompts):
            labels[:, column] = self.frame_labels(spans_s.get(prompt, ()), n_frames)
        return labels
