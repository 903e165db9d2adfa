"""Scores, heat maps and events of stored recordings: a new prompt costs one text and one matrix product."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from flam.core import ConfigError, Event, FrameScores, from_mapping, to_mapping
from flam.detection import DetectionConfig, Detector
from flam.detection.binarize import binarize
from flam.detection.config import PromptSettings, replace_settings
from flam.detection.frames import power_of_db
from flam.detection.prompt_file import PromptList
from flam.detection.scores import score
from flam.server.errors import NotReady
from flam.server.store import StoredRecording

FRAMES_AT_A_TIME = 16_384
# A byte of a heat map holds the score's logit from -LOGIT_RANGE to LOGIT_RANGE: thresholds lie close to 1.
LOGIT_RANGE = 8.0


@dataclass(frozen=True)
class Query:
    """What to find in a recording.

    Parameters
    ----------
    entries : PromptList
        K prompts with their alternatives and negatives.
    suppress : tuple of str
        Texts that switch a prompt off wherever they score higher.
    options : dict
        Fields of ``DetectionConfig`` that differ from the model's.
    rules : dict
        By prompt, fields of ``PromptSettings`` that differ for it.
    n_together : int or None
        How many prompts are asked in all, where these are a part of them: thresholds depend on it.

    Raises
    ------
    ConfigError
        A prompt that is also suppressed.
    """

    entries: PromptList
    suppress: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    rules: dict[str, dict[str, Any]] = field(default_factory=dict)
    n_together: int | None = None

    def __post_init__(self) -> None:
        both = [prompt for prompt in self.prompts if prompt in self.suppress]
        if both:
            raise ConfigError(f"prompt {both[0]!r} is asked for and suppressed; take it out of one of the two")

    @property
    def prompts(self) -> tuple[str, ...]:
        """The names of the prompts, each once."""
        return self.entries.names

    @property
    def texts(self) -> tuple[str, ...]:
        """All texts that the model must score."""
        return (*self.entries.texts, *self.suppress)


class Scorer:
    """Scores of stored recordings, remembered per text.

    Parameters
    ----------
    detector : Detector
        The model.
    max_cached_bytes : int
        Memory for remembered scores; those used least recently are forgotten.
    """

    def __init__(self, detector: Detector, max_cached_bytes: int = 400_000_000):
        self.detector = detector
        self._max_cached_bytes = max_cached_bytes
        self._cached: OrderedDict[tuple[str, str], np.ndarray] = OrderedDict()
        self._cached_bytes = 0
        self._lock = threading.Lock()

    def config(self, query: Query) -> DetectionConfig:
        """The rules by which scores become events, as ``flam detect`` would apply them.

        Raises
        ------
        ConfigError
            A value out of range.
        """
        base = to_mapping(self.detector.config)
        config = from_mapping(DetectionConfig, replace_settings(base, query.options), "detection")
        prompts = dict(config.prompts)
        for prompt, rule in query.rules.items():
            own = {name: value for name, value in rule.items() if value is not None}
            if own:
                kept = to_mapping(prompts.get(prompt, PromptSettings()))
                if "threshold" in own and "low_threshold" not in own:
                    kept["low_threshold"] = None
                prompts[prompt] = from_mapping(PromptSettings, {**kept, **own}, f"rules[{prompt!r}]")
        try:
            config = replace(config, prompts=prompts)
            n_more = (query.n_together or 0) - len(query.prompts)
            return self.detector.operating_point([*query.prompts, *query.prompts[:1] * n_more], config)
        except ValueError as error:
            raise ConfigError(str(error)) from error

    def scores(self, recording: StoredRecording, query: Query, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Scores of the frames analysed so far, silence and suppression applied.

        Returns
        -------
        numpy.ndarray
            (T, K) float32.
        """
        n_frames = len(recording.features)
        stop = n_frames if stop is None else min(stop, n_frames)
        start = min(start, stop)
        columns = self._columns(recording, query.texts, n_frames)
        raw = np.stack([columns[text][start:stop] for text in query.entries.texts], axis=1)
        scores = query.entries.combine(self._as_scores(raw, query.entries.texts)).scores.copy()
        if query.suppress:
            highest = np.max([columns[text][start:stop] for text in query.suppress], axis=0)
            scores[scores < highest[:, None]] = 0
        power = recording.power.read(start, stop)[:, 0]
        scores[power < power_of_db(self.detector.config.silence_db)] = 0
        return scores

    def heat(self, recording: StoredRecording, query: Query, level: int, tile: int, tile_frames: int) -> np.ndarray:
        """A tile of the heat map: each cell the highest score of ``2 ** level`` frames.

        Returns
        -------
        numpy.ndarray
            (K, n) uint8, 0 for logits up to -LOGIT_RANGE, 255 from LOGIT_RANGE on.
        """
        size = 2**level
        start = tile * tile_frames * size
        scores = self.scores(recording, query, start, start + tile_frames * size)
        if len(scores) == 0:
            return np.zeros((len(query.prompts), 0), np.uint8)
        highest = np.maximum.reduceat(scores, np.arange(0, len(scores), size), axis=0)
        clipped = np.clip(highest.T.astype(np.float64), 1e-9, 1 - 1e-9)
        logit = np.log(clipped / (1 - clipped))
        return np.clip(np.round((logit / LOGIT_RANGE + 1) * 127.5), 0, 255).astype(np.uint8)

    def events(self, recording: StoredRecording, query: Query) -> list[Event]:
        """The events of a recording, in the order of their onsets: those of ``flam detect``.

        While the recording is analysed, those of what was analysed so far.

        Raises
        ------
        NotReady
            The analysis failed, or was cancelled.
        """
        if recording.state in ("failed", "cancelled"):
            raise NotReady(recording.error or "the recording could not be analysed")
        config = self.config(query)
        n_samples = recording.n_covered_samples
        scores = self.scores(recording, query, 0, self.detector.grid.n_frames(n_samples))
        if len(scores) == 0:
            return []
        grid = self.detector.grid
        n_samples = min(n_samples, len(scores) * grid.hop_samples)
        piece = FrameScores(scores, query.prompts, grid, 0, n_samples)
        return query.entries.finish(sorted(binarize([piece], config)))

    def _as_scores(self, values: np.ndarray, texts: tuple[str, ...]) -> FrameScores:
        grid = self.detector.grid
        return FrameScores(values, texts, grid, 0, len(values) * grid.hop_samples)

    def _columns(self, recording: StoredRecording, texts: Sequence[str], n_frames: int) -> dict[str, np.ndarray]:
        """Score of every frame for every text, (T,) each; what is missing is computed, in bounded memory."""
        method = self.detector.config.score
        with recording.lock:
            columns = {text: self._recall(recording, text) for text in dict.fromkeys(texts)}
            for start, group in _by_length(columns, n_frames):
                encoded = self.detector.embed_text(group)
                fresh = [
                    score(recording.features.read(at, min(at + FRAMES_AT_A_TIME, n_frames)), encoded, method)
                    for at in range(start, n_frames, FRAMES_AT_A_TIME)
                ]
                for text, values in zip(group, np.concatenate(fresh).T, strict=True):
                    columns[text] = np.concatenate([columns[text], values])
                    self._remember(recording, text, columns[text])
        return columns

    def _recall(self, recording: StoredRecording, text: str) -> np.ndarray:
        with self._lock:
            key = (recording.folder.name, text)
            if key not in self._cached:
                return np.zeros(0, np.float32)
            self._cached.move_to_end(key)
            return self._cached[key]

    def _remember(self, recording: StoredRecording, text: str, values: np.ndarray) -> None:
        with self._lock:
            key = (recording.folder.name, text)
            self._cached_bytes += values.nbytes - getattr(self._cached.pop(key, None), "nbytes", 0)
            self._cached[key] = values
            while self._cached_bytes > self._max_cached_bytes and len(self._cached) > 1:
                self._cached_bytes -= self._cached.popitem(last=False)[1].nbytes


def _by_length(columns: dict[str, np.ndarray], n_frames: int) -> list[tuple[int, list[str]]]:
    """Texts that lack frames, grouped by how many they have."""
    groups: dict[int, list[str]] = {}
    for text, values in columns.items():
        if len(values) < n_frames:
            groups.setdefault(len(values), []).append(text)
    return sorted(groups.items())
