"""How to read an event list: whether one bad row ends it, and which column holds the labels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from flam.core import AnnotationError

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class ReadOptions:
    """Options of ``flam.annotations.read_events``.

    Parameters
    ----------
    on_problem : callable, optional
        Told, in one line, of each row that is left out; None lets the first one raise.
    on_note : callable
        Told, in one line, what was assumed.
    label_column : str, optional
        Name of the column that holds the labels; None for the usual names.
    """

    on_problem: Callable[[str], None] | None = None
    on_note: Callable[[str], None] = lambda line: None
    label_column: str | None = None

    def tell(self, error: AnnotationError) -> None:
        """Tell of a row that is left out, or raise."""
        if self.on_problem is None:
            raise error
        self.on_problem(f"{error}; it is left out")

    def kept(self, parse: Callable[[int, Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Yield what ``parse(number, item)`` makes of each item, numbered from 1, leaving out bad ones."""
        for number, item in enumerate(items, start=1):
            try:
                result = parse(number, item)
            except AnnotationError as error:
                self.tell(error)
                continue
            yield result


STRICT = ReadOptions()
