"""``flam evaluate``: models on benchmarks, beside what others published."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from collections.abc import Callable

    from flam.benchmark import Benchmark, System
    from flam.core.progress import Reporter


def evaluate(
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"], help="Folder of the report.")],
    model: Annotated[
        tuple[str, ...],
        Parameter(
            help="Name (see flam models list), or folder of a model, also of a ClapModel; once for each. flam-mini.",
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
    limit: Annotated[int | None, Parameter(help="At most so many recordings of each benchmark.")] = None,
    score: Annotated[
        Literal["posterior", "unbiased", "approximate"],
        Parameter(help="Kind of score. It matters for thresholds and calibration, not for AUROC of a prompt or PSDS."),
    ] = "posterior",
    device: Annotated[Literal["auto", "cpu", "cuda", "mps"], Parameter(help="Where to compute.")] = "auto",
    cache: Annotated[
        Path | None, Parameter(help="Folder for scenes and scores; left out, evaluation in the cache of flam.")
    ] = None,
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="", help="No progress on stderr.")] = False,
) -> int:
    """Score models on benchmarks: tables beside published figures, and a page with charts and the worst scenes.

    For example: flam evaluate --model flam-mini --benchmark builtin -o report/

    Scores are kept: the same command again goes on where it stopped, and computes nothing twice.
    """
    from flam.benchmark import evaluate as evaluate_systems
    from flam.benchmark.adapters import open_system
    from flam.benchmark.metrics import HEADLINES
    from flam.benchmark.report import write_report
    from flam.benchmark.report.files import require_pictures
    from flam.benchmark.robustness import mean_and_worst
    from flam.cli.main import FINE, SOME_FAILED
    from flam.core import ConfigError
    from flam.core.progress import Reporter
    from flam.hub.hub import cache_folder
    from flam.hub.registry import DEFAULT_MODEL

    if limit is not None and limit < 1:
        raise ConfigError(f"--limit {limit} must be at least 1")
    require_pictures()
    reporter = Reporter(quiet)
    folder = cache_folder() / "evaluation" if cache is None else cache
    names = [name for given in benchmark or ("builtin",) for name in given.split(",") if name]
    systems: list[System] = [
        open_system(name, folder, score, device, reporter.say) for name in model or (DEFAULT_MODEL,)
    ]
    benchmarks = [opened for name in names for opened in _open(name, folder, data_root, library, limit, reporter)]
    evaluations = evaluate_systems(systems, benchmarks, folder, _progress(reporter), reporter.error)
    page = write_report(evaluations, output)
    for evaluation in evaluations:
        key = HEADLINES[evaluation.benchmark.task]
        for name, result in evaluation.results.items():
            value = f"{100 * result.figures[key].value:.1f}"
            reporter.say(f"{evaluation.benchmark.name}: {name}: {key.replace('_', ' ')} {value}")
    for line in mean_and_worst(evaluations):
        reporter.say(line)
    reporter.say(f"-> {page}")
    return SOME_FAILED if reporter.n_problems else FINE


def _open(
    name: str, cache: Path, data_root: Path | None, library: Path | None, limit: int | None, reporter: Reporter
) -> list[Benchmark]:
    from flam.benchmark.registry import Places, open_benchmarks

    with _progress(reporter)(f"preparing {name}") as progress:
        benchmarks = open_benchmarks(name, Places(cache, data_root, library), limit, progress)
    for opened in benchmarks:
        for problem in opened.problems:
            reporter.warning(f"{opened.name}: {problem}")
    return benchmarks


def _progress(reporter: Reporter) -> Callable[[str], AbstractContextManager[Callable[[int, int | None], None]]]:
    return lambda name: reporter.recording(name, 1, 1)
