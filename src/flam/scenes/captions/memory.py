"""Answers of language models on disk, so that none is asked for twice, whenever a run is stopped."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from pathlib import Path
from types import TracebackType

from flam.core import ConfigError, OutputError


class AnswerMemory:
    """A file of answers, each written at once and whole.

    Parameters
    ----------
    path : str | Path
        is made where it does not exist; ``:memory:`` keeps nothing

    Raises
    ------
    ConfigError
        the file is something else, or can't be opened

    Examples
    --------
    >>> with AnswerMemory(":memory:") as memory:
    ...     key = answer_key("some-model", "prompt", "label: siren")
    ...     memory.keep(key, "a siren wailing")
    ...     memory.recall(key), memory.recall("another")
    ('a siren wailing', None)
    """

    def __init__(self, path: str | Path):
        self._path = path
        try:
            self._connection = sqlite3.connect(path, timeout=60.0, isolation_level=None)
            self._connection.execute("CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer TEXT NOT NULL)")
        except sqlite3.Error as error:
            raise ConfigError(f"{path}: can't be used as a memory of answers ({error}); name another file") from error

    def __enter__(self) -> AnswerMemory:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._connection.close()

    def recall(self, key: str) -> str | None:
        """The answer kept under a key."""
        row = self._connection.execute("SELECT answer FROM answers WHERE key = ?", (key,)).fetchone()
        return None if row is None else row[0]

    def keep(self, key: str, answer: str) -> None:
        """Keep an answer.

        Raises
        ------
        OutputError
            it can't be written
        """
        try:
            self._connection.execute("INSERT OR REPLACE INTO answers VALUES (?, ?)", (key, answer))
        except sqlite3.Error as error:
            raise OutputError(f"{self._path}: can't be written ({error}); make space") from error


def answer_key(*parts: str) -> str:
    """A key that differs whenever model, prompt, settings or question do."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
