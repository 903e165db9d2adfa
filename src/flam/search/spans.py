"""From frames that reach a threshold to the spans that ``detect`` finds: the scores around them, and the same rules."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from flam.core import Event, FrameScores, TimeGrid
from flam.detection import DetectionConfig
from flam.detection.binarize import ROUNDING_FRAMES, Binarizer, median_filter, median_frames
from flam.detection.config import EventRule
from flam.search.query import Query, highest_score
from flam.search.recordings import Recording
from flam.search.segment import Segment

FEWEST_BLOCK_FRAMES = 64
ROWS_AT_ONCE = 65_536


@dataclass(frozen=True)
class Span:
    """A sound that was found.

    Parameters
    ----------
    recording : Recording
        Where.
    event : Event
        From when to when, of which prompt, with which scores; times within the recording.
    level_db : float
        Mean level of its frames, dB relative to full scale.
    """

    recording: Recording
    event: Event
    level_db: float


class SegmentSpans:
    """Finds spans in one segment.

    Parameters
    ----------
    segment : Segment
        Segment
    recordings : sequence of Recording
        Those that count, ordered by first frame.
    silence_db : float
        Frames quieter than this score 0.
    grid : TimeGrid
        Of the frames.
    """

    def __init__(
        self,
        segment: Segment,
        recordings: Sequence[Recording],
        silence_db: float,
        grid: TimeGrid,
    ):
        self._segment, self._recordings = segment, recordings
        self._silence_db, self._grid = silence_db, grid
        self._first = np.array([recording.first_frame for recording in recordings], np.int64)
        self._n_frames = np.array([recording.n_frames for recording in recordings], np.int64)

    def find(self, query: Query, frames: np.ndarray) -> list[Span]:
        """The spans of a query, in the order of time.

        Parameters
        ----------
        query : Query
            Query
        frames : numpy.ndarray
            (H,) rows, among them all that reach the query's threshold.
        """
        if not len(frames) or not len(self._recordings):
            return []
        margin, merge = _margin_frames(query.rule, self._grid), _merge_frames(query.rule, self._grid)
        # a block without a frame at the low threshold then parts what lies before it from what lies behind it
        blocks = _Blocks(self._first, self._n_frames, max(FEWEST_BLOCK_FRAMES, 2 * margin + merge + 1))
        scores = np.zeros(self._segment.header.n_frames + 1, np.float32)  # one more, for reduceat
        low = np.float32(query.rule.low_threshold)
        turned = _Turned(query, self._segment)
        known = np.zeros(blocks.n, bool)
        wanted = blocks.and_neighbours(blocks.of_frames(frames))
        while len(wanted):
            known[wanted] = True
            self._score(turned, blocks, wanted, scores)
            edges = np.stack([blocks.start[wanted], blocks.end[wanted]], axis=1).ravel()
            highest = np.maximum.reduceat(scores, edges)[::2]
            around = blocks.and_neighbours(wanted[highest >= low])
            wanted = around[~known[around]]
        return list(self._spans(query, blocks.groups(known), scores, margin, merge))

    def _score(self, turned: _Turned, blocks: _Blocks, wanted: np.ndarray, scores: np.ndarray) -> None:
        """Fill in the scores of blocks."""
        for start, end in blocks.runs(wanted):
            for first in range(start, end, ROWS_AT_ONCE):
                rows = slice(first, min(first + ROWS_AT_ONCE, end))
                found = turned.scores(self._segment.values(rows))
                found[self._segment.level_db[rows] < self._silence_db] = 0
                scores[rows] = found

    def _spans(
        self, query: Query, groups: list[tuple[int, int]], scores: np.ndarray, margin: int, merge: int
    ) -> Iterator[Span]:
        """Put stretches of frames on one time axis, far enough apart, and let ``detect``'s own rules loose on it."""
        gap = np.zeros(merge + 1, np.float32)
        pieces, starts, position = [], [], 0
        for start, end in groups:
            padded = np.pad(scores[start:end], margin, mode="edge")
            starts.append(position)
            pieces += [median_filter(padded[:, None], np.array([margin]), margin)[:, 0], gap]
            position += end - start + len(gap)
        timeline = np.concatenate(pieces)
        first_frames, virtual = np.array([start for start, _ in groups]), np.array(starts)
        rule = query.rule
        config = DetectionConfig(
            threshold=rule.threshold,
            low_threshold=rule.low_threshold,
            median_s=0.0,
            min_duration_s=rule.min_duration_s,
            merge_gap_s=rule.merge_gap_s,
        )
        binarizer = Binarizer((query.label,), self._grid, config)
        hop = self._grid.hop_samples
        events = binarizer.push(FrameScores(timeline[:, None], (query.label,), self._grid, 0, len(timeline) * hop))
        for event in sorted([*events, *binarizer.finish()]):
            onset, offset = (round(time_s * self._grid.rate_hz) for time_s in (event.onset_s, event.offset_s))
            group = int(np.searchsorted(virtual, onset, side="right")) - 1
            shift = int(first_frames[group] - virtual[group])
            yield self._span(event, onset + shift, offset + shift)

    def _span(self, event: Event, onset: int, offset: int) -> Span:
        """An event between rows of the segment, on the time axis of its recording."""
        row = int(np.searchsorted(self._first, onset, side="right")) - 1
        recording, hop = self._recordings[row], self._grid.hop_samples
        end_samples = min((offset - recording.first_frame) * hop, recording.n_samples)
        placed = Event(
            self._grid.frame_s(onset - recording.first_frame),
            end_samples / self._grid.sample_rate,
            event.prompt,
            event.mean_score,
            event.max_score,
        )
        power = float(np.mean(10 ** (self._segment.level_db[onset:offset].astype(np.float64) / 10)))
        return Span(recording, placed, 10 * math.log10(max(power, 1e-20)))


