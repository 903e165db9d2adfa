"""The metrics of a report: name, unit, and which way is better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from flam.benchmark.benchmark import Task

Unit = Literal["share", "per minute", "s", "rank", "events", "prompts"]
Table = Literal["scores", "operating point"]


@dataclass(frozen=True)
class Metric:
    """One column of a table.

    Parameters
    ----------
    key : str
        in JSON and CSV
    title : str
        in tables
    unit : Unit, default "share"
        "share" is shown x 100
    lower_is_better : bool, default False
        otherwise higher is
    meaning : str
        one line for those who don't know it
    table : Table, default "scores"
        "scores" stands beside published figures; "operating point" is of systems that have one
    """

    key: str
    title: str
    meaning: str
    unit: Unit = "share"
    lower_is_better: bool = False
    table: Table = "scores"


@dataclass(frozen=True)
class Figure:
    """A value with the interval that 95 % of its redraws fall into; None where there is no interval."""

    value: float
    low: float | None = None
    high: float | None = None


def _at_point(key: str, title: str, meaning: str, unit: Unit = "share") -> Metric:
    return Metric(key, title, meaning, unit, unit != "share", "operating point")


THRESHOLD = 0.5  # of the figures that need one
# the figure of each task that stands for it in a summary
HEADLINES: dict[Task, str] = {
    "frames": "frame_auroc",
    "ambience": "false_alarms",
    "paraphrases": "paraphrase_auroc",
    "near misses": "near_miss_right",
    "retrieval": "t2a_recall_at_1",
    "classify": "accuracy",
}
FALSE_ALARMS = _at_point("false_alarms", "false alarms", "detections of nothing, all prompts together", "per minute")

METRICS: dict[Task, tuple[Metric, ...]] = {
    "frames": (
        Metric("frame_auroc", "frame AUROC", "a frame with the sound outscores one without; mean over prompts"),
        Metric("frame_auroc_micro", "AUROC micro", "the same with the frames of all prompts in one pool"),
        Metric("psds1", "PSDS1", "finds events whole: dtc 0.7, gtc 0.7, alpha_st 1, median filter of 3 frames"),
        Metric("psds1_alpha_st_0", "PSDS1 alpha_st 0", "PSDS1 without its penalty on differences between prompts"),
        Metric("psds2", "PSDS2", "tells sounds apart: dtc 0.1, gtc 0.1, cttc 0.3, alpha_ct 0.5, alpha_st 1"),
        Metric("mpauc", "MPAUC", "partial AUROC of 1 s segments, to 10 % false positives"),
        Metric("segment_f1", "segment F1", "1 s segments, each prompt at its best threshold; mean over prompts"),
        Metric(
            "collar_f1", "collar F1", "200 ms collars, at the end 20 % of the length; each prompt at its best threshold"
        ),
        Metric("false_positives", "false pos.", "at score 0.5, all prompts together", "per minute", True),
        Metric("calibration_error", "calibration error", "expected calibration error of the scores", "share", True),
        Metric("onset_error_s", "onset error", "median distance of onsets at score 0.5", "s", True),
        _at_point("found", "events found", "share of the events that a detection of their prompt overlaps"),
        _at_point("found_under_0_6_s", "shorter than 0.6 s", "the same of short events"),
        _at_point("found_0_6_to_1_5_s", "0.6 to 1.5 s", "the same of events of this length"),
        _at_point("found_1_5_to_5_s", "1.5 to 5 s", "the same of events of this length"),
        _at_point("found_from_5_s", "5 s or longer", "the same of long events"),
        FALSE_ALARMS,
        _at_point(
            "false_alarms_without_events", "without events", "the same in recordings without any event", "per minute"
        ),
        _at_point("found_onset_error_s", "onset error", "median distance of onsets of found events", "s"),
        _at_point("count_error", "count error", "distance of numbers of detections and events, by recording", "events"),
        _at_point(
            "prompts_never_found", "never found", "prompts that sound and none of whose events is found", "prompts"
        ),
    ),
    "ambience": (FALSE_ALARMS,),
    "paraphrases": (
        Metric("label_auroc", "AUROC of labels", "frame AUROC, asked by label; mean over the labels that sound"),
        Metric("paraphrase_auroc", "AUROC of other words", "the same, asked by other words for the same labels"),
    ),
    "near misses": (
        Metric("near_miss_right", "right above near miss", "a clip is closer to its label than to a similar one"),
        Metric("near_miss_right_by_label", "labels alike", "the same, each label weighed alike"),
        Metric("near_miss_right_0_clips", "no training clip", "the same of labels that training never heard"),
        Metric("near_miss_right_1_to_4_clips", "1 to 4", "the same of labels with so many training clips"),
        Metric("near_miss_right_5_to_14_clips", "5 to 14", "the same of labels with so many training clips"),
        Metric("near_miss_right_from_15_clips", "15 or more", "the same of labels with so many training clips"),
    ),
    "retrieval": (
        Metric("t2a_recall_at_1", "text→audio R@1", "the right recording comes first"),
        Metric("t2a_recall_at_5", "R@5", "it is among the first five"),
        Metric("t2a_recall_at_10", "R@10", "it is among the first ten"),
        Metric("t2a_map_at_10", "mAP@10", "mean average precision in the first ten"),
        Metric("t2a_median_rank", "median rank", "of the first right answer", "rank", True),
        Metric("a2t_recall_at_1", "audio→text R@1", "a right caption comes first"),
        Metric("a2t_recall_at_5", "R@5", "one is among the first five"),
        Metric("a2t_recall_at_10", "R@10", "one is among the first ten"),
        Metric("a2t_map_at_10", "mAP@10", "mean average precision in the first ten"),
        Metric("a2t_median_rank", "median rank", "of the first right answer", "rank", True),
    ),
    "classify": (Metric("accuracy", "accuracy", "the right class is the nearest; its texts averaged over templates"),),
}


def headline(task: Task) -> Metric:
    """The metric that stands for a task in a summary.

    Examples
    --------
    >>> headline("classify").key
    'accuracy'
    """
    return next(metric for metric in METRICS[task] if metric.key == HEADLINES[task])


def format_value(metric: Metric, value: float) -> str:
    """A value as tables show it.

    Examples
    --------
    >>> accuracy = METRICS["classify"][0]
    >>> format_value(accuracy, 0.8691), format_value(METRICS["frames"][8], 0.25), format_value(accuracy, float("nan"))
    ('86.9', '0.25', '–')
    """
    if value != value:
        return "–"
    if metric.unit == "share":
        return f"{100 * value:.1f}"
    return f"{value:.0f}" if metric.unit in ("rank", "prompts") else f"{value:.2f}" if value < 10 else f"{value:.0f}"
