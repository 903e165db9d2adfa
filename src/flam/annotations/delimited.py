"""Rows of quoted, delimited text, with the line each one starts on."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from flam.core import AnnotationError


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
_NUMBER = re.compile(r"[+-]?[0-9][0-9.,]*([eE][+-]?[0-9]+)?$")


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
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.match(text) else text


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
