"""The library as one table: each clip with its measures, in CSV or Parquet, from which scenes are drawn."""

from __future__ import annotations

import csv
import io
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from flam.annotations.rows import spreadsheet_plain, spreadsheet_safe
from flam.core import ConfigError, atomic_path, atomic_text, read_text
from flam.core.placeholders import require_content
from flam.library.measure import LIBRARY_RATE, USABLE, Measures
from flam.library.source_library import KINDS, SourceClip
from flam.library.stores import ClipMeasures

MEASURED = tuple(field.name for field in fields(Measures))
INTEGERS = ("sample_rate", "n_channels", "n_samples", "size_bytes", "mtime_ns")
TEXTS = (
    *("id", "file", "label", "caption", "kind", "group", "fold", "source", "licence", "about", "caption_from"),
    *("status", "remark", "spans_s", "content", "measured_by"),
)
COLUMNS = (
    *("id", "file", "label", "caption", "kind", "group", "fold", "source", "licence", "about", "caption_from"),
    *("status", "remark", *MEASURED, "size_bytes", "mtime_ns", "measured_by"),
)


@dataclass(frozen=True, slots=True)
class LibraryRow:
    """A clip of the table.

    Parameters
    ----------
    clip : SourceClip
        who it is; its kind may also be "other", which no scene draws
    about : str
        what people wrote of it beside label and caption
    caption_from : str
        "given", "rule", the name of a language model, or empty where there is no caption
    status, remark : str
        as ``flam.library.measure.MeasureOutcome``
    measures : Measures | None
        as ``flam.library.measure.MeasureOutcome``
    size_bytes, mtime_ns : int
        of the file when it was measured
    measured_by : str
        settings of the measuring; a change means measuring again
    """

    clip: SourceClip
    about: str
    caption_from: str
    status: str
    remark: str
    measures: Measures | None
    size_bytes: int
    mtime_ns: int
    measured_by: str

    @property
    def is_usable(self) -> bool:
        """Whether scenes may draw it."""
        return self.status in USABLE and self.clip.kind in KINDS


class SourceLibrary(ClipMeasures):
    """A table of clips: enough to draw plans without touching audio.

    Its ``sample_rate``, ``n_samples``, ``spans_s`` and ``level_db`` are those of the usable clips as mono at 48 kHz.

    Parameters
    ----------
    rows : Sequence[LibraryRow]
        the table

    Raises
    ------
    ConfigError
        an id occurs twice
    """

    sample_rate = LIBRARY_RATE

    def __init__(self, rows: Sequence[LibraryRow]):
        self.rows = tuple(rows)
        self._usable = {row.clip.clip_id: row for row in self.rows if row.is_usable}
        if len({row.clip.clip_id for row in self.rows}) < len(self.rows):
            raise ConfigError("the library holds an id twice; each clip needs its own")

    @property
    def clips(self) -> list[SourceClip]:
        """The clips that scenes may draw: readable, not silent, with a role."""
        return [row.clip for row in self._usable.values()]

    def __contains__(self, clip_id: str) -> bool:
        return clip_id in self._usable

    def n_samples(self, clip_id: str) -> int:
        """Length of a clip in samples."""
        return self._measures(clip_id).n_samples

    def spans_s(self, clip_id: str) -> list[tuple[float, float]]:
        """Where a clip is active, (onset_s, offset_s) in seconds."""
        return list(self._measures(clip_id).spans_s)

    def level_db(self, clip_id: str) -> float:
        """A-weighted level of the clip's active part, dB re full scale."""
        return self._measures(clip_id).level_db

    def path(self, clip_id: str) -> Path:
        """The audio file of a clip."""
        return self._usable[clip_id].clip.path

    def _measures(self, clip_id: str) -> Measures:
        measures = self._usable[clip_id].measures
        assert measures is not None  # a usable row was measured
        return measures


def write_library(library: SourceLibrary, path: str | Path) -> None:
    """Write a table, whole or not at all; the suffix .csv or .parquet tells the form.

    Files that lie in the table's folder or below are named relative to it, so that the folder can be moved.

    Raises
    ------
    ConfigError
        another suffix, or .parquet without pyarrow
    OutputError
        it can't be written
    """
    path = require_table_name(path)
    if path.suffix.lower() == ".csv":
        with atomic_text(path) as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            for row in library.rows:
                cells = _cells(row, path.parent)
                safe = cells | {name: spreadsheet_safe(cells[name]) for name in TEXTS}
                writer.writerow(["" if safe[name] is None else safe[name] for name in COLUMNS])
        return
    pyarrow, parquet = _pyarrow(path)
    schema = pyarrow.schema([(name, _arrow_type(pyarrow, name)) for name in COLUMNS])
    with atomic_path(path) as part, parquet.ParquetWriter(part, schema, compression="zstd") as writer:
        for start in range(0, max(len(library.rows), 1), 65_536):
            rows = [_cells(row, path.parent) for row in library.rows[start : start + 65_536]]
            writer.write_table(pyarrow.Table.from_pylist(rows, schema))


