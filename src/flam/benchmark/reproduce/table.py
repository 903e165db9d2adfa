"""The table of a comparison: means over seeds, and which differences stand out of the noise."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from flam.benchmark.reproduce.config import ComparisonConfig
from flam.core import atomic_text

CONFIDENCE = 0.95
# method, seed, and set of held-out scenes to frame AUROC
Results = dict[str, dict[int, dict[str, float]]]


@dataclass(frozen=True)
class Row:
    """A method on a set of held-out scenes, frame AUROC x 100.

    Parameters
    ----------
    method, measured : str
        Keys of the configuration.
    values : dict of int to float
        By seed.
    ahead : tuple of float or None
        Mean difference from the reference over the seeds that both have, and half the width of its 95 % interval
        (Student's t), NaN for a single seed; None for the reference itself.
    """

    method: str
    measured: str
    values: dict[int, float]
    ahead: tuple[float, float] | None

    @property
    def mean(self) -> float:
        """Mean over seeds."""
        return float(np.mean(list(self.values.values())))

    @property
    def deviation(self) -> float:
        """Standard deviation over seeds; NaN for a single one."""
        return _deviation(list(self.values.values()))

    @property
    def is_separated(self) -> bool | None:
        """Whether the difference from the reference stands out of the noise; None where nothing can be said."""
        if self.ahead is None or np.isnan(self.ahead[1]):
            return None
        return abs(self.ahead[0]) > self.ahead[1]


def summarise(config: ComparisonConfig, results: Results) -> list[Row]:
    """Make the rows of what has been measured, in the order of the configuration.

    Parameters
    ----------
    config : ComparisonConfig
        What is compared.
    results : dict
        Frame AUROC in [0, 1] by method, seed and set of scenes.

    Returns
    -------
    list of Row
    """
    rows = []
    for measured in config.measured:
        values = {
            method: {seed: 100 * found[measured] for seed, found in sorted(results[method].items())}
            for method in config.methods
            if results.get(method)
        }
        reference = values.get(config.reference, {})
        for method, by_seed in values.items():
            differences = [value - reference[seed] for seed, value in by_seed.items() if seed in reference]
            compared = method != config.reference and bool(differences)
            rows.append(Row(method, measured, by_seed, mean_and_half_width(differences) if compared else None))
    return rows


def mean_and_half_width(values: Sequence[float]) -> tuple[float, float]:
    """Give the mean, and half the width of its 95 % interval by Student's t; NaN for a single value.

    Examples
    --------
    >>> mean, half = mean_and_half_width([1.0, 2.0, 3.0])
    >>> mean, round(half, 3)
    (2.0, 2.484)
    """
    if len(values) < 2:
        return float(np.mean(values)), float("nan")
    factor = stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)
    return float(np.mean(values)), float(factor * _deviation(values) / len(values) ** 0.5)


def write_tables(folder: Path, config: ComparisonConfig, rows: Sequence[Row]) -> None:
    """Write ``table.csv``, a line for each run, and ``table.md``, a line for each method."""
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_text(folder / "table.csv") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("scenes", "method", "seed", "frame_auroc"))
        table.writerows(
            (row.measured, row.method, seed, f"{value / 100:.5f}") for row in rows for seed, value in row.values.items()
        )
    with atomic_text(folder / "table.md") as file:
        file.write(as_markdown(config, rows))


def as_markdown(config: ComparisonConfig, rows: Sequence[Row]) -> str:
    """Give the table as Markdown, a section for each set of held-out scenes."""
    steps = config.recipes[config.reference].n_steps
    lines = [f"Frame AUROC x 100 after {steps} steps: mean ± standard deviation over seeds.", ""]
    reference = config.methods[config.reference].name or config.reference
    for measured, settings in config.measured.items():
        lines += [
            f"**{measured}**: {settings.n_scenes} scenes, macro over at most {settings.n_prompts} prompts",
            "",
            f"| method | mean ± sd | each seed | against {reference}, same seeds | separated | published |",
            "|---|---|---|---|---|---|",
        ]
        for row in (row for row in rows if row.measured == measured):
            method = config.methods[row.method]
            each = ", ".join(f"{value:.1f}" for value in row.values.values())
            ahead = "" if row.ahead is None else f"{row.ahead[0]:+.1f} ± {_shown(row.ahead[1])}"
            separated = "" if row.ahead is None else {None: "one seed", True: "yes", False: "no"}[row.is_separated]
            published = "" if method.published is None else f"{method.published:.1f}"
            lines.append(
                f"| {method.name or row.method} | {row.mean:.1f} ± {_shown(row.deviation)} | {each} | {ahead} | "
                f"{separated} | {published} |"
            )
        lines.append("")
    lines.append(
        f"Differences are means of pairs of equal seeds with their {CONFIDENCE:.0%} intervals (Student's t); "
        "separated: the interval leaves out 0. Published: the paper's, at its own scale."
    )
    return "\n".join(lines) + "\n"


def _deviation(values: Sequence[float]) -> float:
    return float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")


def _shown(value: float) -> str:
    return "?" if np.isnan(value) else f"{value:.1f}"
