"""Asking every system everything, one recording after another, and judging what came back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from flam.benchmark.benchmark import Benchmark, Item
from flam.benchmark.results import Result, classify_result, frame_result, retrieval_result
from flam.benchmark.store import ScoreStore
from flam.benchmark.system import System
from flam.core import ConfigError, FlamError
from flam.evaluation.clips import TEMPLATES, average_templates, fill_templates

# what a system may raise on a recording that it can't take; anything else is a mistake in the system itself
FAILURES = (FlamError, OSError, ValueError, RuntimeError)
ShowProgress = Callable[[str], AbstractContextManager[Callable[[int, int | None], None]]]


@dataclass(frozen=True)
class Evaluation:
    """Systems on one benchmark.

    Parameters
    ----------
    benchmark : Benchmark
        with the recordings that every system could take
    results : dict[str, Result]
        by system, in the order given
    failures : tuple[str, ...]
        "system: recording: reason" for each recording left out; it is left out for all systems alike
    n_asked : int
        recordings that were there to take
    """

    benchmark: Benchmark
    results: dict[str, Result]
    failures: tuple[str, ...]
    n_asked: int


def evaluate(
    systems: Sequence[System],
    benchmarks: Iterable[Benchmark],
    cache: str | Path,
    show_progress: ShowProgress = lambda name: nullcontext(lambda done, total: None),
    on_problem: Callable[[str], None] = lambda problem: None,
) -> list[Evaluation]:
    """Ask every system every benchmark; what was answered before is remembered.

    ``flam.benchmark.report.write_report`` makes files and a page of the result.

    Parameters
    ----------
    systems : Sequence[System]
        anything that is a ``System``, each with a name of its own
    benchmarks : Iterable[Benchmark]
        what to ask
    cache : str | Path
        folder where answers are kept
    show_progress : ShowProgress, optional
        context for one system on one benchmark that gives a callback (recordings done, in all)
    on_problem : Callable[[str], None], optional
        told of each recording that a system can't take

    Raises
    ------
    ConfigError
        no systems, or two of one name
    FlamError
        a system can take no recording of a benchmark, or all systems together none

    Examples
    --------
    >>> import tempfile
    >>> from flam.core import Event, FrameScores, TimeGrid
    >>> class AlwaysTheEnd:
    ...     name = fingerprint = "always the end"
    ...     def frame_scores(self, audio, prompts):
    ...         return FrameScores(np.array([[0.0], [1.0]], np.float32), tuple(prompts), TimeGrid(10, 10), 0, 20)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     audio = Path(folder, "a.wav")
    ...     _ = audio.write_bytes(b"")
    ...     asked = Benchmark("mine", "frames", (Item("a", audio, events=(Event(1.0, 2.0, "dog"),)),), ("dog",))
    ...     [evaluation] = evaluate([AlwaysTheEnd()], [asked], folder)
    >>> evaluation.results["always the end"].figures["frame_auroc"].value
    1.0
    """
    names = [system.name for system in systems]
    if not names or len(set(names)) < len(names):
        raise ConfigError(f"systems {', '.join(names) or 'none'}: at least one is needed, and each needs its own name")
    store = ScoreStore(Path(cache))
    return [_evaluate(systems, benchmark, store, show_progress, on_problem) for benchmark in benchmarks]


def _evaluate(
    systems: Sequence[System],
    benchmark: Benchmark,
    store: ScoreStore,
    show_progress: ShowProgress,
    on_problem: Callable[[str], None],
) -> Evaluation:
    answers: dict[str, dict[str, Any]] = {}
    failures: list[str] = []
    for system in systems:
        with show_progress(f"{system.name} on {benchmark.name}") as progress:
            answers[system.name] = {}
            for done, item in enumerate(benchmark.items, start=1):
                try:
                    answers[system.name][item.name] = _ask(store, system, benchmark, item)
                except FAILURES as error:
                    failures.append(f"{system.name}: {item.name}: {error}")
                    on_problem(failures[-1])
                progress(done, len(benchmark.items))
        if not answers[system.name]:
            raise FlamError(
                f"{system.name} could take none of the {len(benchmark.items)} recordings of {benchmark.name}; "
                f"the last one: {failures[-1]}"
            )
    taken = benchmark.with_items(
        tuple(item for item in benchmark.items if all(item.name in given for given in answers.values()))
    )
    results = {system.name: _judge(store, system, taken, answers[system.name]) for system in systems}
    return Evaluation(taken, results, tuple(failures), len(benchmark.items))


def _ask(store: ScoreStore, system: System, benchmark: Benchmark, item: Item) -> Any:
    if benchmark.task == "frames":
        return store.frame_scores(system, item, benchmark.prompts)
    return store.audio_features(system, item)


def _judge(store: ScoreStore, system: System, benchmark: Benchmark, answers: dict[str, Any]) -> Result:
    items = benchmark.items
    if benchmark.task == "frames":
        return frame_result(items, answers, store.operating_point(system, benchmark.prompts))
    audio_features = np.stack([answers[item.name] for item in items])
    if benchmark.task == "retrieval":
        captions = [caption for item in items for caption in item.captions]
        return retrieval_result(items, audio_features, store.text_features(system, captions))
    texts = store.text_features(system, fill_templates(benchmark.prompts))
    return classify_result(items, benchmark.prompts, audio_features, average_templates(texts, len(TEMPLATES)))
