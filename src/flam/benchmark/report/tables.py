"""The report as files for programs and for text: JSON, CSV and Markdown."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, get_args

import numpy as np

import flam
from flam.annotations.rows import spreadsheet_safe
from flam.benchmark.evaluation import Evaluation
from flam.benchmark.metrics import METRICS, Figure, Metric, Table, format_value
from flam.benchmark.operating_point import OWN
from flam.benchmark.report.conditions import condition_tables
from flam.benchmark.results import Result, point_figures
from flam.core import load_yaml

PUBLISHED_TABLE = Path(__file__).with_name("published.yaml")
ONSET_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
SHOWN_THRESHOLDS = (0.1, 0.2, 0.3, 0.5, 0.7, 0.9)


@dataclass(frozen=True)
class PublishedSource:
    """Where a figure stands."""

    title: str
    url: str


@dataclass(frozen=True)
class PublishedRow:
    """Figures of one system, x 100, by key of ``METRICS``.

    Parameters
    ----------
    source : str
        a key of ``Published.sources``
    protocol : str, default ""
        how it was measured, where that differs from the other rows
    """

    system: str
    source: str
    metrics: dict[str, float]
    protocol: str = ""


@dataclass(frozen=True)
class PublishedBenchmark:
    """Others on one benchmark, and how our protocol differs from theirs."""

    ours: str = ""
    rows: tuple[PublishedRow, ...] = ()


@dataclass(frozen=True)
class Published:
    """The whole table."""

    sources: dict[str, PublishedSource] = field(default_factory=dict)
    benchmarks: dict[str, PublishedBenchmark] = field(default_factory=dict)


@cache
def published() -> Published:
    """The table of the package.

    Examples
    --------
    >>> [row.metrics["frame_auroc"] for row in published().benchmarks["heldout"].rows][:2]
    [91.0, 67.76]
    """
    return load_yaml(Published, PUBLISHED_TABLE)


def published_on(benchmark: str) -> PublishedBenchmark:
    """Others on a benchmark, whatever its split; none where nothing is known.

    Examples
    --------
    >>> published_on("desed:public").rows[0].system, published_on("builtin").rows
    ('FLAM', ())
    """
    return published().benchmarks.get(benchmark.partition(":")[0], PublishedBenchmark())


@dataclass(frozen=True)
class TableRow:
    """A line of a benchmark's table.

    Parameters
    ----------
    system : str
        who
    figures : dict[str, Figure]
        by key of ``METRICS``
    is_ours : bool
        measured here; otherwise published
    source, protocol : str, default ""
        of published figures
    """

    system: str
    figures: dict[str, Figure]
    is_ours: bool
    source: str = ""
    protocol: str = ""


def rows_of(evaluation: Evaluation) -> list[TableRow]:
    """What was measured here, at each operating point, then what others published."""
    ours = [TableRow(name, result.figures, True) for name, result in evaluation.results.items()]
    titles = dict.fromkeys(title for result in evaluation.results.values() for title in result.points if title != OWN)
    ours += [
        TableRow(name, point_figures(result.points[title], evaluation.benchmark.task), True, protocol=title)
        for title in titles
        for name, result in evaluation.results.items()
        if title in result.points
    ]
    others = [
        TableRow(
            row.system,
            {key: Figure(value / 100) for key, value in row.metrics.items()},
            False,
            row.source,
            row.protocol,
        )
        for row in published_on(evaluation.benchmark.name).rows
    ]
    return ours + others


def tables_of(evaluation: Evaluation) -> dict[Table, tuple[list[TableRow], list[Metric]]]:
    """Each table that any system has figures for: its rows and columns."""
    tables: dict[Table, tuple[list[TableRow], list[Metric]]] = {}
    for table in get_args(Table):
        metrics = [metric for metric in METRICS[evaluation.benchmark.task] if metric.table == table]
        rows = [row for row in rows_of(evaluation) if any(metric.key in row.figures for metric in metrics)]
        if rows:
            tables[table] = rows, metrics
    return tables


def found_by_prompt(evaluation: Evaluation) -> tuple[list[str], dict[str, list[tuple[int, int] | None]]]:
    """Events found and events there of each prompt, best first by the first column; a heading for each column."""
    columns = {
        f"{name}{', ' * bool(title)}{title}": point.found_by_prompt
        for title in dict.fromkeys(title for result in evaluation.results.values() for title in result.points)
        for name, result in evaluation.results.items()
        if (point := result.points.get(title)) is not None
    }
    prompts = dict.fromkeys(prompt for counts in columns.values() for prompt in counts)
    rows = {prompt: [counts.get(prompt) for counts in columns.values()] for prompt in prompts}
    ordered = sorted(rows, key=lambda prompt: [-found / there for found, there in filter(None, rows[prompt])])
    return list(columns), {prompt: rows[prompt] for prompt in ordered}


def by_threshold(result: Result) -> tuple[list[str], list[list[str]]]:
    """Figures of one system at some thresholds common to all prompts: headings, and a line for each threshold."""
    curves = result.curves
    assert curves is not None
    counts = list(curves.by_prompt_count)
    headings = ["threshold", "segment F1", "precision", "recall", "collar F1"]
    headings += [f"false pos. per minute, {count} prompt{'s' * (count > 1)}" for count in counts]
    lines = []
    for threshold in SHOWN_THRESHOLDS:
        place = int(np.argmin(np.abs(curves.thresholds - threshold)))
        shares = (curves.f1, curves.precision, curves.recall, curves.collar_f1)
        lines.append(
            [f"{curves.thresholds[place]:g}"]
            + ["–" if np.isnan(values[place]) else f"{100 * values[place]:.1f}" for values in shares]
            + [_rate(*curves.by_prompt_count[count][place]) for count in counts]
        )
    return headings, lines


def remarks_of(evaluation: Evaluation) -> list[str]:
    """Everything a reader has to know beside the figures: size, protocol, what is missing, failed, cut or left out."""
    benchmark = evaluation.benchmark
    n_used, n_listed = len(benchmark.items), benchmark.n_listed
    remarks = [f"{n_used} recordings" + (f" of {n_listed}" if n_used != n_listed else ""), *benchmark.remarks]
    if published_on(benchmark.name).ours:
        remarks.append(f"ours: {published_on(benchmark.name).ours}")
    remarks += benchmark.problems
    n_failed = evaluation.n_asked - n_used
    if n_failed:
        remarks.append(f"{n_failed} recordings left out for all systems, because one of them could not take them")
    notes: dict[str, list[str]] = {}
    for name, result in evaluation.results.items():
        for note in result.notes:
            notes.setdefault(note, []).append(name)
    everyone = list(evaluation.results)
    return remarks + [note if who == everyone else f"{', '.join(who)}: {note}" for note, who in notes.items()]


def as_json(evaluations: Sequence[Evaluation]) -> str:
    """Everything as JSON; NaN is null."""
    report: dict[str, Any] = {"flam": flam.__version__, "benchmarks": []}
    for evaluation in evaluations:
        report["benchmarks"].append(
            {
                "benchmark": evaluation.benchmark.name,
                "task": evaluation.benchmark.task,
                "n_recordings": len(evaluation.benchmark.items),
                "n_listed": evaluation.benchmark.n_listed,
                "n_prompts": len(evaluation.benchmark.prompts),
                "remarks": remarks_of(evaluation),
                "failures": list(evaluation.failures),
                "systems": {
                    name: {
                        "figures": _figures(result.figures),
                        "per_prompt": _figures(result.per_prompt),
                        "operating_points": {
                            title or "own": {
                                "figures": _figures(point_figures(point, evaluation.benchmark.task)),
                                "n_by_length": list(point.n_by_length),
                                "found_by_prompt": point.found_by_prompt,
                            }
                            for title, point in result.points.items()
                        },
                        **_curves(result),
                    }
                    for name, result in evaluation.results.items()
                },
                "published": [
                    {
                        "system": row.system,
                        "source": published().sources[row.source].url,
                        "protocol": row.protocol,
                        "figures": _figures(row.figures),
                    }
                    for row in rows_of(evaluation)
                    if not row.is_ours
                ],
            }
        )
    return json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def as_csv(evaluations: Sequence[Evaluation]) -> str:
    """One line for each figure: benchmark, system, metric, value, low, high, source."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("benchmark", "system", "metric", "value", "low", "high", "source", "protocol"))
    for evaluation in evaluations:
        for row in rows_of(evaluation):
            source = "measured here" if row.is_ours else published().sources[row.source].url
            for key, figure in row.figures.items():
                cells = ["" if value is None or math.isnan(value) else value for value in _bounds(figure)]
                system = spreadsheet_safe(row.system)
                writer.writerow((evaluation.benchmark.name, system, key, *cells, source, row.protocol))
    return text.getvalue()


