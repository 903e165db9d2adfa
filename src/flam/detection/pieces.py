"""What the analysis of a recording yields, piece by piece, and how frames become scores and events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from flam.core import Event, FrameScores
from flam.detection.backends.base import Backend, TextFeatures
from flam.detection.binarize import Binarizer, Onset
from flam.detection.frames import power_of_db
from flam.detection.plan import FramePiece
from flam.detection.prompt_file import PromptList
from flam.detection.question import Question
from flam.detection.scores import score

PROMPTS_AT_ONCE = 2048


@dataclass(frozen=True, eq=False)
class Piece:
    """Consecutive frames of a recording of which everything is known and nothing will change.

    Parameters
    ----------
    start_frame : int
        Position of the first frame; frame t covers ``[t, t + 1) * grid.hop_s`` seconds.
    n_samples : int
        Samples of the recording that the frames cover, at the model's rate: T whole frames, or fewer where the
        recording ends inside the last one.
    embeddings : numpy.ndarray
        (T, C) float32, what the audio tower says of each frame; ``Backend.pool`` makes one vector of them all.
    features : numpy.ndarray
        (T, D) float32, the embeddings in the space where texts lie.
    power : numpy.ndarray
        (T,) float32, mean square of each frame's samples, 0 for digital silence.
    scores : FrameScores
        (T, K) scores of the prompts, and of suppressed sounds where they are shown.
    onsets : tuple of Onset
        Events that have certainly begun, which was not known before.
    events : tuple of Event
        Events that have certainly ended, which was not known before, in the order of onsets.
    """

    start_frame: int
    n_samples: int
    embeddings: np.ndarray
    features: np.ndarray
    power: np.ndarray
    scores: FrameScores
    onsets: tuple[Onset, ...] = ()
    events: tuple[Event, ...] = ()


class PieceMaker:
    """Turn stitched frames into pieces with features, scores and events.

    Parameters
    ----------
    backend : Backend
        Projects frames.
    question : Question
        What to find, and how.
    show_suppress : bool
        Add the scores of ``suppress`` as further columns.
    find_events : bool
        False leaves onsets and events empty.
    """

    def __init__(self, backend: Backend, question: Question, show_suppress: bool = False, find_events: bool = True):
        prompts, suppress, config = question.prompts, question.suppress, question.config
        self._backend, self._config = backend, config
        self._texts, self._suppress_texts = question.texts, question.suppress_texts
        self._prompts = prompts if isinstance(prompts, PromptList) else None
        scored = prompts.texts if isinstance(prompts, PromptList) else tuple(prompts)
        names = prompts.names if isinstance(prompts, PromptList) else tuple(prompts)
        self._n_prompts = len(scored)
        self._scored = (*scored, *suppress) if show_suppress else scored
        self._columns = (*names, *suppress) if show_suppress else names
        self._silence_power = power_of_db(config.silence_db)
        self._next_frame, self._widths = 0, (0, question.texts.text_features.shape[1])
        unique = tuple(dict.fromkeys(names))
        self._event_columns = [names.index(prompt) for prompt in unique]
        self._binarizer = Binarizer(unique, backend.grid, config) if find_events and unique else None

    def stream(self, stitched: Iterable[FramePiece]) -> Iterator[Piece]:
        """All pieces of a recording, the last one without frames."""
        for frames in stitched:
            yield self.push(frames)
        yield self.finish()

    def push(self, frames: FramePiece) -> Piece:
        """Take the next frames of (T, C + 1) embeddings and power."""
        embeddings, power = frames.values[:, :-1], frames.values[:, -1]
        features = self._backend.project(embeddings)
        self._next_frame = frames.start_frame + len(power)
        self._widths = (embeddings.shape[1], features.shape[1])
        scores = FrameScores(
            self._score(features, power), self._scored, self._backend.grid, frames.start_frame, frames.n_samples
        )
        if self._prompts is not None:
            scores = self._prompts.combine(scores)
        events: tuple[Event, ...] = ()
        onsets: tuple[Onset, ...] = ()
        if self._binarizer is not None:
            events = self._finished(self._binarizer.push(self._of_prompts(scores)))
            onsets = tuple(self._binarizer.take_onsets())
        return Piece(frames.start_frame, frames.n_samples, embeddings, features, power, scores, onsets, events)

    def finish(self) -> Piece:
        """A last piece without frames: the events that the end of the recording makes certain."""
        embeddings, features = (np.zeros((0, width), np.float32) for width in self._widths)
        nothing = np.zeros((0, len(self._columns)), np.float32)
        scores = FrameScores(nothing, self._columns, self._backend.grid, self._next_frame, 0)
        events: tuple[Event, ...] = ()
        onsets: tuple[Onset, ...] = ()
        if self._binarizer is not None:
            events = self._finished(self._binarizer.finish())
            onsets = tuple(self._binarizer.take_onsets())
        power = np.zeros(0, np.float32)
        return Piece(self._next_frame, 0, embeddings, features, power, scores, onsets, events)

    def _finished(self, events: list[Event]) -> tuple[Event, ...]:
        return tuple(events if self._prompts is None else self._prompts.finish(events))

    def _of_prompts(self, scores: FrameScores) -> FrameScores:
        if len(self._event_columns) == len(self._columns):
            return scores
        values, binarizer = scores.scores[:, self._event_columns], self._binarizer
        assert binarizer is not None
        return FrameScores(values, binarizer.prompts, scores.grid, scores.start_frame, scores.n_samples)

    def _score(self, features: np.ndarray, power: np.ndarray) -> np.ndarray:
        method, n_prompts = self._config.score, self._n_prompts
        scores = np.empty((len(features), len(self._scored)), np.float32)
        limit = None
        if len(self._suppress_texts.logit_bias):
            suppress_scores = score(features, self._suppress_texts, method)
            limit = suppress_scores.max(axis=1, keepdims=True)
            if len(self._scored) > n_prompts:
                scores[:, n_prompts:] = suppress_scores
        for start in range(0, n_prompts, PROMPTS_AT_ONCE):
            columns = slice(start, min(start + PROMPTS_AT_ONCE, n_prompts))
            values = score(features, TextFeatures(*(part[columns] for part in self._texts)), method)
            if limit is not None:
                values *= values >= limit
            scores[:, columns] = values
        scores[power < self._silence_power] = 0
        return scores
