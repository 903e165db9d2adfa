"""One table for the same recordings in several conditions: each, their mean and the worst of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flam.benchmark.evaluation import Evaluation
from flam.benchmark.metrics import METRICS, Figure, Metric, format_value, headline

FOUND = next(metric for metric in METRICS["frames"] if metric.key == "found")


@dataclass(frozen=True)
class ConditionTable:
    """A set of benchmarks side by side.

    Parameters
    ----------
    title : str
        What their names have in common.
    headings : list of str
        The headline figure of each system, and the share of events it finds at equal false alarms.
    rows : list of list of str
        A name and its cells: each condition, then their mean, then the worst of them.
    """

    title: str
    headings: list[str]
    rows: list[list[str]]


def condition_tables(evaluations: Sequence[Evaluation]) -> list[ConditionTable]:
    """Put benchmarks of one task side by side that are named alike up to a colon, as recorders of one file are."""
    return [ConditionTable(stem, *_table(conditions)) for (stem, _), conditions in sets_of(evaluations).items()]


def set_of(evaluation: Evaluation) -> tuple[str, str]:
    """The name up to a colon, and the task: benchmarks that have both in common are of one set."""
    return evaluation.benchmark.name.partition(": ")[0], evaluation.benchmark.task


def sets_of(evaluations: Sequence[Evaluation]) -> dict[tuple[str, str], dict[str, Evaluation]]:
    """By set, the name of each condition and its evaluation; a benchmark that stands alone is in no set."""
    sets: dict[tuple[str, str], dict[str, Evaluation]] = {}
    for evaluation in evaluations:
        condition = evaluation.benchmark.name.partition(": ")[2]
        if condition:
            sets.setdefault(set_of(evaluation), {})[condition] = evaluation
    return {key: conditions for key, conditions in sets.items() if len(conditions) > 1}


def mean_and_worst(evaluations: Sequence[Evaluation]) -> list[str]:
    """A line for each figure of ``condition_tables``: its mean and its worst condition."""
    lines = []
    for table in condition_tables(evaluations):
        *conditions, mean, worst = table.rows
        for column, heading in enumerate(table.headings[1:], start=1):
            names = [row[0] for row in conditions if row[column] == worst[column]]
            lines.append(f"{table.title}: {heading}: mean {mean[column]}, worst {worst[column]} ({', '.join(names)})")
    return lines


def _table(conditions: dict[str, Evaluation]) -> tuple[list[str], list[list[str]]]:
    first = next(iter(conditions.values()))
    task, title = first.benchmark.task, first.benchmark.points.equal_title
    metric = headline(task)
    columns: dict[str, tuple[Metric, list[float]]] = {}
    for system in first.results:
        results = [evaluation.results[system] for evaluation in conditions.values()]
        figures = [result.figures.get(metric.key, Figure(np.nan)).value for result in results]
        columns[f"{system}: {metric.title}"] = metric, figures
        if any(title in result.points for result in results):
            found = [result.points[title].recall.value if title in result.points else np.nan for result in results]
            columns[f"{system}: found {title}"] = FOUND, found
    rows = [
        [condition, *(format_value(metric, values[row]) for metric, values in columns.values())]
        for row, condition in enumerate(conditions)
    ]
    mean = ["mean", *(format_value(metric, float(np.mean(values))) for metric, values in columns.values())]
    worst = ["worst", *(format_value(metric, _worst(metric, values)) for metric, values in columns.values())]
    return ["condition", *columns], [*rows, mean, worst]


def _worst(metric: Metric, values: Sequence[float]) -> float:
    return max(values) if metric.lower_is_better else min(values)
