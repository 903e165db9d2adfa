"""A segment: the frames of whole recordings in a few flat files that never change once the folder has its name."""

from __future__ import annotations

import json
import mmap
import os
import shutil
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from flam.core import ConfigError, FlamError, from_mapping, parse_json, read_text
from flam.search.codec import PREFIX_BYTES, Codec, StoredFrames
from flam.search.recordings import Recording

HEADER = "segment.json"
RECORDINGS = "recordings.json"
FORMAT = "flam-segment-2"
COPY_BYTES = 1 << 22
LEVEL_DTYPE = np.dtype(np.float16)
LOWEST_DB = -200.0


@dataclass(frozen=True)
class SegmentHeader:
    """What the small file beside the arrays of a segment says.

    Parameters
    ----------
    model_id : str
        Of the model that made the features.
    form : str
        How they are stored.
    dim : int
        Size of the features, D.
    n_frames : int
        Rows of the arrays.
    prefix_error, coarse_error, code_norm : float
        Bounds for pruning, see ``Codec``.
    checksums : dict of str to int
        CRC-32 of each file.
    n_recordings : int
        How many recordings it holds. ``read_recordings`` tells which, so that a lost catalogue can be made again; a
        search has no use for them.
    settings : dict
        Of the archive, for the same reason.
    format : str
        Version of this layout.
    """

    model_id: str
    form: str
    dim: int
    n_frames: int
    prefix_error: float
    coarse_error: float
    code_norm: float
    checksums: dict[str, int]
    n_recordings: int
    settings: dict[str, Any] = field(default_factory=dict)
    format: str = FORMAT


def array_files(codec: Codec) -> dict[str, tuple[np.dtype, int]]:
    """The files with one row per frame: type and values of a row."""
    files: dict[str, tuple[np.dtype, int]] = {
        "prefix.u8": (np.dtype(np.uint8), PREFIX_BYTES),
        "level.f16": (LEVEL_DTYPE, 1),
    }
    if codec.n_more:
        files["more.i8"] = (np.dtype(np.int8), codec.n_more)
    if codec.detail_width:
        name = "vectors.f16" if codec.form == "exact" else "detail.i8"
        files[name] = (codec.detail_dtype, codec.detail_width)
    return files


CLIPS = "clips.f32"


