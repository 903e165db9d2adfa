"""The figures of one system on one benchmark: overall, per prompt, and against the threshold."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from flam.benchmark.benchmark import Item, OperatingPoints, Task
from flam.benchmark.metrics import METRICS, THRESHOLD, Figure
from flam.benchmark.operating_point import OWN, Rules, at_operating_points
from flam.core import FrameScores, RecordingEvents
from flam.evaluation.auroc import frame_auroc
from flam.evaluation.bootstrap import Interval
from flam.evaluation.calibration import Reliability, reliability
from flam.evaluation.clips import ZeroShot, retrieval, zero_shot
from flam.evaluation.collar import OnsetErrors, collar_changes, collar_f1, onset_errors
from flam.evaluation.curves import f1_interval
from flam.evaluation.false_positives import false_positives
from flam.evaluation.operating_point import OperatingPoint
from flam.evaluation.psds import psds1_alpha_st_0, psds_intervals
from flam.evaluation.segments import mpauc, segment_changes, segment_f1
from flam.evaluation.table import ScoreTable

THRESHOLDS = np.round(np.arange(0.02, 0.99, 0.02), 2)
PROMPT_COUNTS = (1, 10, 50)  # beside all of them
LENGTH_TOLERANCE_S = 0.5
Z_95 = 1.96


@dataclass(frozen=True)
class Curves:
    """How figures go with the threshold.

    Parameters
    ----------
    thresholds : np.ndarray
        (N,) common to all prompts
    f1, precision, recall : np.ndarray
        (N,) of segments: mean over prompts, then over all prompts
    collar_f1 : np.ndarray
        (N,) mean over prompts
    false_positives_per_minute : np.ndarray
        (N,) of all prompts together
    by_prompt_count : Mapping[int, np.ndarray]
        number of prompts asked for, to (N, 3) false positives per minute: mean, 5 % and 95 % quantile over which ones
        they are
    efpr, etpr : np.ndarray
        PSD-ROC of PSDS1 with alpha_st 0: false positives per hour, share of events found from there on
    """

    thresholds: np.ndarray
    f1: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    collar_f1: np.ndarray
    false_positives_per_minute: np.ndarray
    by_prompt_count: Mapping[int, np.ndarray]
    efpr: np.ndarray
    etpr: np.ndarray


@dataclass(frozen=True)
class Result:
    """What one system reached on one benchmark.

    Parameters
    ----------
    figures : dict[str, Figure]
        by key of ``METRICS``
    per_prompt : dict[str, Figure], optional
        frame AUROC, or accuracy, of each prompt that can be judged
    notes : tuple[str, ...], default ()
        what was cut, joined or left out, counted
    table : ScoreTable | None, optional
        of frames
    curves : Curves | None, optional
        of frames
    reliability : Reliability | None, optional
        of frames
    onsets : OnsetErrors | None, optional
        of frames
    zero_shot : ZeroShot | None, optional
        of classification
    points : dict[str, OperatingPoint], optional
        of a system with rules, by title: its own point is ``OWN`` and stands in ``figures`` as well
    """

    figures: dict[str, Figure]
    per_prompt: dict[str, Figure] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    table: ScoreTable | None = None
    curves: Curves | None = None
    reliability: Reliability | None = None
    onsets: OnsetErrors | None = None
    zero_shot: ZeroShot | None = None
    points: dict[str, OperatingPoint] = field(default_factory=dict)


def frame_result(
    items: Sequence[Item],
    scores: Mapping[str, FrameScores],
    rules: Rules = lambda prompts: None,
    points: OperatingPoints | None = None,
) -> Result:
    """Judge frame scores; PSDS and both F1 after a median filter of three frames.

    Events beyond the end of their recording are cut there, and counted in the notes.

    Parameters
    ----------
    items : Sequence[Item]
        recordings, and the scores of each by name
    scores : Mapping[str, FrameScores]
        recordings, and the scores of each by name
    rules : Callable[[Sequence[str]], DetectionConfig | None], optional
        the system's rules for prompts that are asked together, see ``at_operating_points``
    points : OperatingPoints | None, optional
        what to judge beside its own operating point; None for the defaults

    Raises
    ------
    FlamError
        scores that don't fit each other

    Examples
    --------
    >>> from flam.core import Event, TimeGrid
    >>> from pathlib import Path
    >>> items = [Item("a", Path("a.wav"), 3.0, (Event(1.0, 3.0, "dog"),))]
    >>> scores = FrameScores(np.array([[0.2], [0.9], [0.8]], np.float32), ("dog",), TimeGrid(10, 10), 0, 30)
    >>> frame_result(items, {"a": scores}).figures["frame_auroc"].value
    1.0
    """
    table = score_table(items, scores)
    smooth = table.median_filtered(3)
    area = frame_auroc(table)
    segments, collars = segment_f1(smooth), collar_f1(smooth)
    alarms = false_positives(smooth, np.array([*THRESHOLDS, THRESHOLD]))
    n_prompts = len(table.prompts)
    prompt_counts = [*(count for count in PROMPT_COUNTS if count < n_prompts), n_prompts]
    by_prompt_count = dict(zip(prompt_counts, alarms.for_prompt_counts(prompt_counts)[:, :-1], strict=True))
    onsets = onset_errors(smooth, THRESHOLD)
    is_judged = table.judged[table.recording_of_row]
    calibration = reliability(table.scores[is_judged], table.frame_labels[is_judged])
    roc = psds1_alpha_st_0(smooth)
    figures = {
        "frame_auroc": figure_of(area.macro),
        "frame_auroc_micro": figure_of(area.micro),
        **{name: figure_of(drawn) for name, drawn in psds_intervals(smooth).items()},
        "mpauc": Figure(mpauc(table).value),
        "segment_f1": figure_of(f1_interval(segment_changes(smooth), segments.best().thresholds)),
        "collar_f1": figure_of(f1_interval(collar_changes(smooth), collars.best().thresholds)),
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
        np.array([point.macro for point in collars.against(THRESHOLDS)]),
        alarms.total_per_minute[:-1],
        by_prompt_count,
        roc.efpr,
        roc.etpr,
    )
    notes = _notes(items, table, area.left_out)
    reached = at_operating_points(table, scores, rules, OperatingPoints() if points is None else points)
    if reached:
        figures |= point_figures(reached[OWN])
        notes += (_point_note(reached[OWN], n_prompts),)
    per_prompt = {
        prompt: figure_of(interval) for prompt, interval in area.per_prompt.items() if prompt not in area.left_out
    }
    return Result(figures, per_prompt, notes, table, curves, calibration, onsets, points=reached)


def ambience_result(
    items: Sequence[Item], scores: Mapping[str, FrameScores], rules: Rules, points: OperatingPoints
) -> Result:
    """Count false alarms where none of the prompts sounds; parameters as of ``frame_result``."""
    table = score_table(items, scores)
    reached = at_operating_points(table, scores, rules, points)
    if not reached:
        return Result({"false_alarms": Figure(math.nan)}, notes=("it has no operating point to be judged at",))
    notes = (f"{table.duration_s / 60:.1f} minutes, asked for {len(table.prompts)} prompts", *_notes(items, table, ()))
    return Result(point_figures(reached[OWN], "ambience"), notes=notes, points=reached)


def score_table(items: Sequence[Item], scores: Mapping[str, FrameScores]) -> ScoreTable:
    """Scores of recordings beside what is true of them."""
    return ScoreTable.build(
        {item.name: scores[item.name] for item in items},
        [RecordingEvents(item.name, None, item.events) for item in items],
        outside="trim",
        not_judged={item.name: item.not_judged for item in items if item.not_judged},
    )


def figure_of(interval: Interval) -> Figure:
    """The figure with its interval."""
    return Figure(interval.value, interval.low, interval.high)


def point_figures(point: OperatingPoint, task: Task = "frames") -> dict[str, Figure]:
    """What a task tells of an operating point, by key of ``METRICS``."""
    keys = [metric.key for metric in METRICS["frames"] if metric.table == "operating point"]
    values = (
        point.recall,
        *point.recall_by_length,
        point.false_alarms_per_minute,
        point.false_alarms_without_events,
        point.onset_error_s,
        point.count_error,
    )
    figures = [*map(figure_of, values), Figure(float(len(point.never_found)))]
    asked = {metric.key for metric in METRICS[task]}
    return {key: figure for key, figure in zip(keys, figures, strict=True) if key in asked}


def _point_note(point: OperatingPoint, n_prompts: int) -> str:
    lengths = ("shorter than 0.6 s", "of 0.6 to 1.5 s", "of 1.5 to 5 s", "of 5 s or more")
    counts = ", ".join(f"{count} {length}" for count, length in zip(point.n_by_length, lengths, strict=True))
    n_events, n_sounding = sum(point.n_by_length), len(point.found_by_prompt)
    return f"operating point: {n_events} events ({counts}) of {n_sounding} prompts, asked for {n_prompts}"


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

    Examples
    --------
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
    n_not_judged = int((~table.judged).sum())
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
        (n_not_judged, f"{n_not_judged} prompts that a recording's background may fulfil are not judged in it"),
        (len(left_out), f"{len(left_out)} prompts sound nowhere, or everywhere, and have no AUROC of their own"),
        (len(others), f"{len(others)} recordings are not as long as they should be: {', '.join(others[:3])}"),
    )
    return tuple(text for count, text in told if count)
