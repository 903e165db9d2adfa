"""How many seconds of a prompt's events lie between two frames, for any two, at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flam.evaluation.table import ScoreTable


@dataclass(frozen=True)
class Coverage:
    """Seconds covered up to each frame edge, for each pair of a recording and a prompt that has events there.

    Parameters
    ----------
    recording, prompt : np.ndarray
        (P,) int arrays, ordered by recording
    offset : np.ndarray
        (P,) int array, where a pair's values begin in ``seconds``, less the first row of its recording
    seconds : np.ndarray
        values of all pairs; a pair has one for each frame edge of its recording, one more than frames
    """

    recording: np.ndarray
    prompt: np.ndarray
    offset: np.ndarray
    seconds: np.ndarray

    def of(self, pair: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
        """(N,) seconds of the events of each pair within the rows from ``first`` to ``last``, ``last`` included."""
        offset = self.offset[pair]
        return self.seconds[offset + last + 1] - self.seconds[offset + first]


def cover(table: ScoreTable) -> Coverage:
    """Add up the events of a table.

    Examples
    --------
    >>> from flam.core import Event, FrameScores, RecordingEvents, TimeGrid
    >>> scores = FrameScores(np.zeros((4, 1), np.float32), ("dog",), TimeGrid(10, 10), 0, 40)
    >>> table = ScoreTable.build({"a": scores}, [RecordingEvents("a", None, (Event(0.5, 2.5, "dog"),))])
    >>> cover(table).seconds.tolist()
    [0.0, 0.5, 1.5, 2.0, 2.0]
    """
    truth, n_prompts = table.truth, len(table.prompts)
    order = np.argsort(truth.recording * n_prompts + truth.prompt, kind="stable")
    onset_s, offset_s = truth.onset_s[order], truth.offset_s[order]
    keys, counts = np.unique(truth.recording * n_prompts + truth.prompt, return_counts=True)
    recording, prompt = keys // n_prompts, keys % n_prompts
    seconds = []
    for r, start, end in zip(recording.tolist(), np.cumsum(counts) - counts, np.cumsum(counts), strict=True):
        rows = slice(*table.first_row[r : r + 2])
        edges_s = np.append(table.starts_s[rows], table.ends_s[rows][-1])
        # flat between events, rising by a second per second within them; they do not overlap
        corners_s = np.stack([onset_s[start:end], offset_s[start:end]], axis=1)
        total_s = np.cumsum(corners_s[:, 1] - corners_s[:, 0])
        heights_s = np.stack([np.concatenate([[0.0], total_s[:-1]]), total_s], axis=1)
        seconds.append(np.interp(edges_s, corners_s.ravel(), heights_s.ravel()))
    n_edges = np.array([len(own) for own in seconds], np.int64)
    offset = np.cumsum(n_edges) - n_edges - table.first_row[recording]
    return Coverage(recording, prompt, offset, np.concatenate([*seconds, np.empty(0)]))