class SegmentWriter:
    """Collects recordings in a folder; ``finish`` gives them their checksums and forces them to the disk.

    Recordings are written one after the other: ``append`` the frames of one, then ``end_recording``.

    Parameters
    ----------
    folder : Path
        Made here; must not exist.
    codec : Codec
        Stores the features.
    model_id : str
        Of the model that makes the features.
    settings : dict, optional
        Of the archive, to be kept in the header.

    Raises
    ------
    OSError
        The folder can't be made.
    """

    def __init__(self, folder: Path, codec: Codec, model_id: str, settings: dict[str, Any] | None = None):
        folder.mkdir(parents=True)
        self.folder, self.codec, self.model_id = folder, codec, model_id
        self._settings = {} if settings is None else settings
        self._files = {name: (folder / name).open("xb") for name in (*array_files(codec), CLIPS, RECORDINGS)}
        self._checksums = dict.fromkeys(self._files, 0)
        self._prefix_error = self._coarse_error = self._code_norm = 0.0
        self._first_frame = self.n_frames = 0
        self.recordings: list[Recording] = []

    def append(self, features: np.ndarray, power: np.ndarray) -> None:
        """Add frames to the recording that is being written.

        Parameters
        ----------
        features : numpy.ndarray
            (T, D) float32, of length 1.
        power : numpy.ndarray
            (T,) mean square of each frame, full scale 1.0.
        """
        level_db = 10 * np.log10(np.maximum(power, 10 ** (LOWEST_DB / 10)))
        self.append_stored(self.codec.encode(features), level_db.astype(LEVEL_DTYPE))

    def append_stored(self, stored: StoredFrames, level_db: np.ndarray) -> None:
        """Add frames that are in their stored form already."""
        self._prefix_error = max(self._prefix_error, self.codec.prefix_error(stored))
        self._coarse_error = max(self._coarse_error, self.codec.coarse_error(stored))
        self._code_norm = max(self._code_norm, self.codec.code_norm(stored))
        arrays = {"prefix.u8": stored.prefix, "level.f16": level_db, "more.i8": stored.more}
        for name in array_files(self.codec):
            self._write(name, arrays.get(name, stored.detail))
        self.n_frames += len(stored.prefix)

    def end_recording(self, recording: Recording, audio_features: np.ndarray) -> Recording:
        """Close the recording whose frames were appended last.

        Parameters
        ----------
        recording : Recording
            What is known of it; its place is set here.
        audio_features : numpy.ndarray
            (D,) vector of the whole recording.
        """
        self._write(CLIPS, np.asarray(audio_features, np.float32))
        placed = replace(
            recording,
            first_frame=self._first_frame,
            n_frames=self.n_frames - self._first_frame,
            clip_row=len(self.recordings),
        )
        self.recordings.append(placed)
        self._first_frame = self.n_frames
        return placed

    def copy_recording(self, source: Segment, recording: Recording) -> Recording:
        """Add a recording of another segment of the same form."""
        for rows in recording_slices(recording):
            self.append_stored(source.stored(rows), source.level_db[rows])
        return self.end_recording(recording, source.clips[recording.clip_row])

    def finish(self, sync: bool = True) -> SegmentHeader:
        """Write the header, and force everything to the disk where that is wanted.

        Raises
        ------
        OSError
            The disk is full, or fails.
        """
        rows = json.dumps([asdict(recording) for recording in self.recordings]).encode()
        self._files[RECORDINGS].write(rows)
        self._checksums[RECORDINGS] = zlib.crc32(rows)
        for file in self._files.values():
            _close(file, sync)
        header = SegmentHeader(
            self.model_id,
            self.codec.form,
            self.codec.axes.dim,
            self.n_frames,
            self._prefix_error,
            self._coarse_error,
            self._code_norm,
            self._checksums,
            len(self.recordings),
            self._settings,
        )
        file = (self.folder / HEADER).open("xb")
        file.write(json.dumps(asdict(header)).encode())
        _close(file, sync)
        if sync:
            sync_folder(self.folder)
        return header

    def discard(self) -> None:
        """Throw away what was written."""
        for file in self._files.values():
            file.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _write(self, name: str, values: np.ndarray) -> None:
        content = np.ascontiguousarray(values).reshape(-1).view(np.uint8).data
        self._checksums[name] = zlib.crc32(content, self._checksums[name])
        self._files[name].write(content)


class Segment:
    """A finished segment, its arrays mapped into memory.

    Parameters
    ----------
    folder : Path
        Where it lies.
    codec : Codec
        As it was written with.
    few_rows : bool
        Whether few whole vectors will be read, here and there, so that the system reads none ahead.

    Attributes
    ----------
    header
        SegmentHeader
    prefix : numpy.ndarray
        (T, 64) uint8.
    more : numpy.ndarray
        (T, M) int8, see ``StoredFrames``.
    level_db : numpy.ndarray
        (T,) float16, dB relative to full scale.
    clips : numpy.ndarray
        (R, D) float32, one vector for each recording.

    Raises
    ------
    FlamError
        A file is missing, damaged or of another size than the header says.
    """

    def __init__(self, folder: Path, codec: Codec, few_rows: bool = False):
        self.folder, self.codec = folder, codec
        self.header = read_header(folder)
        if self.header.form != codec.form or self.header.dim != codec.axes.dim:
            raise DamagedSegmentError(folder, f"holds {self.header.dim} values a frame in form {self.header.form!r}")
        arrays = {
            name: _mapped(folder, name, dtype, (self.header.n_frames, width), few_rows and name == "vectors.f16")
            for name, (dtype, width) in array_files(codec).items()
        }
        self.prefix = arrays.pop("prefix.u8")
        self.level_db = arrays.pop("level.f16")[:, 0]
        self.more = arrays.pop("more.i8", np.zeros((self.header.n_frames, 0), np.int8))
        none = np.zeros((self.header.n_frames, 0), codec.detail_dtype)
        self._detail = next(iter(arrays.values()), none)
        self.clips = _mapped(folder, CLIPS, np.dtype(np.float32), (self.header.n_recordings, codec.axes.dim))

    def stored(self, rows: Any) -> StoredFrames:
        """Frames in their stored form; ``rows`` is a slice or an array of row numbers."""
        return StoredFrames(self.prefix[rows], self.more[rows], self._detail[rows])

    @property
    def further(self) -> np.ndarray:
        """(T, F) int8 codes along the axes that follow those of the prefix, in every form."""
        return self.more if self.codec.form == "exact" else self._detail

    def values(self, rows: slice | np.ndarray) -> np.ndarray:
        """(T, X) float32 values of frames along the axes that are kept."""
        prefix = rows_of(self.prefix, rows) if self.codec.needs_prefix else self.prefix[:0]
        return self.codec.decode(prefix, rows_of(self._detail, rows))

    @property
    def n_bytes(self) -> int:
        """What the segment takes on the disk."""
        return sum(path.stat().st_size for path in self.folder.iterdir())


