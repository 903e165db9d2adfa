"""Tables of corpora: one row per recording, or strong labels, with the place of each row for messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flam.annotations.parsing import by_onset, is_missing, parse_event
from flam.annotations.rows import numbered_rows
from flam.core import AnnotationError, Event, read_text
from flam.data.corpora.corpus import CorpusError, OnProblem

DCASE_COLUMNS = ("filename", "onset", "offset", "event_label")


@dataclass(frozen=True)
class CorpusRow:
    """Cells by column name, and the file and line they were read from."""

    where: str
    cells: dict[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells[column]


def read_table(
    path: Path,
    columns: Sequence[str],
    on_problem: OnProblem,
    delimiter: str = ",",
    has_header: bool = True,
    keeps_spaces: bool = False,
) -> list[CorpusRow]:
    """Read a table, leaving out rows with too few or too many cells.

    Parameters
    ----------
    path : Path
        a UTF-8 file
    columns : Sequence[str]
        the columns that are needed; without a header, all columns in order
    on_problem : OnProblem
        called with a line for each row that is skipped
    keeps_spaces : bool, default False
        whether spaces at both ends of a cell are a part of it

    Raises
    ------
    CorpusError
        the file can't be read, a quote in it never closes, or its header lacks a column

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "a.csv")
    >>> _ = path.write_text('id,caption\\n7,"A dog, far away"\\n')
    >>> read_table(path, ["caption"], print)[0]["caption"]
    'A dog, far away'
    """
    placed = placed_rows(read_text(path, CorpusError), path, delimiter)
    return rows_of(placed, path, columns, on_problem, has_header, keeps_spaces)


def rows_of(
    placed: Iterator[tuple[str, list[str]]],
    path: Path,
    columns: Sequence[str],
    on_problem: OnProblem,
    has_header: bool = True,
    keeps_spaces: bool = False,
) -> list[CorpusRow]:
    """As ``read_table``, from rows that were cut already."""
    header = read_header(placed, path, columns) if has_header else list(columns)
    rows = []
    for where, cells in placed:
        if len(cells) == len(header):
            kept = cells if keeps_spaces else [cell.strip() for cell in cells]
            rows.append(CorpusRow(where, dict(zip(header, kept, strict=True))))
        else:
            on_problem(f"{where}: {len(cells)} cells where {len(header)} are expected ({', '.join(header)})")
    return rows


def placed_rows(text: str, path: Path, delimiter: str) -> Iterator[tuple[str, list[str]]]:
    """Yield (file and line, cells) for each row that is not blank.

    Raises
    ------
    CorpusError
        a quote that never closes
    """
    try:
        yield from numbered_rows(text, path, delimiter)
    except AnnotationError as error:
        raise CorpusError(str(error)) from error


def read_header(placed: Iterator[tuple[str, list[str]]], path: Path, columns: Sequence[str]) -> list[str]:
    """Take the first row and require columns of it.

    Raises
    ------
    CorpusError
        there is no row, or a column is missing
    """
    where, cells = next(placed, (str(path), []))
    header = [cell.strip() for cell in cells]
    for column in columns:
        if column not in header:
            found = f"only {', '.join(header)[:200]}" if header else "nothing at all"
            raise CorpusError(f"{where}: the header has no column {column!r}, {found}; get the published file again")
    return header


def number_of(row: CorpusRow, column: str, on_problem: OnProblem) -> float | None:
    """A finite number of at least 0 in a row; None, and told, where there is none.

    Examples
    --------
    >>> number_of(CorpusRow("a.csv, line 2", {"start": "30"}), "start", print)
    30.0
    >>> number_of(CorpusRow("a.csv, line 3", {"start": "soon"}), "start", print)
    a.csv, line 3: start 'soon' is not a number of at least 0; the row is left out
    """
    try:
        value = float(row[column])
    except ValueError:
        value = -1.0
    if 0 <= value < float("inf"):
        return value
    on_problem(f"{row.where}: {column} {row[column]!r} is not a number of at least 0; the row is left out")
    return None


def read_strong(
    path: Path,
    on_problem: OnProblem,
    columns: Sequence[str] = DCASE_COLUMNS,
    names: Mapping[str, str] | None = None,
) -> dict[str, tuple[Event, ...]]:
    """Read the events of many recordings, in the order of first appearance, each ordered by onset.

    A row of nothing but a recording's name, or with NaN or the like in the other cells, is one without events. A
    recording with a row that can't be understood is left out, and so told.

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
    >>> _ = path.write_text("filename\\tonset\\toffset\\tevent_label\\na.wav\\t1.0\\t2.5\\tDog\\nb.wav\\tNaN\\t\\t\\n")
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
            if not all(map(is_missing, fields)):
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
        fields = [cell.strip() for cell in cells]
        if not all(map(is_missing, fields)):
            events.append(_event(where, fields, None))
    return by_onset(events)


def readable(
    paths: Iterable[Path], read: Callable[[Path], tuple[Event, ...]], on_problem: OnProblem
) -> Iterator[tuple[Path, tuple[Event, ...]]]:
    """Each file of one recording with its events; a file that can't be understood is reported and skipped.

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
    if is_missing(label):
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