def read_library(path: str | Path) -> SourceLibrary:
    """Read a table that ``write_library`` wrote; further columns are passed over.

    Raises
    ------
    ConfigError
        it can't be read, lacks a column, or holds a value that does not fit

    Examples
    --------
    >>> import tempfile
    >>> from flam.library.source_library import SourceClip
    >>> clip = SourceClip("dog", Path("/sounds/dog.wav"), "dog bark", "a dog barks", "event", "dog", "", "mine", "CC0")
    >>> measures = Measures(48000, 1, 480, 0.01, -20.0, -22.0, -3.0, 0.0, 0.0, ((0.0, 0.01),), 900.0, 2000.0, "0f")
    >>> row = LibraryRow(clip, "", "given", "ok", "", measures, 1004, 0, "1")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_library(SourceLibrary([row]), f"{folder}/library.csv")
    ...     library = read_library(f"{folder}/library.csv")
    >>> library.rows == (row,), library.spans_s("dog")
    (True, [(0.0, 0.01)])
    """
    path = require_table_name(path)
    rows = []
    for number, cells in enumerate(_csv_rows(path) if path.suffix.lower() == ".csv" else _parquet_rows(path), start=1):
        try:
            rows.append(_row(cells, path.parent))
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"{path}, clip {number}: {error}; write the table again with flam library scan"
            ) from error
    try:
        return SourceLibrary(rows)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def require_table_name(path: str | Path) -> Path:
    """The path, if its suffix tells a form of table.

    Raises
    ------
    ConfigError
        it does not, or needs a package that is missing
    """
    path = Path(path)
    if path.suffix.lower() not in (".csv", ".parquet"):
        raise ConfigError(f"{path}: a library table ends in .csv or .parquet; name it so")
    if path.suffix.lower() == ".parquet":
        _pyarrow(path)
    return path


def _cells(row: LibraryRow, folder: Path) -> dict[str, Any]:
    clip, measures = row.clip, row.measures
    measured = {} if measures is None else {name: getattr(measures, name) for name in MEASURED}
    if measures is not None:
        measured["spans_s"] = " ".join(f"{onset_s!r}:{offset_s!r}" for onset_s, offset_s in measures.spans_s)
    return {
        **dict.fromkeys(MEASURED),
        **{"spans_s": "", "content": ""},
        **measured,
        **{"id": clip.clip_id, "file": _relative(clip.path, folder), "label": clip.label, "caption": clip.caption},
        **{"kind": clip.kind, "group": clip.group, "fold": clip.fold, "source": clip.source, "licence": clip.licence},
        **{"about": row.about, "caption_from": row.caption_from, "status": row.status, "remark": row.remark},
        **{"size_bytes": row.size_bytes, "mtime_ns": row.mtime_ns, "measured_by": row.measured_by},
    }


def _row(cells: dict[str, Any], folder: Path) -> LibraryRow:
    text = {name: sys.intern(str(cells[name])) for name in TEXTS}  # labels and licences repeat a million times
    clip = SourceClip(
        clip_id=text["id"],
        path=Path(os.path.normpath(folder / text["file"])),
        **{name: text[name] for name in ("label", "caption", "kind", "group", "fold", "source", "licence")},
    )
    measures = None
    if cells["n_samples"] not in (None, ""):
        numbers = {
            name: int(cells[name]) if name in INTEGERS else float(cells[name])
            for name in MEASURED
            if name not in ("spans_s", "content")
        }
        spans = (span.split(":") for span in text["spans_s"].split())
        measures = Measures(spans_s=tuple((float(a), float(b)) for a, b in spans), content=text["content"], **numbers)  # type: ignore[arg-type]
    if text["status"] in USABLE and (measures is None or not measures.spans_s):
        raise ValueError(f"status is {text['status']!r}, but there are no measures")
    return LibraryRow(
        clip=clip,
        measures=measures,
        size_bytes=int(cells["size_bytes"]),
        mtime_ns=int(cells["mtime_ns"]),
        **{name: text[name] for name in ("about", "caption_from", "status", "remark", "measured_by")},  # type: ignore[arg-type]
    )


def _csv_rows(path: Path) -> Iterator[dict[str, Any]]:
    reader = csv.DictReader(io.StringIO(read_text(path, ConfigError), newline=""))
    _require_columns(path, reader.fieldnames or ())
    for cells in reader:
        if None in cells.values() or None in cells:
            raise ConfigError(f"{path}, line {reader.line_num}: has not as many cells as the first line; correct it")
        yield cells | {name: spreadsheet_plain(cells[name]) for name in TEXTS}


def _parquet_rows(path: Path) -> Iterator[dict[str, Any]]:
    pyarrow, parquet = _pyarrow(path)
    require_content(path, ConfigError)
    try:
        with parquet.ParquetFile(path) as file:
            _require_columns(path, file.schema_arrow.names)
            for batch in file.iter_batches(columns=list(COLUMNS)):
                yield from batch.to_pylist()
    except (OSError, pyarrow.ArrowException, ValueError) as error:  # the last of names and texts that are not UTF-8
        raise ConfigError(f"{path}: can't be read as Parquet ({' '.join(str(error).split())})") from error


def _require_columns(path: Path, names: Sequence[str]) -> None:
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise ConfigError(
            f"{path}: no column {', '.join(missing)}; a library table is written by flam library scan"
            + (", which takes manifests too" if "file" in names else "")
        )


def _relative(path: Path, folder: Path) -> str:
    path, folder = Path(os.path.abspath(path)), Path(os.path.abspath(folder))
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)


def _arrow_type(pyarrow: Any, name: str) -> Any:
    return pyarrow.string() if name in TEXTS else pyarrow.int64() if name in INTEGERS else pyarrow.float64()


def _pyarrow(path: Path) -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ConfigError(
            f"{path}: Parquet needs pyarrow; install it with pip install 'flam-audio[synth]', or name a .csv table"
        ) from error
    return pyarrow, pyarrow.parquet


def with_caption(row: LibraryRow, caption: str, caption_from: str) -> LibraryRow:
    """The same clip with another caption."""
    return replace(row, clip=replace(row.clip, caption=caption), caption_from=caption_from)
