"""MAESTRO Real: recordings of 3 to 5 minutes in five everyday places, soft labels of 17 classes for each second."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from flam.annotations.parsing import by_onset
from flam.core import AnnotationError, Event
from flam.data.corpora.corpus import Corpus, CorpusItem, OnProblem
from flam.data.corpora.tables import classes_of, read_strong_file, read_table, readable

# the first eleven are those that the DCASE challenge scores
CLASSES = (
    "birds_singing",
    "car",
    "people talking",
    "footsteps",
    "children voices",
    "wind_blowing",
    "brakes_squeaking",
    "large_vehicle",
    "cutlery and dishes",
    "metro approaching",
    "metro leaving",
    "furniture dragging",
    "coffee machine",
    "door opens/closes",
    "announcement",
    "shopping cart",
    "cash register beeping",
)
PROMPTS = {
    "car": "car passing by",
    "children voices": "children's voices",
    "furniture dragging": "dragging furniture",
    "metro approaching": "metro train approaching",
    "metro leaving": "metro train leaving",
    "door opens/closes": "door opening or closing",
    "announcement": "loudspeaker announcement",
    "shopping cart": "shopping cart rattling",
}


def read(home: Path, split: str, on_problem: OnProblem) -> list[CorpusItem]:
    """``development_annotation/soft_labels_<place>/<name>.txt`` is of ``development_audio/<place>/<name>.wav``.

    Its rows are onset, offset, label and agreement in [0, 1], tabs between them and no header. What nobody heard,
    agreement 0, is no event. Folds are read from ``development_folds/fold<n>_test.csv`` of the challenge where present.
    """
    folds = _folds(home, on_problem)
    items = []
    paths = sorted((home / "development_annotation").glob("soft_labels_*/[!.]*.txt"))
    for path, events in readable(paths, lambda path: _heard(path, read_strong_file(path, n_cells=4)), on_problem):
        place = path.parent.name.removeprefix("soft_labels_")
        items.append(
            CorpusItem(
                recording=path.stem,
                path=home / "development_audio" / place / f"{path.stem}.wav",
                events=events,
                labels=classes_of(events),
                group=f"maestro:{path.stem}",
                fold=folds.get(f"{place}/{path.stem}", ""),
            )
        )
    return items


def _heard(path: Path, events: Iterable[Event]) -> tuple[Event, ...]:
    """Events of an agreement above 0; rounding in the published sums may lift it just above 1."""
    heard = []
    for event in events:
        if event.max_score is None or not 0 <= event.max_score < 1.001:
            raise AnnotationError(f"{path}: agreement {event.max_score} on {event.prompt!r} is not within 0 and 1")
        if event.max_score > 0:
            agreement = min(1.0, event.max_score)
            heard.append(replace(event, mean_score=agreement, max_score=agreement))
    return tuple(heard)


def _folds(home: Path, on_problem: OnProblem) -> dict[str, str]:
    folds: dict[str, str] = {}
    for path in sorted((home / "development_folds").glob("fold*_test.csv")):
        number = path.stem.removeprefix("fold").removesuffix("_test")
        folds |= {row["filename"]: number for row in read_table(path, ("filename",), on_problem)}
    return folds


def harden(events: Iterable[Event], least_agreement: float = 0.5) -> tuple[Event, ...]:
    """Turn soft labels into events: what enough annotators heard, seconds that touch joined.

    Parameters
    ----------
    events : Iterable[Event]
        soft labels, their agreement as score
    least_agreement : float, default 0.5
        share of the annotators, in [0, 1]

    Examples
    --------
    >>> soft = [Event(0.0, 1.0, "car", 0.6, 0.6), Event(1.0, 2.0, "car", 0.9, 0.9), Event(2.0, 3.0, "car", 0.1, 0.1)]
    >>> [(event.onset_s, event.offset_s) for event in harden(soft)]
    [(0.0, 2.0)]
    """
    joined: list[Event] = []
    last: dict[str, int] = {}
    for event in by_onset(events):
        if event.max_score is not None and event.max_score < least_agreement:
            continue
        place = last.get(event.prompt)
        if place is not None and joined[place].offset_s >= event.onset_s:
            joined[place] = replace(joined[place], offset_s=max(joined[place].offset_s, event.offset_s))
        else:
            last[event.prompt] = len(joined)
            joined.append(Event(event.onset_s, event.offset_s, event.prompt))
    return tuple(joined)


CORPUS = Corpus(
    name="MAESTRO Real",
    task="soft strong labels, each second",
    n_classes=len(CLASSES),
    hours="about 3",
    licence="non-commercial, Tampere University",
    where="https://zenodo.org/record/7244360",
    tables={"development": "development_annotation"},
    reader=read,
    class_reader=lambda home: CLASSES,
    prompts=PROMPTS,
    unverified="labels of the evaluation recordings, which were never found published",
)
