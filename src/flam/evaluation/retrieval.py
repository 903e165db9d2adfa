"""Finding a clip by its caption and a caption by its clip, with several captions to a clip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class RetrievalScores:
    """How high the right answers stand.

    Parameters
    ----------
    recall_at_k : dict[int, float]
        share of queries with a right answer among the first k, by k
    map_at_10 : float
        mean over queries of the average precision among the first 10
    median_rank : float
        median over queries of the rank of the first right answer, 1 is the top
    n_queries : int
        queries
    """

    recall_at_k: dict[int, float]
    map_at_10: float
    median_rank: float
    n_queries: int


@dataclass(frozen=True)
class Retrieval:
    """Both ways: captions as queries for clips, clips as queries for captions."""

    text_to_audio: RetrievalScores
    audio_to_text: RetrievalScores


def retrieval(similarities: np.ndarray, clip_of_caption: np.ndarray, ks: tuple[int, ...] = (1, 5, 10)) -> Retrieval:
    """Rank clips for each caption and captions for each clip.

    The measures are those of Manning, Raghavan and Schütze, "Introduction to information retrieval", 2008, chapter 8.
    Among answers of equal similarity wrong ones stand first, so that a model that says the same of all finds nothing.
    Average precision at 10 is the sum of precisions at right answers within 10, over the lesser of 10 and the number
    of right answers.

    Parameters
    ----------
    similarities : np.ndarray
        (A, C) float array, finite
    clip_of_caption : np.ndarray
        (C,) int array, the right clip of each caption; every clip has at least one
    ks : tuple[int, ...], default (1, 5, 10)
        ranks at which recall is counted

    Raises
    ------
    ValueError
        similarities that are not finite, captions of other clips, clips without captions

    Examples
    --------
    >>> similarities = np.array([[0.9, 0.1, 0.3], [0.2, 0.4, 0.8]])
    >>> found = retrieval(similarities, np.array([0, 0, 1]))
    >>> found.text_to_audio.recall_at_k[1], found.audio_to_text.recall_at_k[1], found.audio_to_text.median_rank
    (0.6666666666666666, 1.0, 1.0)
    """
    n_clips = _check(similarities, clip_of_caption)
    is_right = clip_of_caption == np.arange(n_clips)[:, None]
    return Retrieval(_scores(similarities.T, is_right.T, ks), _scores(similarities, is_right, ks))


def _check(similarities: np.ndarray, clip_of_caption: np.ndarray) -> int:
    n_clips, n_captions = similarities.shape
    if not np.isfinite(similarities).all():
        raise ValueError(f"{int((~np.isfinite(similarities)).sum())} similarities are not finite; embed again")
    if clip_of_caption.shape != (n_captions,):
        raise ValueError(f"{n_captions} columns of similarities for clips of {len(clip_of_caption)} captions")
    missing = np.setdiff1d(np.arange(n_clips), clip_of_caption)
    additional = np.setdiff1d(clip_of_caption, np.arange(n_clips))
    if len(missing) or len(additional):
        raise ValueError(
            f"captions do not fit {n_clips} clips: clips without a caption {missing.tolist()[:5]}, captions of clips "
            f"that are not there {additional.tolist()[:5]}"
        )
    return n_clips


def _scores(similarities: np.ndarray, is_right: np.ndarray, ks: tuple[int, ...]) -> RetrievalScores:
    """Of (Q, N) similarities of queries and answers."""
    best, precision_10 = np.empty(len(similarities)), np.empty(len(similarities))
    for q, (row, right) in enumerate(zip(similarities, is_right, strict=True)):
        wrong = np.sort(row[~right])
        n_ahead = len(wrong) - np.searchsorted(wrong, np.sort(row[right])[::-1], side="left")
        ranks = n_ahead + np.arange(1, len(n_ahead) + 1)
        best[q] = ranks[0]
        precision_10[q] = (np.arange(1, len(ranks) + 1) / ranks)[ranks <= 10].sum() / min(10, len(ranks))
    return RetrievalScores(
        {k: float(np.mean(best <= k)) for k in ks}, float(precision_10.mean()), float(np.median(best)), len(best)
    )
