"""Strong labels in tab-separated tables: one table for many recordings, or one without a header for each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from flam.annotations.parsing import by_onset, parse_event
from flam.core import AnnotationError, Event, read_text
from flam.data.corpora.corpus import CorpusError, OnProblem
from flam.data.corpora.tables import placed_rows, read_header

DCASE_COLUMNS = ("filename", "onset", "offset", "event_label")


def read_strong(
    path: Path,
    on_problem: OnProblem,
    columns: Sequence[str] = DCASE_COLUMNS,
    names: Mapping[str, str] | None = None,
) -> dict[str, tuple[Event, ...]]:
    """Read the events of many recordings, in the order of first appearance, each ordered by onset.

    A row of nothing but a recording's name is one without events. A recording with a row that can't be understood is
    left out, and so told.

    Parameters
    ----------
    columns : Sequence[str], optional
        what the header calls recording, onset, offset and label
    names : Mapping[str, str] | None, optional
        label in the table -> class name; None where they are the same

    Raises
    ------
    CorpusError
        the file can't be read, a quote in it never closes, or its header lacks a column

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "a.tsv")
    >>> _ = path.write_text("filename\\tonset\\toffset\\tevent_label\\na.wav\\t1.0\\t2.5\\tDog\\nb.wav\\t\\t\\t\\n")
    >>> events = read_strong(path, print)
    >>> events["a.wav"][0].prompt, events["b.wav"]
    ('Dog', ())
    """
    placed = placed_rows(read_text(path, CorpusError), path, "\t")
    header = read_header(placed, path, columns)
    place, *places = (header.index(column) for column in columns)
    found: dict[str, list[Event]] = {}
    bad: set[str] = set()
    for where, cells in placed:
        recording = cells[place].strip() if place < len(cells) else ""
        events = found.setdefault(recording, [])
        try:
            if len(cells) not in (1, len(header)):
                raise AnnotationError(f"{where}: {len(cells)} cells where {len(header)} are expected")
            fields = [cells[i].strip() for i in places] if len(cells) > 1 else []
            if any(fields):
                events.append(_event(where, fields, names))
        except AnnotationError as error:
            bad.add(recording)
            on_problem(f"{error}; {recording!r} is left out")
    return {recording: by_onset(events) for recording, events in found.items() if recording not in bad}


def read_strong_file(path: Path, n_cells: int) -> tuple[Event, ...]:
    """Read the events of one recording: onset, offset, label and, as a fourth cell, the annotators' agreement.

    Raises
    ------
    AnnotationError
        a row can't be understood
    CorpusError
        the file can't be read, or a quote in it never closes
    """
    events = []
    for where, cells in placed_rows(read_text(path, CorpusError), path, "\t"):
        if len(cells) != n_cells:
            raise AnnotationError(f"{where}: {len(cells)} cells where {n_cells} are expected")
        events.append(_event(where, [cell.strip() for cell in cells], None))
    return by_onset(events)


def readable(
    paths: Iterable[Path], read: Callable[[Path], tuple[Event, ...]], on_problem: OnProblem
) -> Iterator[tuple[Path, tuple[Event, ...]]]:
    """Each file of one recording with its events; a file that can't be understood is told and left out.

    Examples
    --------
    >>> told = []
    >>> list(readable([Path("gone.txt")], lambda path: read_strong_file(path, n_cells=3), told.append)), len(told)
    ([], 1)
    """
    for path in paths:
        try:
            events = read(path)
        except (AnnotationError, CorpusError) as error:
            on_problem(f"{error}; {path.stem!r} is left out")
            continue
        yield path, events


def _event(where: str, fields: Sequence[str], names: Mapping[str, str] | None) -> Event:
    onset, offset, label, *agreement = fields
    if not label:
        raise AnnotationError(f"{where}: an event without a label")
    if names is not None and label not in names:
        raise AnnotationError(f"{where}: label {label!r} has no name in the corpus' own table of names")
    score = agreement[0] if agreement else None
    return parse_event(where, onset, offset, label if names is None else names[label], score, score)


def classes_of(events: Iterable[Event]) -> tuple[str, ...]:
    """The labels of some events, each once, in order of first appearance.

    Examples
    --------
    >>> classes_of([Event(0.0, 1.0, "Dog"), Event(1.0, 2.0, "Cat"), Event(3.0, 4.0, "Dog")])
    ('Dog', 'Cat')
    """
    return tuple(dict.fromkeys(event.prompt for event in events))
