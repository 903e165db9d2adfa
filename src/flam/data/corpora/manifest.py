"""A corpus as the source library that scenes are mixed from, and its strong labels as one table."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from flam.annotations import write_events
from flam.annotations.rows import spreadsheet_safe
from flam.core import Event, RecordingEvents, atomic_text
from flam.data.corpora.corpus import Corpus, CorpusItem, OnProblem, logger
from flam.data.corpora.maestro_real import harden

COLUMNS = ("id", "file", "label", "caption", "kind", "group", "source", "licence", "esc50_fold")
BACKGROUND_S = 10.0
BACKGROUND_WORDS = ("ambience", "ambiance", "ambient")


def write_manifest(
    corpus: Corpus, items: Iterable[CorpusItem], path: str | Path, on_problem: OnProblem = logger.warning
) -> int:
    """Write the recordings whose file is there as a manifest that ``flam.library.source_library.read_manifest`` reads.

    Parameters
    ----------
    corpus : Corpus
        whose name and licence go into the columns source and licence
    items : Iterable[CorpusItem]
        its recordings; those without a file are left out, and those whose name is there already
    path : str | Path
        the CSV file; paths of recordings below its folder are relative to it, others absolute
    on_problem : OnProblem, optional
        called with a line for each recording whose name is not Unicode and so can't be written

    Returns
    -------
    int
        number of recordings written

    Raises
    ------
    OutputError
        the file can't be written
    """
    path = Path(path)
    written: set[str] = set()
    with atomic_text(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for item in items:
            if item.recording in written or not os.path.isfile(item.path):
                continue
            try:
                row = _row(corpus, item, path.parent)
                "".join(row).encode()
            except UnicodeEncodeError:
                on_problem(f"{item.path}: its name is not Unicode; rename it")
                continue
            writer.writerow(map(spreadsheet_safe, row))
            written.add(item.recording)
    return len(written)


def _row(corpus: Corpus, item: CorpusItem, folder: Path) -> tuple[str, ...]:
    prompts = [corpus.prompt(label) for label in item.labels]
    caption = item.captions[0] if item.captions else ", ".join(prompts)
    has_main_label = len(prompts) == 1 or (prompts and corpus.first_label_is_main)
    file, base = os.path.abspath(item.path), os.path.abspath(folder)
    return (
        f"{corpus.name}/{item.recording}",
        os.path.relpath(file, base) if file.startswith(base + os.sep) else file,
        prompts[0] if has_main_label else "unlabelled",
        caption,
        _kind(item, caption),
        item.group or f"{corpus.name}:{item.recording}",
        corpus.name,
        item.licence or corpus.licence,
        item.fold,
    )


def _kind(item: CorpusItem, caption: str) -> str:
    """Background is what lasts 10 s or more and is called ambience, as FLAM's authors chose theirs."""
    is_long = item.duration_s is not None and item.duration_s >= BACKGROUND_S
    return "background" if is_long and any(word in caption.lower() for word in BACKGROUND_WORDS) else "event"


def write_strong_labels(corpus: Corpus, root: str | Path, items: Iterable[CorpusItem], path: str | Path) -> int:
    """Write the events of strongly labelled recordings in the format ``dcase``, their classes as prompts.

    Soft labels become events where at least half of the annotators agreed.

    Parameters
    ----------
    root : str | Path
        as it was given for ``items``; recordings are named by their path below ``corpus.home(root)``
    items : Iterable[CorpusItem]
        the recordings; those without a file, and those without strong labels, are left out
    path : str | Path
        the TSV file

    Returns
    -------
    int
        number of recordings written; 0, and no file, where the corpus has no strong labels

    Raises
    ------
    OutputError
        the file can't be written
    """
    home = corpus.home(root)
    strong = {
        item.path: RecordingEvents(item.path.relative_to(home).as_posix(), item.duration_s, _asked(corpus, item.events))
        for item in items
        if item.events is not None and os.path.isfile(item.path)
    }
    if strong:
        write_events(strong.values(), path, "dcase")
    return len(strong)


def _asked(corpus: Corpus, events: tuple[Event, ...]) -> tuple[Event, ...]:
    is_soft = any(event.max_score is not None for event in events)
    return tuple(
        replace(event, prompt=corpus.prompt(event.prompt)) for event in (harden(events) if is_soft else events)
    )
