"""The catalogue of an archive: which recordings it holds and where their frames lie, in one SQLite file.

A segment counts once a transaction here names it, so that a reader sees a recording whole or not at all, however a
writer ended. SQLite's write-ahead log lets any number of searches read while one build writes.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from flam.core import FlamError, OutputError, TimeGrid, from_mapping, to_mapping
from flam.search.codec import Form
from flam.search.recordings import Recording

FILE_NAME = "catalogue.sqlite"
FORMAT = "flam-archive-1"
BUSY_S = 60.0
COLUMNS = tuple(field.name for field in fields(Recording))  # the path first, the problems last
NO_PROBLEMS = "[]"
# a path is what the system says it is, which need not be text
SCHEMA = """
CREATE TABLE settings (value TEXT NOT NULL);
CREATE TABLE segments (segment INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, n_frames INTEGER NOT NULL);
CREATE TABLE recordings (
    path BLOB PRIMARY KEY, size_bytes INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, content_hash TEXT NOT NULL,
    start_time TEXT, sample_rate INTEGER NOT NULL, n_samples INTEGER NOT NULL, first_frame INTEGER NOT NULL,
    n_frames INTEGER NOT NULL, clip_row INTEGER NOT NULL, problems TEXT NOT NULL,
    segment INTEGER NOT NULL REFERENCES segments
);
CREATE INDEX recordings_of_segment ON recordings (segment);
"""


@dataclass(frozen=True)
class ArchiveSettings:
    """What is the same for all of an archive, settled when it is made.

    Parameters
    ----------
    model : str
        Name or folder of the model.
    model_id : str
        What the model's files hold; features of two models can't be compared.
    sample_rate, hop_samples : int
        The model's time axis.
    form : {"exact", "compact", "tiny"}
        How frames are stored.
    overlap : float
        Share of a window that it has in common with the next, as in ``DetectionConfig``.
    format : str
        Version of this layout.
    """

    model: str
    model_id: str
    sample_rate: int
    hop_samples: int
    form: Form
    overlap: float
    format: str = FORMAT

    @property
    def grid(self) -> TimeGrid:
        """The time axis of the frames."""
        return TimeGrid(self.sample_rate, self.hop_samples)


@dataclass(frozen=True)
class Contents:
    """An archive at one moment.

    Parameters
    ----------
    segments : dict of int to str
        Folder names by number; a higher number is newer.
    segment_frames : dict of int to int
        Frames of each, those of recordings that are gone included.
    recordings : dict of int to list of Recording
        By segment, ordered by first frame.
    """

    segments: dict[int, str]
    segment_frames: dict[int, int]
    recordings: dict[int, list[Recording]]


class Catalogue:
    """An open catalogue.

    Parameters
    ----------
    path : Path
        The file.
    connection : sqlite3.Connection
        To it; ``create``, ``open`` and ``read`` make one.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection):
        self.path = path
        self._connection = connection

    def __enter__(self) -> Catalogue:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    @staticmethod
    def create(path: Path, settings: ArchiveSettings) -> Catalogue:
        """Make a new, empty catalogue.

        Raises
        ------
        OutputError
            It can't be written.
        """
        catalogue = Catalogue(path, _connect(path, "rwc"))
        with catalogue._transaction() as cursor:
            for statement in SCHEMA.split(";"):
                cursor.execute(statement)
            cursor.execute("INSERT INTO settings VALUES (?)", (json.dumps(to_mapping(settings)),))
        with _errors(path):  # the file is whole without its log, or a full disk is reported now
            catalogue._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return catalogue

    @staticmethod
    def open(path: Path, write: bool = False) -> Catalogue:
        """Open a catalogue, for reading where nothing else is said.

        Raises
        ------
        FlamError
            There is none, or it is damaged.
        """
        if not path.is_file():
            if (path.parent / "segments").is_dir():
                raise FlamError(lost_catalogue(path))
            raise FlamError(f"{path.parent}: no archive; make one with: flam index build FOLDER -o {path.parent}")
        return Catalogue(path, _connect(path, "rw" if write else "ro"))

    def settings(self) -> ArchiveSettings:
        """What is the same for all of the archive.

        Raises
        ------
        FlamError
            The catalogue is damaged, or of a version that this program does not know.
        """
        with _errors(self.path):
            row = self._connection.execute("SELECT value FROM settings").fetchone()
        stored = json.loads(row[0]) if row is not None else {}
        if stored.get("format") != FORMAT:
            raise FlamError(
                f"{self.path}: format {stored.get('format')!r} is not {FORMAT!r}; read it with the version of flam "
                "that made it, or build the archive again"
            )
        return from_mapping(ArchiveSettings, stored, str(self.path))

    def move_model(self, model: str) -> None:
        """Write down where the archive's model lies now."""
        settings = replace(self.settings(), model=model)
        with self._transaction() as cursor:
            cursor.execute("UPDATE settings SET value = ?", (json.dumps(to_mapping(settings)),))

    def contents(self) -> Contents:
        """All segments and recordings, as of one moment."""
        with _errors(self.path), self._connection:
            self._connection.execute("BEGIN")
            rows = self._connection.execute("SELECT segment, name, n_frames FROM segments ORDER BY segment").fetchall()
            columns = ", ".join(COLUMNS)
            found = self._connection.execute(
                f"SELECT segment, {columns} FROM recordings ORDER BY segment, first_frame"
            ).fetchall()
        recordings: dict[int, list[Recording]] = {segment: [] for segment, _, _ in rows}
        for segment, *values in found:
            recordings[segment].append(_recording(values))
        return Contents(
            {segment: name for segment, name, _ in rows}, {segment: n for segment, _, n in rows}, recordings
        )

    def n_segments_below(self, n_frames: int) -> int:
        """How many segments have fewer frames."""
        with _errors(self.path):
            row = self._connection.execute("SELECT count(*) FROM segments WHERE n_frames < ?", (n_frames,)).fetchone()
        return row[0]

    def add_segment(
        self, name: str, n_frames: int, recordings: Iterable[Recording], replaced: Iterable[int] = ()
    ) -> None:
        """Make a finished segment count, in place of earlier rows of its recordings and of whole segments.

        Parameters
        ----------
        name : str
            Of its folder.
        n_frames : int
            All its frames.
        recordings : iterable of Recording
            What it holds.
        replaced : iterable of int
            Numbers of segments that are no longer needed.
        """
        with self._transaction() as cursor:
            for old in replaced:
                cursor.execute("DELETE FROM recordings WHERE segment = ?", (old,))
                cursor.execute("DELETE FROM segments WHERE segment = ?", (old,))
            cursor.execute("INSERT INTO segments (name, n_frames) VALUES (?, ?)", (name, n_frames))
            segment = cursor.lastrowid
            places = ", ".join("?" * (len(COLUMNS) + 1))
            cursor.executemany(
                f"INSERT OR REPLACE INTO recordings ({', '.join(COLUMNS)}, segment) VALUES ({places})",
                [(*_values(recording), segment) for recording in recordings],
            )

    def drop_segments(self, segments: Iterable[int]) -> None:
        """Take out whole segments with their recordings."""
        with self._transaction() as cursor:
            for segment in segments:
                cursor.execute("DELETE FROM recordings WHERE segment = ?", (segment,))
                cursor.execute("DELETE FROM segments WHERE segment = ?", (segment,))

    def update_recordings(self, gone: Iterable[str] = (), touched: Iterable[tuple[str, Recording]] = ()) -> None:
        """Take out recordings that are gone, and write down what became of files that hold the same sound still.

        Parameters
        ----------
        gone : iterable of str
            Paths; their frames stay in their segments until those are compacted.
        touched : iterable of (str, Recording)
            Path until now, and path, time of change and start time from now on.
        """
        with self._transaction() as cursor:
            cursor.executemany("DELETE FROM recordings WHERE path = ?", [(os.fsencode(path),) for path in gone])
            cursor.executemany(
                "UPDATE OR REPLACE recordings SET path = ?, mtime_ns = ?, start_time = ? WHERE path = ?",
                [(os.fsencode(now.path), now.mtime_ns, now.start_time, os.fsencode(before)) for before, now in touched],
            )

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Cursor]:
        with _errors(self.path):
            cursor = self._connection.cursor()
            cursor.execute("BEGIN IMMEDIATE")
            try:
                yield cursor
            except BaseException:
                self._connection.rollback()
                raise
            self._connection.commit()


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    location = f"{path.resolve().as_uri()}?mode={mode}"
    with _errors(path):
        connection = sqlite3.connect(location, uri=True, timeout=BUSY_S, isolation_level=None)
        try:
            if mode != "ro":
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError as error:
            connection.close()
            if mode != "ro" or not any(reason in str(error) for reason in ("unable to open", "readonly")):
                raise
            # a medium that can't be written has no room for the log's index, and nobody changes what is on it
            connection = sqlite3.connect(f"{location}&immutable=1", uri=True, isolation_level=None)
        except sqlite3.DatabaseError:
            connection.close()
            raise
    return connection


