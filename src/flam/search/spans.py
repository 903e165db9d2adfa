"""From frames that reach a threshold to the spans that ``detect`` finds: the scores around them, and the same rules."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flam.core import Event, TimeGrid
from flam.detection.binarize import median_filter, median_frames, merged_frames
from flam.detection.whole import EventFrames, event_frames
from flam.search.query import Query, highest_score
from flam.search.recordings import Recording
from flam.search.segment import Segment

FEWEST_BLOCK_FRAMES = 16
ROWS_AT_ONCE = 4_096  # their vectors stay in a core's cache
FRAMES_OF_A_PART = 8_192
BETWEEN = -1.0  # what separates stretches: below any threshold, even one of 0
PER_DB = np.log(10) / 10


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
        self._blocks = functools.cache(functools.partial(Blocks, self._first, self._n_frames))

    def parts(self, frames_by_text: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Rows of all texts of a query, ascending, cut between recordings so that threads can share them.

        Parameters
        ----------
        frames_by_text : sequence of numpy.ndarray
            Ascending rows of each text.
        """
        frames = frames_by_text[0] if len(frames_by_text) == 1 else np.unique(np.concatenate(frames_by_text))
        if not len(self._recordings):
            return []
        aims = frames[FRAMES_OF_A_PART::FRAMES_OF_A_PART]
        recording = np.clip(np.searchsorted(self._first, aims, side="right") - 1, 0, None)
        parts = np.split(frames, np.unique(np.searchsorted(frames, self._first[recording])))
        return [part for part in parts if len(part)]

    def find(self, query: Query, frames: np.ndarray) -> list[Span]:
        """The spans of a query, in the order of time.

        Parameters
        ----------
        query : Query
            Query
        frames : numpy.ndarray
            (H,) ascending rows, among them all of some recordings that reach the query's threshold.
        """
        if not len(frames) or not len(self._recordings):
            return []
        margin = median_frames(query.rule.median_s, self._grid.hop_s) // 2
        merge = merged_frames(query.rule.merge_gap_s, self._grid.hop_s)
        # a block without a frame at the low threshold then parts what lies before it from what lies behind it
        blocks = self._blocks(max(FEWEST_BLOCK_FRAMES, 2 * margin + merge + 1))
        low = np.float32(query.rule.low_threshold)
        turned = _Turned(query, self._segment)
        known = np.zeros(blocks.n, bool)
        rows, scores = [], []
        wanted = blocks.and_neighbours(blocks.of_frames(self._outlasting(frames, margin)))
        while len(wanted):
            known[wanted] = True
            rows.append(stretches(blocks.start[wanted], blocks.end[wanted]))
            scores.append(self._scores(turned, rows[-1]))
            lengths = blocks.end[wanted] - blocks.start[wanted]
            highest = np.maximum.reduceat(scores[-1], np.cumsum(lengths) - lengths)
            around = blocks.and_neighbours(wanted[highest >= low])
            wanted = around[~known[around]]
        if not rows:
            return []
        in_order = np.argsort(np.concatenate(rows), kind="stable")
        start, end = blocks.runs(np.flatnonzero(known))
        return self._spans(query, start, end, np.concatenate(scores)[in_order], margin, merge)

    def _outlasting(self, frames: np.ndarray, margin: int) -> np.ndarray:
        """The frames that a median over ``2 margin + 1`` can leave at the threshold: more than half of one reach it."""
        if margin == 0:
            return frames
        kept = np.zeros(len(frames), bool)
        is_dense = frames[margin:] - frames[:-margin] <= 2 * margin
        for place in range(margin + 1):
            kept[place : place + len(is_dense)] |= is_dense
        # the first and the last frame of a recording are repeated beyond it
        row = np.clip(np.searchsorted(self._first, frames, side="right") - 1, 0, None)
        within = frames - self._first[row]
        return frames[kept | (within < margin) | (self._n_frames[row] - within <= margin)]

    def _scores(self, turned: _Turned, rows: np.ndarray) -> np.ndarray:
        """(T,) scores of rows."""
        scores = np.empty(len(rows), np.float32)
        for first in range(0, len(rows), ROWS_AT_ONCE):
            some = rows[first : first + ROWS_AT_ONCE]
            found = turned.scores(self._segment.values(some))
            found[self._segment.level_db[some] < self._silence_db] = 0
            scores[first : first + len(some)] = found
        return scores

    def _spans(
        self, query: Query, start: np.ndarray, end: np.ndarray, scores: np.ndarray, margin: int, merge: int
    ) -> list[Span]:
        """Put stretches of frames on one time axis, too far apart to be joined, and apply ``detect``'s rules to it."""
        lengths = end - start
        virtual = np.cumsum(lengths + merge + 1) - (lengths + merge + 1)
        timeline = np.full(int((lengths + merge + 1).sum()), BETWEEN, np.float32)
        timeline[stretches(virtual, virtual + lengths)] = smoothed(scores, lengths, margin)
        found = event_frames(timeline, query.rule, self._grid)
        stretch = np.searchsorted(virtual, found.onsets, side="right") - 1
        shift = start[stretch] - virtual[stretch]
        return self._placed(query.label, found._replace(onsets=found.onsets + shift, offsets=found.offsets + shift))

    def _placed(self, label: str, found: EventFrames) -> list[Span]:
        """Events between rows of the segment, on the time axes of their recordings."""
        if not len(found.onsets):
            return []
        rows = np.searchsorted(self._first, found.onsets, side="right") - 1
        lengths = found.offsets - found.onsets
        # ten to the power of a tenth is a power of e, which numpy raises several times faster
        power = np.exp(self._segment.level_db.take(stretches(found.onsets, found.offsets)).astype(np.float64) * PER_DB)
        mean_power = np.add.reduceat(power, np.cumsum(lengths) - lengths) / lengths
        levels_db = 10 * np.log10(np.maximum(mean_power, 1e-20))
        onsets, offsets = found.onsets - self._first[rows], found.offsets - self._first[rows]
        columns = (rows, onsets, offsets, found.mean_scores, found.max_scores, levels_db)
        spans, grid = [], self._grid
        for row, onset, offset, mean_score, max_score, level_db in zip(*map(np.ndarray.tolist, columns), strict=True):
            recording = self._recordings[row]
            offset_s = min(offset * grid.hop_samples, recording.n_samples) / grid.sample_rate
            event = Event(grid.frame_s(onset), offset_s, label, mean_score, max_score)
            spans.append(Span(recording, event, level_db))
        return spans


