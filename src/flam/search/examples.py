"""Searching by example, a clip or a part of one, alone or with words; and among whole files."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from flam.core import ConfigError
from flam.detection import DetectionConfig
from flam.detection.backends.base import TextFeatures
from flam.detection.frames import power_of_db
from flam.detection.prompt_file import PromptList
from flam.search.archive import Archive
from flam.search.query import Query
from flam.search.recordings import Recording

if TYPE_CHECKING:
    from flam.detection import Detector
    from flam.search.archive import Archive

_PART = re.compile(r"(?P<path>.+)@(?P<start>\d+(?:\.\d*)?)-(?P<end>\d+(?:\.\d*)?)")
BACKGROUND_FRAMES = 20_000
BACKGROUND_DEVIATIONS = 4.0
DEVIATION_OF_DISTANCE = 1.4826  # standard deviation of a normal distribution, by the median distance
FRAMES_IN_A_ROW = 50
DECISIVE_SCALE = 1e5
NARROWEST = 0.05  # of the cosine, between background and example
ROWS_AT_ONCE = 4_096


@dataclass(frozen=True)
class Example:
    """A clip to search for.

    Parameters
    ----------
    path : Path
        The file.
    start_s, end_s : float
        The part that counts, seconds.

    Examples
    --------
    >>> Example.parse("owl.wav@1.2-2.0")
    Example(path=PosixPath('owl.wav'), start_s=1.2, end_s=2.0)
    """

    path: Path
    start_s: float = 0.0
    end_s: float = math.inf

    @staticmethod
    def parse(text: str) -> Example:
        """Read ``FILE`` or ``FILE@START-END`` in seconds.

        Raises
        ------
        ConfigError
            A part that ends before it begins.
        """
        match = _PART.fullmatch(text)
        if match is None or Path(text).exists():
            return Example(Path(text))
        example = Example(Path(match["path"]), float(match["start"]), float(match["end"]))
        if example.end_s <= example.start_s:
            raise ConfigError(f"example {text!r} ends before it begins; write FILE@START-END in seconds")
        return example

    @property
    def name(self) -> str:
        """What results are called by: the file's name, and the part where only that counts."""
        part = "" if self.end_s == math.inf else f"@{self.start_s:g}-{self.end_s:g}"
        return f"{self.path.name}{part}"


def example_query(
    archive: Archive,
    example: Example,
    config: DetectionConfig,
    words: TextFeatures | None = None,
    suppress: Sequence[str] = (),
) -> Query:
    """Settle what an example asks for.

    Parameters
    ----------
    archive : Archive
        On whose frames scores are calibrated.
    example : Example
        The clip.
    config : DetectionConfig
        Thresholds and durations.
    words : TextFeatures, optional
        Of one text that describes the sound too; the query then lies between the two.
    suppress : sequence of str
        Sounds that must not be mistaken for it. Scores of an example and of words can't be compared: where one of these
        reaches its own threshold, the example scores 0.

    Returns
    -------
    Query
        Called by the example's name.

    Raises
    ------
    AudioError
        The clip can't be read.
    ConfigError
        The part holds nothing but silence.
    """
    frames = _frames(archive.detector, example, config)
    background = sample_frames(archive)
    vector = _unit(frames.mean(axis=0) - background.mean(axis=0))
    if words is not None:
        vector = _unit(vector + np.asarray(words.text_features)[0])
    cosines = background @ vector
    middle = float(np.median(cosines))
    usual = middle + BACKGROUND_DEVIATIONS * DEVIATION_OF_DISTANCE * float(np.median(np.abs(cosines - middle)))
    own = float(np.median(frames @ vector))
    rule = archive.detector.operating_point([example.name], config).rule(example.name)
    near = (max(own, usual + NARROWEST) - usual) / 2
    scale = max(math.log(rule.threshold / max(1 - rule.threshold, 1e-6)), 1.0) / near
    texts = TextFeatures(vector[None], np.array([scale], np.float32), np.array([-scale * usual], np.float32))
    return Query(example.name, texts, _decisive(archive, suppress, config), "posterior", rule)


