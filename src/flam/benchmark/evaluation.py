"""Running systems on benchmarks, one recording after another; scores are kept on disk."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from flam.benchmark.benchmark import ON_FRAMES, Benchmark, HasOperatingPoint, Item, System
from flam.benchmark.results import Result, ambience_result, classify_result, frame_result, retrieval_result
from flam.benchmark.word_results import near_miss_result, paraphrase_result
from flam.core import (
    ConfigError,
    FlamError,
    FrameScores,
    atomic_path,
    atomic_text,
    from_mapping,
    parse_json,
    to_mapping,
)
from flam.core.progress import Progress
from flam.detection import DetectionConfig
from flam.evaluation.clips import TEMPLATES, average_templates, fill_templates
from flam.jobs.manifest import make_folder

# what a system may raise on a recording that it can't take; anything else is a mistake in the system itself
FAILURES = (FlamError, OSError, ValueError, RuntimeError)
ShowProgress = Callable[[str], AbstractContextManager[Progress]]


class ScoreStore:
    """Answers by system, question and recording; a recording that changed is another one.

    Parameters
    ----------
    folder : Path
        made when it is needed

    Attributes
    ----------
    n_computed
        answers that were not there

    Examples
    --------
    >>> import tempfile
    >>> class Length:
    ...     name, fingerprint = "length", "length-1"
    ...     def text_features(self, texts):
    ...         return np.array([[float(len(text))] for text in texts])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = ScoreStore(Path(folder))
    ...     first, again = (store.text_features(Length(), ["dog"]) for _ in range(2))
    >>> first.tolist() == again.tolist(), store.n_computed
    (True, 1)
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self.n_computed = 0

    def frame_scores(self, system: System, item: Item, prompts: Sequence[str]) -> FrameScores:
        """Scores of a recording.

        Raises
        ------
        FlamError
            what the system raises, or scores that are of other prompts, not finite, or not a whole recording
        """
        path = self._place("frames", system, *prompts, *_stamp(item.path)).with_suffix(".npz")
        if path.exists():
            with contextlib.suppress(FlamError):  # one that was damaged is asked again
                return FrameScores.load(path)
        scores = system.frame_scores(item.path, prompts)
        if scores.prompts != tuple(prompts) or scores.start_frame != 0 or len(scores.scores) == 0:
            raise FlamError(
                f"{system.name} gave {len(scores.scores)} frames from {scores.start_frame} on for "
                f"{len(scores.prompts)} prompts; a system gives the whole recording, for the {len(prompts)} it is asked"
            )
        _require_finite(system, scores.scores, "scores")
        self._count(path)
        with atomic_path(path) as part:
            scores.save(part)
        return scores

    def audio_features(self, system: System, item: Item) -> np.ndarray:
        """(D,) vector of a recording.

        Raises
        ------
        FlamError
            what the system raises, or features that are not finite
        """
        path = self._place("audio", system, *_stamp(item.path)).with_suffix(".npy")
        return self._kept(path, system, lambda: system.audio_features(item.path))

    def text_features(self, system: System, texts: Sequence[str]) -> np.ndarray:
        """(K, D) vectors of texts; raises as ``audio_features``."""
        path = self._place("text", system, *texts).with_suffix(".npy")
        return self._kept(path, system, lambda: system.text_features(texts))

    def operating_point(self, system: System, prompts: Sequence[str]) -> DetectionConfig | None:
        """The rules by which the system makes events of its scores; None for a system without."""
        if not isinstance(system, HasOperatingPoint):
            return None
        path = self._place("rules", system, *prompts).with_suffix(".json")
        if not path.exists():
            rules = system.operating_point(prompts)
            self._count(path)
            with atomic_text(path) as file:
                json.dump(None if rules is None else to_mapping(rules), file)
        stored = parse_json(path.read_bytes(), str(path), remedy="delete it to make it again")
        return None if stored is None else from_mapping(DetectionConfig, stored, str(path))

    def _kept(self, path: Path, system: System, ask: Callable[[], np.ndarray]) -> np.ndarray:
        if path.exists():
            with contextlib.suppress(OSError, ValueError, EOFError):
                return np.array(np.load(path, mmap_mode="r"))  # refuses a header that claims more than there is
        features = ask()
        _require_finite(system, features, "features")
        self._count(path)
        with atomic_path(path) as part, open(part, "wb") as file:
            np.save(file, features)
        return features

    def _count(self, path: Path) -> None:
        make_folder(path.parent)
        self.n_computed += 1

    def _place(self, kind: str, system: System, *question: str) -> Path:
        """Where an answer lies, in one of 256 folders, so that none gets too full."""
        who = hashlib.sha256(system.fingerprint.encode()).hexdigest()[:16]
        what = hashlib.sha256("\n".join(question).encode()).hexdigest()[:32]
        return self._folder / "scores" / who / kind / what[:2] / what


def _stamp(path: Path) -> tuple[str, str, str]:
    status = path.stat()
    return os.path.realpath(path), str(status.st_size), str(status.st_mtime_ns)


def _require_finite(system: System, values: np.ndarray, what: str) -> None:
    n_bad = int((~np.isfinite(values)).sum())
    if n_bad:
        raise FlamError(
            f"{system.name} gave {n_bad} of {values.size} {what} that are not finite; find out what made them so"
        )


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
        called with a line for each recording that a system can't take

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
    if benchmark.task in ON_FRAMES:
        return store.frame_scores(system, item, benchmark.prompts)
    return store.audio_features(system, item)


def _judge(store: ScoreStore, system: System, benchmark: Benchmark, answers: dict[str, Any]) -> Result:
    items, rules = benchmark.items, partial(store.operating_point, system)
    if benchmark.task == "frames":
        return frame_result(items, answers, rules, benchmark.points)
    if benchmark.task == "ambience":
        return ambience_result(items, answers, rules, benchmark.points)
    if benchmark.task == "paraphrases":
        return paraphrase_result(items, answers, benchmark.other_texts)
    audio_features = np.stack([answers[item.name] for item in items])
    if benchmark.task == "near misses":
        words = dict(zip(benchmark.prompts, store.text_features(system, benchmark.prompts), strict=True))
        return near_miss_result(items, audio_features, words, benchmark.other_texts)
    if benchmark.task == "retrieval":
        captions = [caption for item in items for caption in item.captions]
        return retrieval_result(items, audio_features, store.text_features(system, captions))
    texts = store.text_features(system, fill_templates(benchmark.prompts))
    return classify_result(items, benchmark.prompts, audio_features, average_templates(texts, len(TEMPLATES)))
