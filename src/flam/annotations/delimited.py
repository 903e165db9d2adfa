"""Rows of quoted, delimited text, with the line each one starts on."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path

from flam.core import AnnotationError


def numbered_rows(text: str, path: Path, delimiter: str) -> Iterator[tuple[str, list[str]]]:
    """Yield (file and line for messages, cells) for each row that is not blank.

    Raises
    ------
    AnnotationError : a quote that never closes, or a cell too large

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

    >>> delimited_row(["rain, wind", "1"], ",")
    '"rain, wind",1\\n'
    """
    buffer = io.StringIO()
    # csv quotes a lone carriage return only where it is a part of the line terminator
    csv.writer(buffer, delimiter=delimiter, lineterminator="\r\n").writerow(cells)
    return buffer.getvalue().removesuffix("\r\n") + "\n"