def _decisive(archive: Archive, suppress: Sequence[str], config: DetectionConfig) -> TextFeatures:
    """Texts whose score is 1 where they reach their threshold, and 0 elsewhere."""
    queries = archive.queries(PromptList.of(list(suppress)), (), config)
    vectors = [query.texts.text_features for query in queries]
    bounds = np.concatenate([np.zeros(0), *(query.min_cosines for query in queries)]).clip(-2, 2)
    scales = np.full(len(bounds), DECISIVE_SCALE, np.float32)
    features = np.concatenate([np.zeros((0, archive.dim), np.float32), *vectors])
    return TextFeatures(features, scales, (-DECISIVE_SCALE * bounds).astype(np.float32))


def sample_frames(archive: Archive, n_frames: int = BACKGROUND_FRAMES) -> np.ndarray:
    """(T, D) frames from all over an archive, the same ones each time.

    Raises
    ------
    ConfigError
        The archive is empty.
    """
    rng = np.random.default_rng(0)
    total = sum(segment.header.n_frames for segment, _ in archive.segments)
    if total == 0:
        raise ConfigError(f"{archive.path}: holds no frames; add recordings with flam index build")
    parts = []
    for segment, _ in archive.segments:
        n_stretches = math.ceil(n_frames * segment.header.n_frames / total / FRAMES_IN_A_ROW)
        last = max(segment.header.n_frames - FRAMES_IN_A_ROW, 0)
        starts = rng.integers(0, last + 1, n_stretches)
        parts += [
            archive.features(segment, slice(start, start + FRAMES_IN_A_ROW)) for start in np.sort(starts).tolist()
        ]
    return np.concatenate(parts)


def _frames(detector: Detector, example: Example, config: DetectionConfig) -> np.ndarray:
    """(T, D) features of the example's frames that are not silent."""
    silence_power, rate_hz = power_of_db(config.silence_db), detector.grid.rate_hz
    parts = []
    for piece in detector.stream(str(example.path)):
        middle_s = (piece.start_frame + np.arange(len(piece.features)) + 0.5) / rate_hz
        chosen = (middle_s >= example.start_s) & (middle_s < example.end_s) & (piece.power >= silence_power)
        parts.append(np.asarray(piece.features)[chosen])
    frames = np.concatenate(parts)
    if not len(frames):
        raise ConfigError(
            f"{example.path}: nothing but silence from {example.start_s} to {example.end_s} s; choose another part"
        )
    return frames


def _unit(vector: np.ndarray) -> np.ndarray:
    return (vector / max(float(np.linalg.norm(vector)), 1e-9)).astype(np.float32)


@dataclass(frozen=True)
class RankedClip:
    """A recording and its cosine with what was asked for."""

    recording: Recording
    cosine: float


def clip_vectors(archive: Archive) -> tuple[list[Recording], np.ndarray]:
    """All recordings of an archive with their (R, D) float32 vectors, ordered by path."""
    rows = [(row, segment.clips[row.clip_row]) for segment, recordings in archive.segments for row in recordings]
    rows.sort(key=lambda pair: pair[0].path)
    vectors = np.stack([vector for _, vector in rows]) if rows else np.zeros((0, archive.dim), np.float32)
    return [recording for recording, _ in rows], vectors


def rank_clips(archive: Archive, vector: np.ndarray, n: int | None = None) -> list[RankedClip]:
    """Order recordings by how well they fit a vector.

    Parameters
    ----------
    archive : Archive
        Archive
    vector : numpy.ndarray
        (D,), of a text or of a clip.
    n : int, optional
        How many; None for all.
    """
    recordings, vectors = clip_vectors(archive)
    cosines = vectors @ np.asarray(vector, np.float32)
    order = np.argsort(-cosines, kind="stable")[:n]
    return [RankedClip(recordings[row], float(cosines[row])) for row in order.tolist()]


def near_duplicates(archive: Archive, min_cosine: float = 0.98) -> Iterator[tuple[Recording, Recording, float]]:
    """Pairs of recordings whose vectors are almost the same, with their cosine."""
    recordings, vectors = clip_vectors(archive)
    for start in range(0, len(vectors), ROWS_AT_ONCE):
        cosines = vectors[start : start + ROWS_AT_ONCE] @ vectors.T
        for row, other in zip(*np.nonzero(cosines >= min_cosine), strict=True):
            if start + row < other:
                yield recordings[start + row], recordings[other], float(cosines[row, other])


def text_similarities(archive: Archive, texts: Sequence[str]) -> np.ndarray:
    """(R, K) cosines of all recordings, ordered by path, with texts: what ``flam.evaluation.clips`` takes."""
    features = np.asarray(archive.detector.embed_text(list(texts)).text_features)
    return clip_vectors(archive)[1] @ features.T
