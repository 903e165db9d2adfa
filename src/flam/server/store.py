"""The recordings a server holds: uploads on disk, files under allowed folders, and what was derived from them."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from flam.core import TimeGrid, file_sha256
from flam.server.errors import NotFound, TooBusy

State = Literal["waiting", "running", "ready", "failed", "cancelled"]
# Of a recording's timeline: loudness for the waveform, and columns of the spectrogram.
PEAKS_PER_S = 200
COLUMNS_PER_S = 50
N_ROWS = 96


class Series:
    """Rows of one type in a file: appended by one thread, read by any.

    Parameters
    ----------
    path : Path
        The file, which appears with the first rows.
    dtype : type
        Of the values.
    n_columns : int or None
        Values of a row; None takes it from the first rows.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     series = Series(Path(folder, "power"), np.float32, 1)
    ...     series.append(np.arange(5, dtype=np.float32)[:, None])
    ...     len(series), series.read(1, 3)[:, 0].tolist()
    (5, [1.0, 2.0])
    """

    def __init__(self, path: Path, dtype: type[np.generic], n_columns: int | None = None):
        self._path, self._dtype = path, np.dtype(dtype)
        self.n_columns = n_columns
        self._n_rows = 0

    def __len__(self) -> int:
        return self._n_rows

    def append(self, rows: np.ndarray) -> None:
        """Add rows, which are visible to readers once this returns."""
        if self.n_columns is None:
            self.n_columns = rows.shape[1]
        with open(self._path, "ab") as file:
            file.write(np.ascontiguousarray(rows, self._dtype).tobytes())
        self._n_rows += len(rows)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Rows from ``start`` to before ``stop``, fewer where the series ends.

        Returns
        -------
        numpy.ndarray
            (n, n_columns).
        """
        n_columns = self.n_columns or 1
        n_rows = max(0, min(stop, self._n_rows) - start)
        if n_rows == 0:
            return np.zeros((0, n_columns), self._dtype)
        offset = start * n_columns * self._dtype.itemsize
        values = np.fromfile(self._path, self._dtype, n_rows * n_columns, offset=offset)
        return values.reshape(n_rows, n_columns)

    def pooled(self, start: int, n_groups: int, size: int) -> np.ndarray:
        """Rows joined in groups: ``n_groups`` rows, each the maximum of ``size`` neighbours.

        Returns
        -------
        numpy.ndarray
            (n, n_columns), n at most ``n_groups``; the last group may hold fewer rows.
        """
        rows = self.read(start, start + n_groups * size)
        if size == 1 or len(rows) == 0:
            return rows
        return np.maximum.reduceat(rows, np.arange(0, len(rows), size), axis=0)


