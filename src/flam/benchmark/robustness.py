"""What recorders cost: one set of scenes through several of them, as a mean and a worst."""

from __future__ import annotations

from collections.abc import Sequence

from flam.benchmark.evaluation import Evaluation
from flam.benchmark.metrics import HEADLINES


def mean_and_worst(evaluations: Sequence[Evaluation]) -> list[str]:
    """A line for each system and set of scenes that went through several recorders: mean and worst headline figure.

    Benchmarks of one set are named alike up to a colon, as ``registry.open_benchmarks`` names them.
    """
    sets: dict[str, list[Evaluation]] = {}
    for evaluation in evaluations:
        stem, colon, _ = evaluation.benchmark.name.partition(": ")
        if colon:
            sets.setdefault(stem, []).append(evaluation)
    lines = []
    for stem, conditions in sets.items():
        key = HEADLINES[conditions[0].benchmark.task]
        for system in conditions[0].results:
            values = {
                each.benchmark.name.partition(": ")[2]: each.results[system].figures[key].value for each in conditions
            }
            worst = min(values, key=lambda condition: values[condition])
            mean = sum(values.values()) / len(values)
            lines.append(
                f"{stem}: {system}: {key.replace('_', ' ')} mean {100 * mean:.1f}, worst {100 * values[worst]:.1f} "
                f"({worst})"
            )
    return lines
