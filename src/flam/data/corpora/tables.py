"""Tables of one row per recording, as corpora publish them, with the place of each row for messages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from flam.annotations.delimited import numbered_rows
from flam.core import AnnotationError, read_text
from flam.data.corpora.corpus import CorpusError, OnProblem


@dataclass(frozen=True)
class Row:
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
) -> list[Row]:
    """Read a table, leaving out rows with too few or too many cells.

    Parameters
    ----------
    path : Path
        a UTF-8 file
    columns : Sequence[str]
        the columns that are needed; without a header, all columns in order
    on_problem : OnProblem
        told of each row that is left out
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
) -> list[Row]:
    """As ``read_table``, from rows that were cut already."""
    header = read_header(placed, path, columns) if has_header else list(columns)
    rows = []
    for where, cells in placed:
        if len(cells) == len(header):
            kept = cells if keeps_spaces else [cell.strip() for cell in cells]
            rows.append(Row(where, dict(zip(header, kept, strict=True))))
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


def number_of(row: Row, column: str, on_problem: OnProblem) -> float | None:
    """A finite number of at least 0 in a row; None, and told, where there is none.

    Examples
    --------
    >>> number_of(Row("a.csv, line 2", {"start": "30"}), "start", print)
    30.0
    >>> number_of(Row("a.csv, line 3", {"start": "soon"}), "start", print)
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
