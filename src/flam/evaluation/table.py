"""The score table, input of all metrics on time: frame scores of recordings with their ground truth."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from flam.core import FlamError, FrameScores, RecordingEvents, TimeGrid
from flam.evaluation.truth import OtherPrompts, Outside, Truth, collect_truth, truncate


@dataclass(frozen=True)
class ScoreTable:
    """Scores of F frames, the frames of all recordings one after another, for K prompts.

    Parameters
    ----------
    recordings : tuple[str, ...]
        R names
    prompts : tuple[str, ...]
        K texts, in column order
    durations_s : np.ndarray
        (R,) float64 array, lengths of the recordings in seconds
    scores : np.ndarray
        (F, K) float array, finite; a prompt's scores lie beside each other in memory
    first_row : np.ndarray
        (R + 1,) int array; recording r has the rows ``first_row[r]:first_row[r + 1]``
    starts_s, ends_s : np.ndarray
        (F,) float64 arrays, seconds from the start of the frame's recording; the last frame of a recording ends where
        its scores end
    grid : TimeGrid
        the time axis of every recording
    truth : Truth
        the events, see ``Truth`` for what was joined, cut, dropped and ignored
    judged : np.ndarray
        (R, K) bool array, False where nobody knows whether a prompt sounds in a recording: its scores are 0 there, so
        that it is neither found nor a false alarm, and metrics on frames and segments leave them out
    """

    recordings: tuple[str, ...]
    prompts: tuple[str, ...]
    durations_s: np.ndarray
    scores: np.ndarray
    first_row: np.ndarray
    starts_s: np.ndarray
    ends_s: np.ndarray
    grid: TimeGrid
    truth: Truth
    judged: np.ndarray

    @staticmethod
    def build(
        scores: Mapping[str, FrameScores],
        truth: Iterable[RecordingEvents],
        outside: Outside = "error",
        other_prompts: OtherPrompts = "error",
        not_judged: Mapping[str, Collection[str]] | None = None,
    ) -> ScoreTable:
        """Put scores and truth of the same recordings together.

        Parameters
        ----------
        scores : Mapping[str, FrameScores]
            the whole score of each recording, by name
        truth : Iterable[RecordingEvents]
            the events of each recording, none where nothing sounds; a ``duration_s`` of None is the end of its scores
        outside : Outside, default "error"
            for events that reach beyond the end of their recording or have no length: "error"; "trim" cuts or drops and
            counts them; "keep" leaves the long ones as they are and counts them
        other_prompts : OtherPrompts, default "error"
            for events of prompts that were not scored: "error"; "ignore" leaves them out and counts them
        not_judged : Mapping[str, Collection[str]] | None, optional
            recording to the prompts that nobody can judge in it, of which ``truth`` holds no event there

        Raises
        ------
        FlamError
            recordings or prompts missing on either side, scores that are not finite, grids that differ, no frames,
            events outside of their recording

        Examples
        --------
        >>> from flam.core import Event
        >>> scores = FrameScores(np.array([[0.1], [0.9]], np.float32), ("dog",), TimeGrid(100, 50), 0, 100)
        >>> table = ScoreTable.build({"a.wav": scores}, [RecordingEvents("a.wav", None, (Event(0.5, 1.0, "dog"),))])
        >>> table.frame_labels.tolist(), table.duration_s
        ([[False], [True]], 1.0)
        """
        events = _by_name(truth)
        _check_same("recordings", events, scores, "scores", "truth")
        if not scores:
            raise FlamError("no recordings to evaluate; give the scores and events of at least one")
        recordings = tuple(scores)
        first = scores[recordings[0]]
        columns = [_checked(name, scores[name], first) for name in recordings]
        first_row = np.concatenate([[0], np.cumsum([len(rows) for rows in columns])])
        local = np.arange(first_row[-1]) - np.repeat(first_row[:-1], np.diff(first_row))
        end_s = np.array([scores[name].end_s for name in recordings])
        starts_s = local * first.grid.hop_samples / first.grid.sample_rate
        ends_s = (local + 1) * first.grid.hop_samples / first.grid.sample_rate
        ends_s[first_row[1:] - 1] = end_s
        given_s = [events[name].duration_s for name in recordings]
        doubtful = {} if not_judged is None else not_judged
        judged = np.array(
            [[prompt not in doubtful.get(name, ()) for prompt in first.prompts] for name in recordings], bool
        )
        columns = [rows * own for rows, own in zip(columns, judged, strict=True)] if doubtful else columns
        durations_s = np.array([end if given is None else given for end, given in zip(end_s, given_s, strict=True)])
        if not np.all(durations_s > 0):
            raise FlamError(f"recordings without a length: {truncate(_named(recordings, ~(durations_s > 0)))}")
        return ScoreTable(
            recordings,
            first.prompts,
            durations_s,
            np.asfortranarray(np.concatenate(columns)),
            first_row,
            starts_s,
            ends_s,
            first.grid,
            collect_truth(events, recordings, first.prompts, durations_s, outside, other_prompts),
            judged,
        )

    @property
    def duration_s(self) -> float:
        """Length of all recordings together, seconds."""
        return float(self.durations_s.sum())

    @cached_property
    def recording_of_row(self) -> np.ndarray:
        """(F,) int array: the recording of each frame."""
        return np.repeat(np.arange(len(self.recordings)), np.diff(self.first_row))

    @cached_property
    def frame_labels(self) -> np.ndarray:
        """(F, K) bool array: where each prompt sounds, by ``TimeGrid.frame_labels``."""
        labels = np.zeros(self.scores.shape, dtype=bool)
        truth = self.truth
        for start, end in _spans(truth.prompt, truth.recording):
            rows = slice(*self.first_row[truth.recording[start] : truth.recording[start] + 2])
            spans_s = list(zip(truth.onset_s[start:end].tolist(), truth.offset_s[start:end].tolist(), strict=True))
            labels[rows, truth.prompt[start]] = self.grid.frame_labels(spans_s, rows.stop - rows.start)
        return labels

    def judged_frames(self, prompt: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Scores, labels and recordings of the frames in which the prompt of a column is judged, (N,) each."""
        rows = self.judged[self.recording_of_row, prompt]
        return self.scores[rows, prompt], self.frame_labels[rows, prompt], self.recording_of_row[rows]

    def median_filtered(self, n_frames: int = 3) -> ScoreTable:
        """The same table with each score replaced by the median of the frames around it.

        The first and the last frame of a recording are repeated beyond its ends.

        Parameters
        ----------
        n_frames : int, default 3
            odd length of the filter

        Raises
        ------
        ValueError
            n_frames is even or not positive
        """
        if n_frames < 1 or n_frames % 2 == 0:
            raise ValueError(f"median filter of {n_frames} frames; it needs an odd, positive number")
        rows, first = np.arange(len(self.scores)), self.first_row[self.recording_of_row]
        last = self.first_row[self.recording_of_row + 1] - 1
        around = [np.clip(rows + shift, first, last) for shift in range(-(n_frames // 2), n_frames // 2 + 1)]
        filtered = np.empty_like(self.scores)
        for k in range(len(self.prompts)):  # a column at a time, because the filter needs several times its memory
            column = self.scores[:, k]
            filtered[:, k] = np.median(np.stack([column[neighbours] for neighbours in around]), axis=0)
        return dataclasses.replace(self, scores=filtered)

    def prompts_with_events(self) -> np.ndarray:
        """(K,) bool array: the prompts that sound in any recording."""
        return np.bincount(self.truth.prompt, minlength=len(self.prompts)) > 0


def _spans(*keys: np.ndarray) -> list[tuple[int, int]]:
    """Start and end of each run of equal keys."""
    if len(keys[0]) == 0:
        return []
    is_new = np.any([key[1:] != key[:-1] for key in keys], axis=0)
    edges = [0, *(np.flatnonzero(is_new) + 1).tolist(), len(keys[0])]
    return list(pairwise(edges))


def _by_name(truth: Iterable[RecordingEvents]) -> dict[str, RecordingEvents]:
    events: dict[str, RecordingEvents] = {}
    for recording in truth:
        if recording.recording in events:
            raise FlamError(f"the truth holds recording {recording.recording!r} twice; join its events")
        events[recording.recording] = recording
    return events


def _check_same(what: str, wanted: Iterable[str], given: Iterable[str], given_name: str, wanted_name: str) -> None:
    missing, additional = sorted(set(wanted) - set(given)), sorted(set(given) - set(wanted))
    if missing or additional:
        raise FlamError(
            f"{what} of the {given_name} are not those of the {wanted_name}: missing {what}: "
            f"{truncate(missing) or 'none'}; additional {what}: {truncate(additional) or 'none'}"
        )


def _checked(name: str, scores: FrameScores, first: FrameScores) -> np.ndarray:
    """(T, K) scores of one recording in the column order of the first."""
    if scores.grid != first.grid:
        raise FlamError(f"{name}: scores on {scores.grid}, but the first recording's on {first.grid}; score with one")
    if scores.start_frame != 0 or len(scores.scores) == 0:
        raise FlamError(
            f"{name}: {len(scores.scores)} frames of scores that begin at frame {scores.start_frame}; a recording "
            "needs all of its frames from 0 on (FrameScores.concatenate joins pieces)"
        )
    _check_same("prompts", first.prompts, scores.prompts, f"scores of {name}", "first recording")
    if len(set(scores.prompts)) < len(scores.prompts):
        repeated = sorted({prompt for prompt in scores.prompts if scores.prompts.count(prompt) > 1})
        raise FlamError(f"{name}: prompts scored more than once: {truncate(repeated)}; ask for each once")
    order = [scores.prompts.index(prompt) for prompt in first.prompts]
    columns = scores.scores if order == list(range(len(order))) else scores.scores[:, order]
    if not np.isfinite(columns).all():
        bad = ~np.isfinite(columns)
        raise FlamError(
            f"{name}: {int(bad.sum())} of {bad.size} scores are not finite, for prompts "
            f"{truncate(_named(first.prompts, bad.any(axis=0)))}; score the recording again"
        )
    return columns


def _named(names: tuple[str, ...], chosen: np.ndarray) -> list[str]:
    return [names[i] for i in np.flatnonzero(chosen)]