def as_markdown(evaluations: Sequence[Evaluation]) -> str:
    """A table for each benchmark; ours in bold with 95 % intervals, shares x 100, others with their source."""
    lines = ["# Evaluation", "", "Shares are x 100. Bold: measured here, [95 % interval]. Others: as published.", ""]
    for table in condition_tables(evaluations):
        lines += [f"## {_plain(table.title)}: side by side", "", f"| {' | '.join(map(_plain, table.headings))} |"]
        lines += ["|---|" + "---:|" * (len(table.headings) - 1)]
        lines += [*(f"| {' | '.join(map(_plain, row))} |" for row in table.rows), ""]
    used: list[str] = []
    for evaluation in evaluations:
        lines += [f"## {_plain(evaluation.benchmark.name)}", ""]
        for title, (rows, metrics) in tables_of(evaluation).items():
            used += dict.fromkeys(row.source for row in rows if not row.is_ours and row.source not in used)
            lines += ["At the operating point of each system, as `flam detect` uses it, and at others:", ""] * (
                title != "scores"
            )
            lines += [*_markdown_table(rows, metrics, used), ""]
        headings, counts = found_by_prompt(evaluation)
        if counts:
            lines += [
                "Events found of events there, by prompt:",
                "",
                f"| prompt | {' | '.join(map(_plain, headings))} |",
            ]
            lines += ["|---|" + "---:|" * len(headings)]
            lines += [
                f"| {_plain(prompt)} | {' | '.join('' if own is None else f'{own[0]}/{own[1]}' for own in row)} |"
                for prompt, row in counts.items()
            ]
            lines += [""]
        for name, result in evaluation.results.items():
            if result.curves is not None:
                headings, cells = by_threshold(result)
                lines += [
                    f"{_plain(name)} by threshold; false positives: mean [5 %, 95 %] over choices of prompts:",
                    "",
                ]
                lines += [f"| {' | '.join(headings)} |", "|" + "---:|" * len(headings)]
                lines += [*(f"| {' | '.join(line)} |" for line in cells), ""]
        lines += [*(f"- {_plain(remark)}" for remark in remarks_of(evaluation)), ""]
        lines += [f"- left out: {_plain(failure)}" for failure in evaluation.failures] + [""] * bool(
            evaluation.failures
        )
    for number, key in enumerate(used, start=1):
        lines.append(f"[{number}] {published().sources[key].title}, <{published().sources[key].url}>  ")
    return "\n".join(lines) + "\n"


