"""Rows of a table to events, whatever its delimiter, the order and names of its columns, and its decimal sign."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from flam.annotations.columns import Columns, require_label_column
from flam.annotations.format import ReadOptions
from flam.annotations.parsing import is_missing, is_number, parse_event, seconds
from flam.core import AnnotationError, Event

DCASE_HEADER = ("filename", "onset", "offset", "event_label")
TRACK_HEADER = ("onset", "offset", "label")

_NUMBER = r"[-+]?\d+(?:[.,]\d+)?(?:[eE][-+]?\d+)?"
_SPACED_TRACK = re.compile(rf"\s*({_NUMBER})[ \t]+({_NUMBER})(?:[ \t]+(.*))?")
_SPACED_LIST = re.compile(rf"\s*(\S+)[ \t]+({_NUMBER})[ \t]+({_NUMBER})[ \t]+(\S.*)")


def numbered_rows(text: str, path: Path, delimiter: str) -> Iterator[tuple[str, list[str]]]:
    """Yield (file and line for messages, cells) for each row that is not blank.

    Raises
    ------
    AnnotationError
        a quote that never closes, or a cell too large

    Examples
    --------
    >>> list(numbered_rows('a,b\\n\\n"c, d",e\\n', Path("x.csv"), ","))
    [('x.csv, line 1', ['a', 'b']), ('x.csv, line 3', ['c, d', 'e'])]
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for cells in reader:
            if cells:
                yield f"{path}, line {line}", cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise AnnotationError(f"{path}, line {line}: {error}; close the quotes of this row or double them") from None


def delimited_row(cells: Iterable[str], delimiter: str) -> str:
    """A row of text, cells quoted where they must be.

    Examples
    --------
    >>> delimited_row(["rain, wind", "1"], ",")
    '"rain, wind",1\\n'
    """
    buffer = io.StringIO()
    # csv quotes a lone carriage return only where it is a part of the line terminator
    csv.writer(buffer, delimiter=delimiter, lineterminator="\r\n").writerow(cells)
    return buffer.getvalue().removesuffix("\r\n") + "\n"


# What spreadsheets take for the beginning of a formula; a minus or plus before a number is none.
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_PLAIN_NUMBER = re.compile(r"[+-]?[0-9][0-9.,]*([eE][+-]?[0-9]+)?$")


def spreadsheet_safe(text: str) -> str:
    """A text cell that no spreadsheet computes: an apostrophe stands before what would begin a formula.

    ``spreadsheet_plain`` takes it away again, so that what is written is read back equal.

    Parameters
    ----------
    text : str
        Of a prompt, a recording or another name.

    Returns
    -------
    str
        The same text for all that do not begin with ``=``, ``+``, ``-``, ``@``, a tab or a carriage return.

    Examples
    --------
    >>> spreadsheet_safe("=cmd|calc!A0"), spreadsheet_safe("dog"), spreadsheet_safe("-3.5")
    ("'=cmd|calc!A0", 'dog', '-3.5')
    """
    return f"'{text}" if _FORMULA.match(text) and not _PLAIN_NUMBER.match(text) else text


def spreadsheet_plain(cell: str) -> str:
    """Undo ``spreadsheet_safe``.

    Parameters
    ----------
    cell : str
        As it was read.

    Returns
    -------
    str
        Without the apostrophe.

    Examples
    --------
    >>> spreadsheet_plain("'=1"), spreadsheet_plain("'tis"), spreadsheet_plain(spreadsheet_safe("''=1"))
    ('=1', "'tis", "''=1")
    """
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


class Layout(NamedTuple):
    """``delimiter`` is a space for columns that spaces part; ``header`` is the first row, or what it would be."""

    delimiter: str
    header: Sequence[str]
    has_header: bool


class Row(NamedTuple):
    """Where a row lies, the recording it names ("" for none), and its event."""

    where: str
    recording: str
    event: Event | None
    selection: str


def find_layout(text: str) -> Layout | None:
    """Tell how a table is laid out from its first line, None where that is no table of events.

    Examples
    --------
    >>> find_layout("0,5;1,25;owl"), find_layout("a.wav 0.5 1.25 owl").delimiter, find_layout("hello")
    (Layout(delimiter=';', header=('onset', 'offset', 'label'), has_header=False), ' ', None)
    """
    line = next((line for line in text.split("\n") if line.strip() and not line.startswith("\\")), "").rstrip("\r")
    for delimiter in "\t;,":
        cells = [cell.strip().strip('"') for cell in line.split(delimiter)]
        if Columns(cells).has_times:
            return Layout(delimiter, cells, True)
    for delimiter in "\t;,":
        cells = [cell.strip().strip('"') for cell in line.split(delimiter)]
        if len(cells) >= 2 and is_number(cells[0]) and is_number(cells[1]):
            return Layout(delimiter, TRACK_HEADER, False)
        if len(cells) >= 4 and is_number(cells[1]) and is_number(cells[2]):
            return Layout(delimiter, DCASE_HEADER, False)
    if _SPACED_TRACK.fullmatch(line):
        return Layout(" ", TRACK_HEADER, False)
    return Layout(" ", DCASE_HEADER, False) if _SPACED_LIST.fullmatch(line) else None


