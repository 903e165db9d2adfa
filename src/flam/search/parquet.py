"""Archives as Parquet, for other tools, and back: one table of recordings and one of frames."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from flam.core import FlamError, OutputError, atomic_path, from_mapping, to_mapping
from flam.core.errors import require_extra
from flam.core.files import output_lock
from flam.core.progress import Progress
from flam.search.archive import Archive
from flam.search.axes import SearchAxes, fit_axes
from flam.search.catalogue import ArchiveSettings, Catalogue
from flam.search.codec import Form
from flam.search.layout import ArchiveFolder
from flam.search.recordings import Recording
from flam.search.segment import LEVEL_DTYPE, SegmentWriter, recording_slices

if TYPE_CHECKING:
    import pyarrow

RECORDINGS, FRAMES = "recordings.parquet", "frames.parquet"
METADATA_KEY = b"flam"
OWN_COLUMNS = ("first_frame", "clip_row", "problems")


def export_archive(archive: Archive, folder: Path, progress: Progress) -> None:
    """Write two tables: ``recordings.parquet`` with a row and a vector for each recording, ``frames.parquet`` with
    recording, frame, onset_s, level_db and the features of every frame in half precision.

    Raises
    ------
    OutputError
        The folder can't be written.
    MissingExtraError
        pyarrow is not installed.
    """
    require_extra("pyarrow", "synth", "for Parquet")
    import pyarrow.parquet

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: folder can't be made ({error.strerror}); choose another place") from error
    metadata = {METADATA_KEY: json.dumps(to_mapping(archive.settings)).encode()}
    done, total = 0, sum(recording.n_frames for recording in archive.recordings)
    with (
        atomic_path(folder / FRAMES) as part,
        pyarrow.parquet.ParquetWriter(part, _frame_schema(archive.dim, metadata)) as writer,
    ):
        for segment, recordings in archive.segments:
            for recording in recordings:
                for rows in recording_slices(recording):
                    features = archive.features(segment, rows)
                    writer.write_table(
                        _frame_table(archive, recording, rows, features, segment.level_db[rows], metadata)
                    )
                    done += len(features)
                    progress(done, total)
    clips = [(row, segment.clips[row.clip_row]) for segment, recordings in archive.segments for row in recordings]
    with atomic_path(folder / RECORDINGS) as part:
        pyarrow.parquet.write_table(_recording_table(clips, archive.dim, metadata), part)


def import_archive(folder: Path, archive: ArchiveFolder, form: Form, progress: Progress) -> int:
    """Make an archive of what ``export_archive`` wrote.

    Parameters
    ----------
    folder : Path
        With the two tables.
    archive : ArchiveFolder
        Must not exist yet.
    form : {"exact", "compact", "tiny"}
        How to store the frames.
    progress : callable
        Called with the number of recordings done and of all.

    Returns
    -------
    int
        Recordings.

    Raises
    ------
    FlamError
        The tables can't be read or don't fit each other, or there is an archive already.
    OutputError
        The archive can't be written.
    """
    require_extra("pyarrow", "synth", "for Parquet")
    import pyarrow.parquet

    if archive.exists():
        raise FlamError(f"{archive.path}: is an archive already; name a new folder")
    try:
        table = pyarrow.parquet.read_table(folder / RECORDINGS)
        frames = pyarrow.parquet.ParquetFile(folder / FRAMES)
        stored = json.loads((table.schema.metadata or {})[METADATA_KEY])
        settings = replace(from_mapping(ArchiveSettings, stored, str(folder / RECORDINGS)), form=form)
    except (OSError, KeyError, ValueError, pyarrow.ArrowException) as error:
        raise FlamError(f"{folder}: no exported archive ({error}); write one with flam index export") from error
    known = {row["path"]: row for row in table.to_pylist()}
    archive.create(settings, _axes_of(frames))
    with output_lock(archive.path), Catalogue.open(archive.catalogue_path, write=True) as catalogue:
        writer = SegmentWriter(
            archive.new_segment_path(), archive.codec(settings), settings.model_id, to_mapping(settings)
        )
        try:
            for path, features, level_db in _recordings_of(frames):
                for start in range(0, len(features), 65_536):
                    rows = slice(start, start + 65_536)
                    writer.append_stored(writer.codec.encode(features[rows]), level_db[rows].astype(LEVEL_DTYPE))
                row = known[path]
                writer.end_recording(_recording_of(row), np.array(row["audio_features"], np.float32))
                progress(len(writer.recordings), len(known))
            writer.finish()
            catalogue.add_segment(archive.publish(writer.folder), writer.n_frames, writer.recordings)
        except OSError as error:
            raise OutputError(f"{archive.path}: can't be written ({error.strerror}); make space") from error
        except KeyError as error:
            raise FlamError(f"{folder}: frames of {error} but no recording of that path; export again") from error
    return len(writer.recordings)


def _frame_schema(dim: int, metadata: dict[bytes, bytes]) -> pyarrow.Schema:
    import pyarrow

    return pyarrow.schema(
        [
            ("recording", pyarrow.dictionary(pyarrow.int32(), pyarrow.string())),
            ("frame", pyarrow.int32()),
            ("onset_s", pyarrow.float64()),
            ("level_db", pyarrow.float32()),
            ("features", pyarrow.list_(pyarrow.float16(), dim)),
        ],
        metadata=metadata,
    )


def _frame_table(
    archive: Archive,
    recording: Recording,
    rows: slice,
    features: np.ndarray,
    level_db: np.ndarray,
    metadata: dict[bytes, bytes],
) -> pyarrow.Table:
    import pyarrow

    schema = _frame_schema(archive.dim, metadata)
    frames = np.arange(rows.start - recording.first_frame, rows.stop - recording.first_frame, dtype=np.int32)
    onset_s = frames * archive.grid.hop_s
    names = pyarrow.DictionaryArray.from_arrays(np.zeros(len(frames), np.int32), [recording.path])
    values = pyarrow.FixedSizeListArray.from_arrays(features.astype(np.float16).ravel(), archive.dim)
    return pyarrow.Table.from_arrays([names, frames, onset_s, level_db.astype(np.float32), values], schema=schema)


def _recording_table(rows: list[tuple[Recording, np.ndarray]], dim: int, metadata: dict[bytes, bytes]) -> pyarrow.Table:
    import pyarrow

    columns: dict[str, Any] = {
        field.name: [getattr(row, field.name) for row, _ in rows]
        for field in fields(Recording)
        if field.name not in OWN_COLUMNS
    }
    columns["problems"] = [list(row.problems) for row, _ in rows]
    vectors = np.concatenate([vector for _, vector in rows]) if rows else np.zeros(0, np.float32)
    columns["audio_features"] = pyarrow.FixedSizeListArray.from_arrays(vectors, dim)
    return pyarrow.table(columns).replace_schema_metadata(metadata)


def _recordings_of(frames: Any) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Path, (T, D) features and (T,) levels of each recording; the rows of one stand together."""
    path, features, levels = None, [], []
    for batch in frames.iter_batches(batch_size=16_384, columns=["recording", "level_db", "features"]):
        values = batch.column("features").flatten().to_numpy(zero_copy_only=False).reshape(batch.num_rows, -1)
        names = np.array(batch.column("recording").to_pylist(), object)
        level_db = batch.column("level_db").to_numpy(zero_copy_only=False)
        edges = np.flatnonzero(names[1:] != names[:-1]) + 1
        for start, end in zip([0, *edges], [*edges, len(names)], strict=True):
            if path is not None and names[start] != path:
                yield path, np.concatenate(features), np.concatenate(levels)
                features, levels = [], []
            path = names[start]
            features.append(values[start:end].astype(np.float32))
            levels.append(level_db[start:end])
    if path is not None:
        yield path, np.concatenate(features), np.concatenate(levels)


def _axes_of(frames: Any) -> SearchAxes:
    batch = next(frames.iter_batches(batch_size=50_000, columns=["features"]))
    values = batch.column("features").flatten().to_numpy(zero_copy_only=False).reshape(batch.num_rows, -1)
    return fit_axes([values.astype(np.float32)])


def _recording_of(row: dict[str, Any]) -> Recording:
    names = {field.name for field in fields(Recording)}
    return Recording(
        **{**{name: value for name, value in row.items() if name in names}, "problems": tuple(row["problems"])}
    )
