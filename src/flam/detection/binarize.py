"""From frame scores to events, piece by piece: median filter, two thresholds, merging, shortest duration."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from flam.core import Event, FrameScores, TimeGrid
from flam.detection.config import DetectionConfig

# Of a frame: absorbs what seconds lose in floating point, so that 0.24 s are three frames of 0.08 s.
ROUNDING_FRAMES = 1e-6
# A long piece is taken in steps, because the median filter needs several times the memory of its input.
STEP_FRAMES = 1024


def binarize(pieces: Iterable[FrameScores], config: DetectionConfig | None = None) -> Iterator[Event]:
    """Events of a stream of frame scores, each given as soon as no later frame can change it.

    For each prompt: scores are smoothed by a median filter, with the first and the last frame repeated beyond the ends;
    an event is a stretch of frames whose smoothed scores stay at or above ``low_threshold`` and somewhere reach
    ``threshold``, so that its onset does not wait for the loudest moment; events with at most ``merge_gap_s`` between
    them are joined; of these, the ones shorter than ``min_duration_s`` are dropped. An event's scores are the mean and
    the maximum of the smoothed scores of its frames, joined gaps included.

    Parameters
    ----------
    pieces : Iterable[FrameScores]
        consecutive pieces of one recording; where it is split does not change the events
    config : DetectionConfig | None, optional
        thresholds and durations; None takes the defaults

    Returns
    -------
    Iterator[Event]
        iterator of Event, in the order in which they become certain; ``sorted`` puts them in the order of onsets

    Raises
    ------
    ValueError
        a piece that does not continue the one before

    Examples
    --------
    >>> scores = np.array([[0.1], [0.9], [0.9], [0.9], [0.4], [0.1]], np.float32)
    >>> piece = FrameScores(scores, ("dog barking",), TimeGrid(48000, 3840), start_frame=0, n_samples=6 * 3840)
    >>> for event in binarize([piece]):
    ...     print(event.onset_s, event.offset_s, event.prompt, round(event.max_score, 2))
    0.08 0.32 dog barking 0.9
    """
    config = DetectionConfig() if config is None else config
    binarizer = None
    for piece in pieces:
        if binarizer is None:
            binarizer = Binarizer(piece.prompts, piece.grid, config)
        yield from binarizer.push(piece)
    if binarizer is not None:
        yield from binarizer.finish()


@dataclass(frozen=True, order=True)
class Onset:
    """Notice of an event that has begun, given as soon as nothing that follows can undo it.

    Parameters
    ----------
    onset_s : float
        Start of the event, in seconds; it is that of the ``Event`` that follows once it has ended.
    prompt : str
        What was found.
    """

    onset_s: float
    prompt: str


@dataclass
class Run:
    """An event in the making: frames, and the running sum of scores before the first and after the last of them."""

    onset: int
    sum_before: float
    max_score: float = 0.0
    offset: int = 0
    sum_after: float = 0.0


class Binarizer:
    """``binarize`` for pieces that arrive one by one: ``push`` each of them, then ``finish``.

    ``take_onsets`` tells after each of them which events have certainly begun: every event is announced once, at the
    latest together with the event itself.

    Parameters
    ----------
    prompts : tuple[str, ...]
        K texts, the columns of the pieces
    grid : TimeGrid
        the time axis of the pieces
    config : DetectionConfig
        thresholds and durations
    """

    def __init__(self, prompts: tuple[str, ...], grid: TimeGrid, config: DetectionConfig):
        self.prompts, self.grid = prompts, grid
        rules = [config.rule(prompt) for prompt in prompts]
        # float32 like the scores: a score equal to a threshold reaches it
        self._high = np.array([rule.threshold for rule in rules], np.float32)
        self._low = np.array([rule.low_threshold for rule in rules], np.float32)
        self._half_median = np.array([median_frames(rule.median_s, grid.hop_s) // 2 for rule in rules], np.int64)
        self._min_frames = [fewest_frames(rule.min_duration_s, grid.hop_s) for rule in rules]
        self._merge_frames = [merged_frames(rule.merge_gap_s, grid.hop_s) for rule in rules]
        self._margin = int(self._half_median.max(initial=0))
        self._rows: np.ndarray | None = None  # raw scores that the filter still needs
        self._next_frame = 0  # first frame that was not smoothed yet
        self._expected_frame = 0
        self._end_sample = 0
        self._sums = np.zeros(len(prompts))
        self._open: dict[int, Run] = {}  # by column: above the low threshold until now
        self._waiting: dict[int, Run] = {}  # ended, but the next run may still join it
        self._announced: dict[int, int] = {}  # by column: onset frame of the event that was last announced
        self._onsets: list[Onset] = []

    def push(self, piece: FrameScores) -> list[Event]:
        """Take the next piece; give the events that became certain, in the order of onsets.

        Raises
        ------
        ValueError
            other prompts or grid than before, or a gap between this piece and the one before
        """
        if piece.prompts != self.prompts or piece.grid != self.grid:
            raise ValueError(f"piece at frame {piece.start_frame} has other prompts or another grid than announced")
        if self._rows is not None and piece.start_frame != self._expected_frame:
            raise ValueError(f"piece at frame {piece.start_frame} does not continue at frame {self._expected_frame}")
        if len(piece.scores) == 0:
            return []
        if self._rows is None:
            self._rows = np.repeat(piece.scores[:1], self._margin, axis=0)
            self._next_frame = piece.start_frame
        self._expected_frame = piece.start_frame + len(piece.scores)
        self._end_sample = piece.start_frame * self.grid.hop_samples + piece.n_samples
        events: list[Event] = []
        for start in range(0, len(piece.scores), STEP_FRAMES):
            events += self._advance(np.concatenate([self._rows, piece.scores[start : start + STEP_FRAMES]]))
        return sorted(events)

    def finish(self) -> list[Event]:
        """The recording has ended: give the remaining events, in the order of onsets."""
        if self._rows is None:
            return []
        events = self._advance(np.concatenate([self._rows, np.repeat(self._rows[-1:], self._margin, axis=0)]))
        for column in list(self._open):
            events += self._close(column, self._next_frame, self._sums[column])
        for column, run in self._waiting.items():
            events += self._event(column, run)
        self._waiting.clear()
        return sorted(events)

    def take_onsets(self) -> list[Onset]:
        """Give the notices since the last call, in the order of onsets."""
        onsets, self._onsets = sorted(self._onsets), []
        return onsets

    def _advance(self, rows: np.ndarray) -> list[Event]:
        """Smooth and threshold all frames that have ``margin`` rows on both sides; keep what the next ones need."""
        n_frames = len(rows) - 2 * self._margin
        if n_frames <= 0:
            self._rows = rows
            return []
        self._rows = rows[n_frames:]
        # a median is at most the maximum: other columns can neither begin an event nor end one
        is_active = rows.max(axis=0, initial=0) >= self._low
        followed = self._open.keys() | self._waiting.keys()
        is_active[list(followed)] = True
        active = np.flatnonzero(is_active)
        smoothed = median_filter(rows[:, active], self._half_median[active], self._margin)
        is_on = smoothed >= self._low[active]
        sums = np.concatenate([np.zeros((1, len(active))), smoothed]).cumsum(axis=0, dtype=np.float64)
        sums += [self._sums[column] if column in followed else 0.0 for column in active.tolist()]
        events: list[Event] = []
        for place, column in enumerate(active.tolist()):
            if is_on[:, place].any() or column in self._open:
                events += self._follow(column, is_on[:, place], smoothed[:, place], sums[:, place])
        self._sums[active] = sums[-1]
        self._next_frame += n_frames
        for column, run in list(self._waiting.items()):
            next_onset = self._open[column].onset if column in self._open else self._next_frame
            if next_onset - run.offset > self._merge_frames[column]:
                events += self._event(column, self._waiting.pop(column))
        for column in self._open.keys() | self._waiting.keys():
            self._announce_if_certain(column)
        return events

    def _announce_if_certain(self, column: int) -> None:
        """Announce the event in the making of a prompt, if it is long and loud enough already."""
        run, before = self._open.get(column), self._waiting.get(column)
        if run is not None and run.max_score >= self._high[column]:
            onset, end = run.onset if before is None else before.onset, self._next_frame
        elif before is not None:
            onset, end = before.onset, before.offset
        else:
            return
        if end - onset >= self._min_frames[column]:
            self._announce(column, onset)

    def _announce(self, column: int, onset: int) -> None:
        if self._announced.get(column) != onset:
            self._announced[column] = onset
            self._onsets.append(Onset(self.grid.frame_s(onset), self.prompts[column]))

    def _follow(self, column: int, is_on: np.ndarray, scores: np.ndarray, sums: np.ndarray) -> list[Event]:
        """Carry one prompt through the frames of a step; ``sums`` has one entry more, at the front."""
        events: list[Event] = []
        if column in self._open and not is_on[0]:
            events += self._close(column, self._next_frame, sums[0])
        edges = np.flatnonzero(np.diff(is_on, prepend=False, append=False))
        for start, end in edges.reshape(-1, 2).tolist():
            run = self._open.setdefault(column, Run(self._next_frame + start, sums[start]))
            run.max_score = max(run.max_score, float(scores[start:end].max()))
            if end < len(scores):
                events += self._close(column, self._next_frame + end, sums[end])
        return events

    def _close(self, column: int, offset: int, sum_after: float) -> list[Event]:
        """End the open run of a prompt: it counts if it reached the high threshold, and may join the one before it."""
        run = self._open.pop(column)
        if run.max_score < self._high[column]:
            return []
        run.offset, run.sum_after = offset, sum_after
        before = self._waiting.get(column)
        if before is not None and run.onset - before.offset <= self._merge_frames[column]:
            before.offset, before.sum_after = run.offset, run.sum_after
            before.max_score = max(before.max_score, run.max_score)
            return []
        self._waiting[column] = run
        return [] if before is None else self._event(column, before)

    def _event(self, column: int, run: Run) -> list[Event]:
        """The event of a finished run, or nothing if it is too short."""
        n_frames = run.offset - run.onset
        if n_frames < self._min_frames[column]:
            return []
        self._announce(column, run.onset)
        offset_samples = min(run.offset * self.grid.hop_samples, self._end_sample)
        return [
            Event(
                self.grid.frame_s(run.onset),
                offset_samples / self.grid.sample_rate,
                self.prompts[column],
                min(float(run.sum_after - run.sum_before) / n_frames, run.max_score),
                run.max_score,
            )
        ]


def median_frames(median_s: float, hop_s: float) -> int:
    """The odd number of frames nearest to a duration, the larger of two equally near.

    Examples
    --------
    >>> [median_frames(median_s, 0.08) for median_s in (0.0, 0.1, 0.16, 0.24, 0.5)]
    [1, 1, 3, 3, 7]
    """
    return 2 * math.floor(median_s / hop_s / 2 + ROUNDING_FRAMES) + 1


def fewest_frames(min_duration_s: float, hop_s: float) -> int:
    """Frames of the shortest event that lasts at least as long."""
    return math.ceil(min_duration_s / hop_s - ROUNDING_FRAMES)


def merged_frames(merge_gap_s: float, hop_s: float) -> int:
    """Most frames between two events that are joined."""
    return math.floor(merge_gap_s / hop_s + ROUNDING_FRAMES)


def median_filter(rows: np.ndarray, half_median: np.ndarray, margin: int) -> np.ndarray:
    """(T + 2 margin, A) to (T, A): each column's median over its own odd number of rows, centred."""
    n_frames = len(rows) - 2 * margin
    smoothed = np.empty((n_frames, rows.shape[1]), rows.dtype)
    for half in sorted(set(half_median.tolist())):  # numpy.unique imports numpy.ma
        columns = half_median == half
        around = rows[margin - half : margin + n_frames + half, columns]
        windows = np.lib.stride_tricks.sliding_window_view(around, 2 * half + 1, axis=0)
        # numpy.median gives the same for odd windows, and imports numpy.ma first
        smoothed[:, columns] = np.partition(windows, windows.shape[-1] // 2, axis=-1)[..., windows.shape[-1] // 2]
    return smoothed
