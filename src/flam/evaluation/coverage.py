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
    recording, prompt : (P,) int arrays, ordered by recording
    offset : (P,) int array, where a pair's values begin in ``seconds``, less the first row of its recording
    seconds : values of all pairs; a pair has one for each frame edge of its recording, one more than frames
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

    >>> from flam.core import Event, FrameScores, RecordingEvents, TimeGrid
    >>> scores = FrameScores(np.zeros((4, 1), np.float32), ("dog",), TimeGrid(10, 10), 0, 40)
    >>> table = ScoreTable.build({"a": scores}, [RecordingEvents("a", None, (Event(0.5, 2.5, "dog"),))])
    >>> cover(table).seconds.tolist()
    [0.0, 0.5, 1.5, 2.0, 2.0]
    """
    truth, n_prompts = table.truth, len(table.prompts)
    keys, pair = np.unique(truth.recording * n_prompts + truth.prompt, return_inverse=True)
    recording, prompt = keys // n_prompts, keys % n_prompts
    n_edges = np.diff(table.first_row) + 1
    begin = np.cumsum(n_edges[recording]) - n_edges[recording]
    # edges of all recordings: one more than rows in each, so recording r begins at first_row[r] + r
    edges_s = np.empty(len(table.starts_s) + len(table.recordings))
    edges_s[np.arange(len(table.starts_s)) + table.recording_of_row] = table.starts_s
    edges_s[table.first_row[1:] + np.arange(len(table.recordings))] = table.ends_s[table.first_row[1:] - 1]
    counts = n_edges[truth.recording]
    event = np.repeat(np.arange(len(counts)), counts)
    local = np.arange(len(event)) - np.repeat(np.cumsum(counts) - counts, counts)
    at_s = edges_s[(table.first_row[truth.recording] + truth.recording)[event] + local]
    length_s = truth.offset_s - truth.onset_s
    covered_s = np.clip(at_s - truth.onset_s[event], 0, length_s[event])
    seconds = np.bincount(begin[pair[event]] + local, covered_s, int(n_edges[recording].sum()))
    return Coverage(recording, prompt, begin - table.first_row[recording], seconds)
