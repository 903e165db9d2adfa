"""``flam evaluate``: models on benchmarks, beside what others published."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from flam.benchmark import Benchmark, System
    from flam.benchmark.evaluation import ShowProgress
    from flam.core.progress import Reporter


def evaluate(
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"], help="Folder of the report.")],
    model: Annotated[
        tuple[str, ...],
        Parameter(
            help="Name (see flam models list), or folder of a model, also of a ClapModel; once for each. flam-mini. "
            "NAME=MODEL gives it another name in the report.",
            negative="",
            show_default=False,
        ),
    ] = (),
    results: Annotated[
        tuple[str, ...],
        Parameter(
            help="NAME=PATH: results of any other program to compare with, event lists or frame scores (.npz); a file "
            "or a folder.",
            negative="",
            show_default=False,
        ),
    ] = (),
    benchmark: Annotated[
        tuple[str, ...],
        Parameter(
            help="builtin, heldout, desed, urbansed, audioset_strong, maestro, asfx, audiocaps, clotho, esc50, us8k, "
            "vggsound, or a YAML file as in configs/benchmarks; several with commas. builtin.",
            negative="",
            show_default=False,
        ),
    ] = (),
    data_root: Annotated[Path | None, Parameter(help="Folder that holds the public corpora.")] = None,
    library: Annotated[
        Path | None, Parameter(help="Clips to make scenes from: a table of flam library scan, or a manifest.")
    ] = None,
    limit: Annotated[int | None, Parameter(help="At most this many recordings of each benchmark.")] = None,
    score: Annotated[
        Literal["posterior", "unbiased", "approximate"],
        Parameter(help="Kind of score. It matters for thresholds and calibration, not for AUROC of a prompt or PSDS."),
    ] = "posterior",
    device: Annotated[Literal["auto", "cpu", "cuda", "mps"], Parameter(help="Where to compute.")] = "auto",
    cache: Annotated[
        Path | None, Parameter(help="Folder for scenes and scores; default: evaluation in the cache of flam.")
    ] = None,
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="", help="No progress on stderr.")] = False,
) -> int:
    """Score models on benchmarks: tables beside published figures, and a page with charts and the worst scenes.

    For example: flam evaluate --model flam-mini --benchmark builtin -o report/

    Two models under chosen names, beside the events that another program found:
    flam evaluate --model mine=models/v2 --model old=models/v1 --results other=events.csv --benchmark desed -o report/

    Scores are kept: running the same command again resumes where it stopped and computes nothing twice.
    """
    from flam.benchmark import evaluate as evaluate_systems
    from flam.benchmark.metrics import format_value, headline
    from flam.benchmark.registry import require_benchmark
    from flam.benchmark.report import require_pictures, write_report
    from flam.benchmark.report.conditions import mean_and_worst
    from flam.benchmark.systems import GivenSystem, open_system
    from flam.cli.main import FINE, SOME_FAILED
    from flam.core import ConfigError, output_lock
    from flam.core.progress import Reporter
    from flam.hub.hub import cache_folder
    from flam.hub.registry import DEFAULT_MODEL
    from flam.jobs.manifest import make_folder
    from flam.jobs.outputs import require_place

    if limit is not None and limit < 1:
        raise ConfigError(f"--limit {limit} must be at least 1")
    require_pictures()
    require_place(output)
    reporter = Reporter(quiet)
    folder = cache_folder() / "evaluation" if cache is None else cache
    names = [name for given in benchmark or ("builtin",) for name in given.split(",") if name]
    for name in names:
        require_benchmark(name)  # all of them before the first is prepared
    models = model or (() if results else (DEFAULT_MODEL,))
    systems: list[System] = []
    for title, place in map(_named, models):
        systems.append(open_system(place, folder, score, device, reporter.say))
        systems[-1].name = title or systems[-1].name
    systems += [GivenSystem(place, title or Path(place).stem) for title, place in map(_named, results)]
    make_folder(output.absolute().parent)
    with output_lock(output, beside=True):  # the report's folder is made only once there is something to put into it
        preparing = _progress(reporter, len(names))
        benchmarks = [
            opened for name in names for opened in _open(name, folder, data_root, library, limit, reporter, preparing)
        ]
        asking = _progress(reporter, len(systems) * len(benchmarks))
        evaluations = evaluate_systems(systems, benchmarks, folder, asking, reporter.error)
        page = write_report(evaluations, output)
    for evaluation in evaluations:
        metric = headline(evaluation.benchmark.task)
        for name, result in evaluation.results.items():
            value = format_value(metric, result.figures[metric.key].value)
            unit = "" if metric.unit == "share" else f" {metric.unit}"
            reporter.say(f"{evaluation.benchmark.name}: {name}: {metric.key.replace('_', ' ')} {value}{unit}")
    for line in mean_and_worst(evaluations):
        reporter.say(line)
    reporter.say(f"-> {page}")
    return SOME_FAILED if reporter.n_problems else FINE


def _named(given: str) -> tuple[str, str]:
    """A name for the report and what it stands for; the name is empty where none is given."""
    title, equals, place = given.partition("=")
    return (title, place) if equals and title and place and not set(title) & set("/\\") else ("", given)


def _open(
    name: str,
    cache: Path,
    data_root: Path | None,
    library: Path | None,
    limit: int | None,
    reporter: Reporter,
    show_progress: ShowProgress,
) -> list[Benchmark]:
    from flam.benchmark.registry import Paths, open_benchmarks

    with show_progress(f"preparing {name}") as progress:
        benchmarks = open_benchmarks(name, Paths(cache, data_root, library), limit, progress)
    for opened in benchmarks:
        for problem in opened.problems:
            reporter.warning(f"{opened.name}: {problem}")
    return benchmarks


def _progress(reporter: Reporter, n_steps: int) -> ShowProgress:
    """Shows each step with its number among all."""
    numbers = itertools.count(1)
    return lambda name: reporter.recording(name, next(numbers), n_steps)