def _markdown_table(rows: Sequence[TableRow], metrics: Sequence[Metric], sources: Sequence[str]) -> list[str]:
    lines = [
        "| system | " + " | ".join(_heading(metric) for metric in metrics) + " |",
        "|---|" + "---:|" * len(metrics),
    ]
    for row in rows:
        name = f"**{_plain(row.system)}**" if row.is_ours else _plain(row.system)
        protocol = f", {row.protocol}" if row.protocol else ""
        note = "" if row.is_ours else f" [{sources.index(row.source) + 1}]"
        cells = [_cell(metric, row.figures.get(metric.key)) for metric in metrics]
        lines.append(f"| {name}{protocol}{note} | " + " | ".join(cells) + " |")
    return lines


def _heading(metric: Metric) -> str:
    unit = "" if metric.unit in ("share", "rank") else f" ({metric.unit})"
    return f"{metric.title}{unit} {'↓' if metric.lower_is_better else '↑'}"


def _cell(metric: Metric, figure: Figure | None) -> str:
    if figure is None:
        return ""
    text = format_value(metric, figure.value)
    if figure.low is None or figure.high is None or math.isnan(figure.low):
        return text
    return f"{text} [{format_value(metric, figure.low)}, {format_value(metric, figure.high)}]"


def _rate(mean: float, low: float, high: float) -> str:
    ends = f"{low:.2f}", f"{high:.2f}"
    return f"{mean:.2f}" if ends[0] == ends[1] else f"{mean:.2f} [{', '.join(ends)}]"


def _plain(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _figures(figures: dict[str, Figure]) -> dict[str, Any]:
    return {
        key: {"value": _number(figure.value), "low": _number(figure.low), "high": _number(figure.high)}
        for key, figure in figures.items()
    }


def _curves(result: Result) -> dict[str, Any]:
    if result.curves is None or result.reliability is None or result.onsets is None:
        return {}
    curves, bins = result.curves, result.reliability
    return {
        "thresholds": curves.thresholds.tolist(),
        "segment_f1": [_number(value) for value in curves.f1],
        "precision": [_number(value) for value in curves.precision],
        "recall": [_number(value) for value in curves.recall],
        "collar_f1": [_number(value) for value in curves.collar_f1],
        "false_positives_per_minute": curves.false_positives_per_minute.tolist(),
        "false_positives_per_minute_by_prompt_count": {
            str(count): dict(zip(("mean", "quantile_05", "quantile_95"), rates.T.tolist(), strict=True))
            for count, rates in curves.by_prompt_count.items()
        },
        "onset_error_quantiles_s": {
            f"{share:g}": _number(value)
            for share, value in zip(ONSET_QUANTILES, result.onsets.quantiles_s(ONSET_QUANTILES), strict=True)
        },
        "reliability": {
            "mean_score": [_number(value) for value in bins.mean_score],
            "positive_share": [_number(value) for value in bins.positive_share],
            "n_scores": bins.n_scores.tolist(),
        },
    }


def _bounds(figure: Figure) -> tuple[float | None, ...]:
    return figure.value, figure.low, figure.high


def _number(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else float(value)