class _Turned:
    """A query along the axes of a segment."""

    def __init__(self, query: Query, segment: Segment):
        self._method = query.method
        self._texts, self._suppress = (
            texts._replace(text_features=segment.codec.rotate(texts.text_features)[:, : segment.codec.n_kept])
            for texts in (query.texts, query.suppress)
        )

    def scores(self, values: np.ndarray) -> np.ndarray:
        """(T,) scores of frames."""
        found = highest_score(values, self._texts, self._method)
        if len(self._suppress.logit_bias):
            found *= found >= highest_score(values, self._suppress, self._method)
        return found


class Blocks:
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

    def runs(self, blocks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First and last row, exclusive, of stretches of neighbouring blocks."""
        joins = (np.diff(blocks) == 1) & self._has_after[blocks[:-1]]
        edges = np.flatnonzero(~joins) + 1
        first, last = np.concatenate([[0], edges]), np.concatenate([edges, [len(blocks)]]) - 1
        return self.start[blocks[first]], self.end[blocks[last]]


def stretches(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """All numbers from each start to each end, exclusive, one after the other.

    Examples
    --------
    >>> stretches(np.array([3, 10]), np.array([5, 13])).tolist()
    [3, 4, 10, 11, 12]
    """
    lengths = end - start
    return np.arange(int(lengths.sum())) + np.repeat(start - (np.cumsum(lengths) - lengths), lengths)


def smoothed(scores: np.ndarray, lengths: np.ndarray, margin: int) -> np.ndarray:
    """(T,) scores of stretches one after the other, each smoothed by a median with its ends repeated beyond itself."""
    if margin == 0:
        return scores
    first = np.cumsum(lengths) - lengths
    around = stretches(first - margin, first + lengths + margin)
    padded = scores[
        np.clip(around, np.repeat(first, lengths + 2 * margin), np.repeat(first + lengths - 1, lengths + 2 * margin))
    ]
    found = np.empty(len(padded) - 2 * margin, np.float32)
    for start in range(0, len(found), ROWS_AT_ONCE):
        piece = padded[start : start + ROWS_AT_ONCE + 2 * margin]
        found[start : start + ROWS_AT_ONCE] = median_filter(piece[:, None], np.array([margin]), margin)[:, 0]
    first_padded = first + 2 * margin * np.arange(len(lengths))
    return found[stretches(first_padded, first_padded + lengths)]