def track_cells(line: str) -> list[str]:
    """Onset, offset and label of a line without a header, parted by tabs, semicolons, commas or spaces."""
    for delimiter in "\t;,":
        cells = line.split(delimiter, maxsplit=2)
        if len(cells) >= 2 and is_number(cells[0]) and is_number(cells[1]):
            if delimiter == "," and len(cells) == 3 and re.match(r"\s*\d+,\s*\d", cells[2]):
                break  # 0,5,1,2,owl: nobody can tell which comma is which
            return cells
    spaced = _SPACED_TRACK.fullmatch(line)
    return list(spaced.groups("")) if spaced else line.split("\t", maxsplit=2)


def event_rows(
    rows: Iterator[tuple[str, list[str]]],
    columns: Columns,
    options: ReadOptions,
    complaint: Callable[[int], str | None] = lambda n_cells: None,
) -> Iterator[Row]:
    """Yield the events of rows under a header; a bad row is reported and skipped.

    Parameters
    ----------
    rows : iterator of (where, cells)
        Behind the header.
    columns : Columns
        What they hold.
    complaint : callable
        What is wrong with a row of so many cells, None for nothing.
    """
    while True:
        try:
            where, cells = next(rows)
            while len(cells) > len(columns.header) and not cells[-1].strip():
                cells.pop()  # commas at the end of a line
            wrong = complaint(len(cells))
            if wrong is not None:
                raise AnnotationError(f"{where}: {wrong}")
            row = _row(where, cells, columns)
        except StopIteration:
            return
        except AnnotationError as error:
            options.tell(error)
            continue
        yield row


def _row(where: str, cells: list[str], columns: Columns) -> Row:
    onset, offset, duration, label = (columns.cell(role, cells) for role in ("onset", "offset", "duration", "label"))
    recording, selection = columns.cell("recording", cells), columns.cell("selection", cells)
    if "recording" in columns.at and is_missing(recording):
        raise AnnotationError(f"{where}: names no recording; write its file name")
    if is_missing(onset) and is_missing(label) and (is_missing(offset) if "offset" in columns.at else True):
        return Row(where, recording, None, selection)
    if "label" not in columns.at:
        raise AnnotationError(f"{where}: has times but no column of labels; name the column that holds them")
    scores = [columns.cell(role, cells) for role in ("mean_score", "max_score", "probability")]
    scores = ["" if is_missing(score) else score for score in scores]
    if "offset" in columns.at:
        end: float | str = _scaled(where, "offset", offset, columns)
    else:
        end = seconds(where, "onset", onset) * columns.scale("onset") + seconds(
            where, "duration", duration
        ) * columns.scale("duration")
    begin = _scaled(where, "onset", onset, columns)
    event = parse_event(where, begin, end, label, *scores)
    file_offset = columns.cell("file_offset", cells)
    if not is_missing(file_offset):
        start_s = parse_event(where, file_offset, file_offset, "").onset_s
        # a decimal subtraction of two decimals read as binary leaves noise far below a microsecond
        event = parse_event(where, start_s, round(start_s + event.duration_s, 9), label, *scores)
    return Row(where, recording, event, selection)


def _scaled(where: str, role: str, value: str, columns: Columns) -> float | str:
    """The text itself, for messages to quote, unless its unit is another."""
    scale = columns.scale(role)
    return value if scale == 1.0 else seconds(where, role, value) * scale


def open_table(
    text: str, path: Path, layout: Layout, options: ReadOptions
) -> tuple[Columns, str, Iterator[tuple[str, list[str]]]]:
    """The columns of a table, where its header lies, and the rows behind that.

    Raises
    ------
    AnnotationError
        The column of labels that the user named is not there.
    """
    rows = _spaced_rows(text, path) if layout.delimiter == " " else numbered_rows(text, path, layout.delimiter)
    if not layout.has_header:
        return Columns(layout.header), f"{path}, line 1", rows
    where, header = next(rows, (f"{path}, line 1", []))
    columns = Columns(header, options.label_column)
    require_label_column(columns, options.label_column, where)
    return columns, where, rows


def _spaced_rows(text: str, path: Path) -> Iterator[tuple[str, list[str]]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            match = _SPACED_LIST.fullmatch(line.rstrip("\r"))
            yield f"{path}, line {number}", list(match.groups()) if match else line.split()
