"""What others published, read from one table that names each source."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from flam.core import load_yaml

TABLE = Path(__file__).with_name("published.yaml")


@dataclass(frozen=True)
class Source:
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

    sources: dict[str, Source] = field(default_factory=dict)
    benchmarks: dict[str, PublishedBenchmark] = field(default_factory=dict)


@cache
def published() -> Published:
    """The table of the package.

    Examples
    --------
    >>> [row.metrics["frame_auroc"] for row in published().benchmarks["heldout"].rows][:2]
    [91.0, 67.76]
    """
    return load_yaml(Published, TABLE)


def published_on(benchmark: str) -> PublishedBenchmark:
    """Others on a benchmark, whatever its split; none where nothing is known.

    Examples
    --------
    >>> published_on("desed:public").rows[0].system, published_on("builtin").rows
    ('FLAM', ())
    """
    return published().benchmarks.get(benchmark.partition(":")[0], PublishedBenchmark())
