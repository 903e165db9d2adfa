"""Benchmarks by name: public corpora, scenes from a library, and one that needs no data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from flam.benchmark.benchmark import Benchmark, Item, Task
from flam.benchmark.library_benchmarks import library_benchmarks, scenes_benchmark
from flam.benchmark.recipes import BUILTIN, RecipeFile, ScenesRecipe
from flam.core import ConfigError, Event, load_yaml
from flam.core.progress import Progress
from flam.data.corpora import Corpus, CorpusError, CorpusItem, find_corpus

# MAESTRO Real is judged on what more than half of the annotators heard, as in DCASE 2024 task 4.
AGREEMENT = 0.5
N_SHOWN = 3
SCENES = {"builtin": BUILTIN, "heldout": ScenesRecipe()}


@dataclass(frozen=True)
class CorpusBenchmark:
    """How a corpus is asked.

    Parameters
    ----------
    corpus : str
        its name
    split : str
        what is evaluated unless another split is asked for
    task : Task
        see ``Benchmark``
    first_classes : int | None, optional
        only so many of its classes; None for all
    remark : str, default ""
        what a reader of the figures has to know
    """

    corpus: str
    split: str
    task: Task
    first_classes: int | None = None
    remark: str = ""


CORPUS_BENCHMARKS = {
    "desed": CorpusBenchmark("DESED", "validation", "frames", remark="10 classes, each by one plain prompt"),
    "urbansed": CorpusBenchmark("URBAN-SED", "test", "frames"),
    "audioset_strong": CorpusBenchmark("AudioSet-Strong", "eval", "frames"),
    "maestro": CorpusBenchmark(
        "MAESTRO Real",
        "development",
        "frames",
        first_classes=11,
        remark="all five folds; an event is a second that more than half of the annotators heard; the 11 classes of "
        "DCASE 2024 task 4",
    ),
    "asfx": CorpusBenchmark("ASFX-SED", "test", "frames"),
    "audiocaps": CorpusBenchmark("AudioCaps", "test", "retrieval"),
    "clotho": CorpusBenchmark("Clotho", "evaluation", "retrieval"),
    "esc50": CorpusBenchmark("ESC-50", "all", "classify", remark="all five folds"),
    "us8k": CorpusBenchmark("UrbanSound8K", "all", "classify", remark="all ten folds"),
    "vggsound": CorpusBenchmark("VGGSound", "test", "classify"),
}


def corpus_benchmark(name: str, data_root: Path | None) -> Benchmark:
    """The benchmark of a corpus, as far as it is on the disk; what is missing is listed in its problems.

    Parameters
    ----------
    name : str
        a key of ``CORPUS_BENCHMARKS``, maybe with a split behind a colon, as in ``desed:public``
    data_root : Path | None
        the corpus, or a folder in which it has a folder of its name

    Raises
    ------
    ConfigError
        no data root, or nothing of the split to evaluate
    CorpusError
        the corpus is not there, or a table of it can't be read
    """
    key, _, split = name.partition(":")
    settings = CORPUS_BENCHMARKS[key]
    corpus = find_corpus(settings.corpus)
    if data_root is None:
        raise ConfigError(f"benchmark {name!r} needs {corpus.name}; say with --data-root where it is ({corpus.where})")
    root = _find_root(corpus, data_root)
    problems: list[str] = []
    listed = corpus.items(root, split or settings.split, problems.append)
    usable = [item for item in listed if _is_said(item, settings.task)]
    here = [item for item in usable if item.path.is_file()]
    if len(here) < len(usable):
        gone = [str(item.path) for item in usable if not item.path.is_file()]
        problems.append(f"{len(gone)} of {len(usable)} recordings are not there: {', '.join(gone[:N_SHOWN])} ...")
    if not here:
        first = usable[0].path if usable else "named in its table"
        raise CorpusError(
            f"{root}: none of the {len(usable)} recordings of {corpus.name}, split {split or settings.split}, is "
            f"there; the first would be {first}; get them from {corpus.where}"
        )
    classes = corpus.classes(root)[: settings.first_classes]
    named = classes or sorted({label for item in here for label in item.labels})
    prompts = tuple(dict.fromkeys(corpus.prompt(label) for label in named))
    items = tuple(_item(corpus, item, settings.task, set(prompts), settings.first_classes is None) for item in here)
    remarks = (f"split {split or settings.split}", *([settings.remark] if settings.remark else []))
    return Benchmark(name, settings.task, items, prompts, remarks, tuple(problems), len(usable))


def _find_root(corpus: Corpus, data_root: Path) -> Path:
    """The folder of the corpus below the root, or the root itself."""
    if not data_root.is_dir():
        raise ConfigError(f"--data-root {data_root}: no such folder; give the one that holds the corpora")
    wanted = _plain(corpus.name)
    for folder in (*(path for path in sorted(data_root.iterdir()) if _plain(path.name) == wanted), data_root):
        try:
            return corpus.home(folder)
        except CorpusError:
            continue
    tables = ", ".join(dict.fromkeys(corpus.tables.values()))
    raise CorpusError(
        f"{data_root}: holds no folder {corpus.name} with its tables ({tables}) "
        f"and none of them itself; get {corpus.name} from {corpus.where}, or check with flam data check"
    )


def _plain(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())


def _is_said(item: CorpusItem, task: Task) -> bool:
    return {"frames": item.events is not None, "retrieval": bool(item.captions), "classify": bool(item.labels)}[task]


def _item(corpus: Corpus, item: CorpusItem, task: Task, prompts: set[str], all_classes: bool) -> Item:
    if task == "retrieval":
        return Item(item.recording, item.path, item.duration_s, captions=item.captions)
    if task == "classify":
        return Item(item.recording, item.path, item.duration_s, prompt=corpus.prompt(item.labels[0]))
    heard = (event for event in item.events or () if event.max_score is None or event.max_score > AGREEMENT)
    events = (Event(event.onset_s, event.offset_s, corpus.prompt(event.prompt)) for event in heard)
    if not all_classes:
        events = (event for event in events if event.prompt in prompts)
    return Item(item.recording, item.path, item.duration_s, tuple(events))


@dataclass(frozen=True)
class Paths:
    """Where benchmarks find what they need.

    Parameters
    ----------
    cache : Path
        folder for what can be made again
    data_root : Path | None, optional
        folder of public corpora
    manifest : Path | None, optional
        manifest or measured table to make benchmarks from
    """

    cache: Path
    data_root: Path | None = None
    manifest: Path | None = None


def open_benchmarks(
    name: str,
    paths: Paths,
    n_items: int | None = None,
    progress: Progress = lambda done, total: None,
) -> list[Benchmark]:
    """The benchmarks of a name, of a YAML file maybe several; parameters as ``open_benchmark``.

    Raises
    ------
    ConfigError
        as ``open_benchmark``
    """
    if not name.endswith((".yaml", ".yml")):
        return [open_benchmark(name, paths, n_items, progress)]
    recipe = load_yaml(RecipeFile, name)
    return library_benchmarks(Path(name).stem, recipe, paths.manifest, paths.cache, n_items, progress)


def require_benchmark(name: str) -> None:
    """Check that there is a benchmark of a name, or that its file can be read, before any is prepared.

    Parameters
    ----------
    name : str
        As for ``open_benchmark``.

    Raises
    ------
    ConfigError
        No such benchmark, or a file with an unknown key.
    """
    if name.endswith((".yaml", ".yml")):
        load_yaml(RecipeFile, name)
    elif name not in SCENES and name.partition(":")[0] not in CORPUS_BENCHMARKS:
        raise _unknown(name)


def open_benchmark(
    name: str,
    paths: Paths,
    n_items: int | None = None,
    progress: Progress = lambda done, total: None,
) -> Benchmark:
    """A benchmark by name, or the first of a YAML file such as those of configs/benchmarks.

    Parameters
    ----------
    name : str
        "builtin", "heldout", a key of ``CORPUS_BENCHMARKS`` (maybe with a split, ``desed:public``), or a file
    n_items : int | None, optional
        at most so many recordings; None for all
    progress : Progress, optional
        called with (scenes rendered, scenes in all)

    Raises
    ------
    ConfigError
        no such benchmark, or something it needs is missing
    """
    if name in SCENES:
        return scenes_benchmark(name, SCENES[name], paths.manifest, paths.cache, n_items, progress)
    if name.partition(":")[0] in CORPUS_BENCHMARKS:
        return corpus_benchmark(name, paths.data_root).limited(n_items)
    if name.endswith((".yaml", ".yml")):
        return open_benchmarks(name, paths, n_items, progress)[0]
    raise _unknown(name)


def _unknown(name: str) -> ConfigError:
    known = ", ".join([*SCENES, *CORPUS_BENCHMARKS])
    return ConfigError(f"no benchmark {name!r}; choose one of {known}, or give a YAML file")
