"""Whole files: which recordings fit a text, which texts fit a recording, and which recordings are almost the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from flam.search.archive import Archive
from flam.search.recordings import Recording

ROWS_AT_ONCE = 4_096


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