class _Turned:
    """A query along the axes of a segment."""

    def __init__(self, query: Query, segment: Segment):
        self._method = query.method
        self._texts, self._rivals = (
            texts._replace(text_features=segment.codec.rotate(texts.text_features)[:, : segment.codec.n_kept])
            for texts in (query.texts, query.rivals)
        )

    def scores(self, values: np.ndarray) -> np.ndarray:
        """(T,) scores of frames."""
        found = highest_score(values, self._texts, self._method)
        if len(self._rivals.logit_bias):
            found *= found >= highest_score(values, self._rivals, self._method)
        return found


class _Blocks:
    """Recordings cut into blocks of frames, none across two recordings.

    Attributes
    ----------
    n : int
        Blocks.
    start, end : numpy.ndarray
        (n,) rows of the segment.
    """

    def __init__(self, first: np.ndarray, n_frames: np.ndarray, block_frames: int):
        self._first, self._n_frames, self._block_frames = first, n_frames, block_frames
        counts = -(-n_frames // block_frames)
        self._offsets = np.concatenate([[0], np.cumsum(counts)])
        self.n = int(self._offsets[-1])
        recording = np.repeat(np.arange(len(first)), counts)
        within = np.arange(self.n) - self._offsets[recording]
        self.start = first[recording] + within * block_frames
        self.end = np.minimum(self.start + block_frames, first[recording] + n_frames[recording])
        self._has_before, self._has_after = within > 0, within < counts[recording] - 1

    def of_frames(self, frames: np.ndarray) -> np.ndarray:
        """The blocks that rows lie in, without those that are of no recording."""
        recording = np.searchsorted(self._first, frames, side="right") - 1
        within = frames - self._first[recording]
        inside = (recording >= 0) & (within < self._n_frames[recording])
        return np.unique(self._offsets[recording[inside]] + within[inside] // self._block_frames)

    def and_neighbours(self, blocks: np.ndarray) -> np.ndarray:
        """Blocks with those beside them in the same recording."""
        before, after = blocks[self._has_before[blocks]] - 1, blocks[self._has_after[blocks]] + 1
        return np.unique(np.concatenate([blocks, before, after]))

    def runs(self, blocks: np.ndarray) -> list[tuple[int, int]]:
        """First and last row, exclusive, of stretches of neighbouring blocks."""
        if not len(blocks):
            return []
        joins = (np.diff(blocks) == 1) & self._has_after[blocks[:-1]]
        edges = np.flatnonzero(~joins) + 1
        first, last = np.concatenate([[0], edges]), np.concatenate([edges, [len(blocks)]]) - 1
        return list(zip(self.start[blocks[first]].tolist(), self.end[blocks[last]].tolist(), strict=True))

    def groups(self, known: np.ndarray) -> list[tuple[int, int]]:
        """Stretches of the blocks that are marked."""
        return self.runs(np.flatnonzero(known))


def _margin_frames(rule: EventRule, grid: TimeGrid) -> int:
    return median_frames(rule.median_s, grid.hop_s) // 2


def _merge_frames(rule: EventRule, grid: TimeGrid) -> int:
    return int(np.floor(rule.merge_gap_s / grid.hop_s + ROUNDING_FRAMES))