@dataclass(eq=False)
class StoredRecording:
    """A recording and its analysis, which grows on disk while it runs.

    Parameters
    ----------
    id : str
        Hash of the file's content.
    name : str
        What the client called it; shown, never opened.
    path : Path
        The audio itself.
    folder : Path
        Where the analysis lies; removed with the recording.
    is_upload : bool
        Whether ``path`` belongs to the server and goes with the recording.

    Attributes
    ----------
    features, power, peaks, spectrogram : Series
        (T, D) float32, (T,) float32, (P, 2) int8 and (C, N_ROWS) uint8: what the timeline is drawn from.
    grid : TimeGrid or None
        Time axis of features and power.
    n_covered_samples : int
        Samples at the grid's rate that the features cover.
    n_samples : int
        Samples at the recording's own rate: stated by the header until the analysis has counted them.
    """

    id: str
    name: str
    path: Path
    folder: Path
    is_upload: bool
    state: State = "waiting"
    error: str | None = None
    problems: list[str] = field(default_factory=list)
    grid: TimeGrid | None = None
    sample_rate: int = 0
    n_samples: int = 0
    n_covered_samples: int = 0
    column_s: float = 1 / COLUMNS_PER_S
    peak_s: float = 1 / PEAKS_PER_S
    cancel: threading.Event = field(default_factory=threading.Event)
    used_at: float = field(default_factory=time.monotonic)
    n_users: int = 0

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.features = Series(self.folder / "features", np.float32)
        self.power = Series(self.folder / "power", np.float32)
        self.peaks = Series(self.folder / "peaks", np.int8, 2)
        self.spectrogram = Series(self.folder / "spectrogram", np.uint8, N_ROWS)
        self.lock = threading.Lock()

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will be added."""
        return self.state in ("ready", "failed", "cancelled")

    @property
    def duration_s(self) -> float:
        """Length in seconds, as far as it is known."""
        return self.n_samples / self.sample_rate if self.sample_rate else 0.0

    @property
    def analysed_s(self) -> float:
        """End of the last analysed frame, seconds."""
        return self.n_covered_samples / self.grid.sample_rate if self.grid else 0.0

    def n_bytes(self) -> int:
        """Disk space that goes when the recording goes."""
        own = [path.stat().st_size for path in self.folder.iterdir() if path.is_file()] if self.folder.is_dir() else []
        return sum(own)


class RecordingStore:
    """Recordings by id, in a private folder that is removed when the server stops.

    Parameters
    ----------
    max_bytes : int
        Disk space; whatever was used least recently is removed to stay below.
    idle_s : float
        Recordings unused for so long are removed by ``sweep``.
    """

    def __init__(self, max_bytes: int, idle_s: float):
        self.folder = Path(tempfile.mkdtemp(prefix="flam-serve-"))  # mode 0700
        self._max_bytes, self._idle_s = max_bytes, idle_s
        self._recordings: OrderedDict[str, StoredRecording] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._recordings)

    def __iter__(self):
        with self._lock:
            return iter(list(self._recordings.values()))

    def add(self, id: str, name: str, path: Path, is_upload: bool) -> tuple[StoredRecording, bool]:
        """Store a recording, or find the one with the same content.

        An upload is moved into the store.

        Returns
        -------
        tuple
            The recording, and whether it is new.
        """
        with self._lock:
            known = self._recordings.get(id)
            if known is not None and known.state not in ("failed", "cancelled"):
                self._recordings.move_to_end(id)
                known.used_at = time.monotonic()
                if is_upload:
                    path.unlink(missing_ok=True)
                return known, False
            if known is not None:
                self._drop(known)
            folder = self.folder / f"{id}-{time.monotonic_ns()}"
            folder.mkdir()
            if is_upload:
                kept = folder / f"audio{path.suffix}"
                path.rename(kept)
                path = kept
            recording = StoredRecording(id, name, path, folder, is_upload)
            self._recordings[id] = recording
        self.sweep()
        return recording, True

    def get(self, id: str) -> StoredRecording:
        """The recording with an id.

        Raises
        ------
        NotFound
            No such recording, or it was removed.
        """
        with self._lock:
            recording = self._recordings.get(id)
            if recording is None:
                raise NotFound(f"recording {id!r} is not here, or was removed after a time without use; send it again")
            recording.used_at = time.monotonic()
            self._recordings.move_to_end(id)
            return recording

    def remove(self, id: str) -> None:
        """Cancel the analysis of a recording and delete everything of it; an original under a root stays."""
        recording = self.get(id)
        with self._lock:
            self._drop(recording)

    def discard(self, recording: StoredRecording) -> None:
        """Remove a recording that may be gone already."""
        with self._lock:
            if self._recordings.get(recording.id) is recording:
                self._drop(recording)

    def sweep(self) -> None:
        """Remove what was idle for too long, then the least recently used until the rest fits."""
        now = time.monotonic()
        with self._lock:
            free = [item for item in self._recordings.values() if item.is_finished and not item.n_users]
            total = sum(item.n_bytes() for item in self._recordings.values())
            for item in free:
                if total > self._max_bytes or now - item.used_at > self._idle_s:
                    total -= item.n_bytes()
                    self._drop(item)

    def require_space(self, n_bytes: int) -> None:
        """Refuse an upload that the disk can't hold.

        Raises
        ------
        TooBusy
            Less than the upload and a reserve is free.
        """
        if shutil.disk_usage(self.folder).free < n_bytes + 500_000_000:
            raise TooBusy("the server's disk is full; try again later, or send a smaller recording")

    def close(self) -> None:
        """Cancel everything and remove the folder."""
        with self._lock:
            for recording in list(self._recordings.values()):
                self._drop(recording)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _drop(self, recording: StoredRecording) -> None:
        recording.cancel.set()
        self._recordings.pop(recording.id, None)
        shutil.rmtree(recording.folder, ignore_errors=True)


def content_id(path: Path) -> str:
    """Hash of a file's content, as text.

    Examples
    --------
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     content_id(Path(file.name))
    'e3b0c44298fc1c149afbf4c8996fb924'
    """
    return file_sha256(path)[:32]
