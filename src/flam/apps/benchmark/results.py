"""What the answers of one system are worth: figures, per prompt and against the threshold."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from flam.apps.benchmark.benchmark import Item
from flam.apps.benchmark.metrics import THRESHOLD, Figure
from flam.core import FrameScores, RecordingEvents
from flam.evaluation.calibration import Reliability, reliability
from flam.evaluation.collar import collar_f1
from flam.evaluation.false_positives import false_positives
from flam.evaluation.frames import frame_auroc
from flam.evaluation.mpauc import mpauc
from flam.evaluation.onsets import onset_errors
from flam.evaluation.psds import psds_table
from flam.evaluation.retrieval import retrieval
from flam.evaluation.segments import segment_f1
from flam.evaluation.table import ScoreTable
from flam.evaluation.zero_shot import ZeroShot, zero_shot

THRESHOLDS = np.round(np.arange(0.02, 0.99, 0.02), 2)
LENGTH_TOLERANCE_S = 0.5
Z_95 = 1.96


@dataclass(frozen=True)
class Curves:
    """How figures go with the threshold.

    Parameters
    ----------
    thresholds : (N,) common to all prompts
    f1, precision, recall : (N,) of segments: mean over prompts, then over all prompts
    false_positives_per_minute : (N,) of all prompts together
    efpr, etpr : PSD-ROC of PSDS1 with alpha_st 0: false positives per hour, share of events found from there on
    """

    thresholds: np.ndarray
    f1: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    false_positives_per_minute: np.ndarray
    efpr: np.ndarray
    etpr: np.ndarray


@dataclass(frozen=True)
class Result:
    """What one system reached on one benchmark.

    Parameters
    ----------
    figures : by key of ``METRICS``
    per_prompt : frame AUROC, or accuracy, of each prompt that can be judged
    notes : what was cut, joined or left out, counted
    table, curves, reliability : of frames
    zero_shot : of classification
    """

    figures: dict[str, Figure]
    per_prompt: dict[str, Figure] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    table: ScoreTable | None = None
    curves: Curves | None = None
    reliability: Reliability | None = None
    zero_shot: ZeroShot | None = None


def frame_result(items: Sequence[Item], scores: Mapping[str, FrameScores]) -> Result:
    """Judge frame scores; PSDS and both F1 after a median filter of three frames.

    Events beyond the end of their recording are cut there, and counted in the notes.

    Raises
    ------
    FlamError : scores that don't fit each other

    >>> from flam.core import Event, TimeGrid
    >>> from pathlib import Path
    >>> items = [Item("a", Path("a.wav"), 3.0, (Event(1.0, 3.0, "dog"),))]
    >>> scores = FrameScores(np.array([[0.2], [0.9], [0.8]], np.float32), ("dog",), TimeGrid(10, 10), 0, 30)
    >>> frame_result(items, {"a": scores}).figures["frame_auroc"].value
    1.0
    """
    truth = [RecordingEvents(item.name, None, item.events) for item in items]
    table = ScoreTable.build({item.name: scores[item.name] for item in items}, truth, outside="trim")
    smooth = table.median_filtered(3)
    area = frame_auroc(table)
    segments, collars = segment_f1(smooth), collar_f1(smooth)
    alarms = false_positives(smooth, np.array([*THRESHOLDS, THRESHOLD]))
    onsets = onset_errors(smooth, THRESHOLD)
    calibration = reliability(table.scores, table.frame_labels)
    psds = psds_table(smooth)
    figures = {
        "frame_auroc": Figure(area.macro.value, area.macro.low, area.macro.high),
        "frame_auroc_micro": Figure(area.micro.value, area.micro.low, area.micro.high),
        **{name: Figure(score.value) for name, score in psds.items()},
        "mpauc": Figure(mpauc(table).value),
        "segment_f1": Figure(segments.best().macro),
        "collar_f1": Figure(collars.best().macro),
        "false_positives": Figure(float(alarms.total_per_minute[-1])),
        "calibration_error": Figure(calibration.error),
        "onset_error_s": Figure(onsets.median_absolute_s),
    }
    at = segments.against(THRESHOLDS)
    curves = Curves(
        THRESHOLDS,
        np.array([point.macro for point in at]),
        np.array([point.precision for point in at]),
        np.array([point.recall for point in at]),
        alarms.total_per_minute[:-1],
        psds["psds1_alpha_st_0"].efpr,
        psds["psds1_alpha_st_0"].etpr,
    )
    per_prompt = {
        prompt: Figure(interval.value, interval.low, interval.high)
        for prompt, interval in area.per_prompt.items()
        if prompt not in area.left_out
    }
    return Result(figures, per_prompt, _notes(items, table, area.left_out), table, curves, calibration)


def retrieval_result(items: Sequence[Item], audio_features: np.ndarray, caption_features: np.ndarray) -> Result:
    """Judge (A, D) features of recordings and (C, D) features of their captions, one recording's after another's."""
    clip_of_caption = np.repeat(np.arange(len(items)), [len(item.captions) for item in items])
    both = retrieval(audio_features @ caption_features.T, clip_of_caption)
    figures: dict[str, Figure] = {}
    for way, found in (("t2a", both.text_to_audio), ("a2t", both.audio_to_text)):
        figures |= {f"{way}_recall_at_{k}": Figure(recall) for k, recall in found.recall_at_k.items()}
        figures |= {f"{way}_map_at_10": Figure(found.map_at_10), f"{way}_median_rank": Figure(found.median_rank)}
    return Result(figures, notes=(f"{len(clip_of_caption)} captions",))


def classify_result(
    items: Sequence[Item], prompts: Sequence[str], audio_features: np.ndarray, prompt_features: np.ndarray
) -> Result:
    """Judge (A, D) features of recordings and (K, D) features of classes; intervals as if clips were independent."""
    named = zero_shot(audio_features @ prompt_features.T, [item.prompt for item in items], prompts)
    sizes = named.confusion.sum(axis=1)
    right = np.diag(named.confusion)
    per_prompt = {prompt: wilson(int(right[k]), int(sizes[k])) for k, prompt in enumerate(prompts) if sizes[k]}
    missing = [prompt for k, prompt in enumerate(prompts) if not sizes[k]]
    notes = (f"classes without a recording: {', '.join(missing)}",) if missing else ()
    return Result({"accuracy": wilson(int(right.sum()), int(sizes.sum()))}, per_prompt, notes, zero_shot=named)


def wilson(n_right: int, n_all: int) -> Figure:
    """A share and its 95 % interval (Wilson, "Probable inference", JASA 22, 1927).

    >>> wilson(9, 10)
    Figure(value=0.9, low=0.596, high=0.982)
    """
    share, z2 = n_right / n_all, Z_95**2
    centre = (share + z2 / (2 * n_all)) / (1 + z2 / n_all)
    half = Z_95 / (1 + z2 / n_all) * math.sqrt(share * (1 - share) / n_all + z2 / (4 * n_all**2))
    return Figure(share, round(max(0.0, centre - half), 3), round(min(1.0, centre + half), 3))


def _notes(items: Sequence[Item], table: ScoreTable, left_out: Sequence[str]) -> tuple[str, ...]:
    truth = table.truth
    n_silent = sum(not item.events for item in items)
    others = [
        f"{item.name} ({end_s:.1f} s, not {item.duration_s:.1f} s)"
        for item, end_s in zip(items, table.durations_s, strict=True)
        if item.duration_s is not None and abs(end_s - item.duration_s) > LENGTH_TOLERANCE_S
    ]
    told = (
        (n_silent, f"{n_silent} recordings without events, which count for false positives"),
        (truth.n_outside, f"{truth.n_outside} events reach beyond the end of their recording and were cut there"),
        (
            truth.n_dropped,
            f"{truth.n_dropped} events without length inside of their recording were left out",
        ),
        (truth.n_joined, f"{truth.n_joined} events touch another of their prompt and were joined with it"),
        (len(left_out), f"{len(left_out)} prompts sound nowhere, or everywhere, and have no AUROC of their own"),
        (len(others), f"{len(others)} recordings are not as long as they should be: {', '.join(others[:3])}"),
    )
    return tuple(text for count, text in told if count)