def _values(recording: Recording) -> tuple[object, ...]:
    fields = {**asdict(recording), "path": os.fsencode(recording.path), "problems": json.dumps(recording.problems)}
    return tuple(fields.values())


def _recording(values: list) -> Recording:
    path, *facts, problems = values
    told = () if problems == NO_PROBLEMS else tuple(json.loads(problems))
    return Recording(*[os.fsdecode(path), *facts, told])


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        reason = str(error)
        if "full" in reason or "readonly" in reason or "unable to open" in reason or "disk I/O" in reason:
            raise OutputError(
                f"{path}: can't be written ({reason}); check its permissions and that the disk has space"
            ) from error
        if "locked" in reason:
            raise OutputError(f"{path}: in use by another program ({reason}); try again when it is done") from error
        raise _damaged(path, reason) from error
    except (sqlite3.DatabaseError, json.JSONDecodeError) as error:
        raise _damaged(path, str(error)) from error


def lost_catalogue(path: Path) -> str:
    """What to say where segments lie without a catalogue."""
    return f"{path}: is lost; flam index verify {path.parent} --repair makes it again from the segments"


def _damaged(path: Path, reason: str) -> FlamError:
    return FlamError(
        f"{path}: damaged catalogue ({reason}); flam index verify {path.parent} --repair makes it again from the "
        "segments"
    )