def read_header(folder: Path) -> SegmentHeader:
    """Read the header of a segment.

    Raises
    ------
    FlamError
        It is missing or damaged, or of a version that this program does not know.
    """
    try:
        fields = parse_json(read_text(folder / HEADER, ConfigError), HEADER)
        found = fields.get("format") if isinstance(fields, dict) else None
        if found != FORMAT:
            raise DamagedSegmentError(folder, f"format {found!r} is not {FORMAT!r}")
        return from_mapping(SegmentHeader, fields, HEADER)
    except ConfigError as error:
        raise DamagedSegmentError(folder, f"{HEADER} can't be read: {error}") from error


def read_recordings(folder: Path) -> list[Recording]:
    """Read what recordings a segment holds, ordered by first frame.

    Raises
    ------
    FlamError
        The list is missing or damaged.
    """
    try:
        rows = parse_json(read_text(folder / RECORDINGS, ConfigError), RECORDINGS)
        return [Recording(**{**row, "problems": tuple(row["problems"])}) for row in rows]
    except (ConfigError, TypeError, KeyError) as error:
        raise DamagedSegmentError(folder, f"{RECORDINGS} can't be read: {error}") from error


def changed_files(folder: Path, header: SegmentHeader) -> Iterator[str]:
    """Name the files of a segment that are not as they were written."""
    for name, checksum in header.checksums.items():
        found = 0
        try:
            with open(folder / name, "rb") as file:
                while block := file.read(COPY_BYTES):
                    found = zlib.crc32(block, found)
        except OSError:
            yield name
            continue
        if found != checksum:
            yield name


def rows_of(values: np.ndarray, rows: slice | np.ndarray) -> np.ndarray:
    """Rows of an array; those that numbers name are taken several times faster than by numpy's own indexing."""
    return values[rows] if isinstance(rows, slice) else values.take(rows, axis=0)


def recording_slices(recording: Recording, n_frames: int = 65_536) -> Iterator[slice]:
    """The rows of a recording, a stretch at a time."""
    end = recording.first_frame + recording.n_frames
    for start in range(recording.first_frame, end, n_frames):
        yield slice(start, min(start + n_frames, end))


def sync_folder(folder: Path) -> None:
    """Force the names in a folder to the disk, where the system can."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folders
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _close(file: BinaryIO, sync: bool) -> None:
    try:
        if sync:
            file.flush()
            os.fsync(file.fileno())
    finally:
        file.close()


def _mapped(folder: Path, name: str, dtype: np.dtype, shape: tuple[int, int], few_rows: bool = False) -> np.ndarray:
    path, n_bytes = folder / name, shape[0] * shape[1] * dtype.itemsize
    try:
        size = path.stat().st_size
        if size != n_bytes:
            raise DamagedSegmentError(folder, f"{name} has {size} bytes, {n_bytes} belong there")
        if n_bytes == 0:
            return np.zeros(shape, dtype)
        with open(path, "rb") as file:
            mapped = mmap.mmap(file.fileno(), n_bytes, access=mmap.ACCESS_READ)
        if few_rows and hasattr(mmap, "MADV_RANDOM"):  # not on Windows
            mapped.madvise(mmap.MADV_RANDOM)
        return np.frombuffer(mapped, dtype).reshape(shape)
    except OSError as error:
        raise DamagedSegmentError(folder, f"{name} can't be read: {error.strerror}") from error


class DamagedSegmentError(FlamError):
    """A segment is not as it was written.

    Parameters
    ----------
    folder : Path
        The segment.
    reason : str
        What is wrong.
    """

    def __init__(self, folder: Path, reason: str):
        super().__init__(
            f"{folder}: damaged segment ({reason}); flam index verify --repair takes it out, then build adds its "
            "recordings again"
        )
        self.reason = reason
