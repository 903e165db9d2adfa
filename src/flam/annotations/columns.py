"""Which column of a table holds what, by the names that people and programs give them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from flam.core import AnnotationError

# the first that fits counts; written as ``plain_name`` gives them
NAMES: dict[str, tuple[str, ...]] = {
    "recording": (
        *("recording", "begin_path", "begin_file", "filename", "file_name", "file", "audio_filename", "audio_file"),
        *("filepath", "file_path", "path", "audio", "audio_path", "in_file", "wav", "wav_file", "sound_file", "clip"),
        *("soundfile", "clip_name", "fname", "segment_id", "recording_name", "relative_path", "source_file", "url"),
    ),
    "onset": (
        *("onset", "onset_time", "start", "start_time", "begin", "begin_time", "time_start", "t_start", "tmin"),
        *("event_onset", "event_start", "start_seconds", "start_time_seconds", "onset_seconds", "begin_seconds"),
        *("xmin", "from", "start_sec", "onset_sec", "begin_sec", "start_time_sec", "segment_start", "starttime"),
    ),
    "offset": (
        *("offset", "offset_time", "end", "end_time", "stop", "stop_time", "time_end", "t_end", "tmax"),
        *("event_offset", "event_end", "end_seconds", "end_time_seconds", "offset_seconds", "stop_seconds"),
        *("xmax", "to", "end_sec", "offset_sec", "stop_sec", "end_time_sec", "segment_end", "endtime", "finish"),
    ),
    "duration": ("duration", "length", "dur", "event_duration", "duration_seconds", "duration_sec"),
    "label": (
        *("prompt", "event_label", "annotation", "species_annotation", "species", "common_name", "label", "class"),
        *("tags", "labels", "class_name", "category", "tag", "event_type", "call_type", "sound", "sound_class"),
        *(
            "event",
            "manual_id",
            "species_name",
            "scientific_name",
            "species_code",
            "annotation_label",
            "target",
            "name",
            "text",
        ),
    ),
    "mean_score": ("mean_score", "score", "confidence", "conf"),
    "max_score": ("max_score",),
    "probability": ("probability",),
    "file_offset": ("file_offset",),
    "selection": ("selection",),
}
TIMES = ("onset", "offset", "duration", "file_offset")
LABEL_NAMES = ("Annotation", "Species/Annotation", "Species", "Common Name", "Label", "Class", "Tags")
# columns of Raven that hold text, but no label; its measurements are numbers
NO_LABELS = {"view", "begin_file", "end_file", "begin_path", "end_path", "begin_date", "begin_clock_time", "notes"}


def plain_name(name: str) -> tuple[str, float]:
    """The name of a column without case, signs and unit, and what one of its unit is in seconds.

    Examples
    --------
    >>> plain_name("Begin Time (s)"), plain_name(" onset_ms "), plain_name("Species/Annotation")
    (('begin_time', 1.0), ('onset', 0.001), ('species_annotation', 1.0))
    """
    plain = re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")
    stem = re.sub(r"_(?:ms|msec|milliseconds?)$", "", plain)
    if stem != plain:
        return stem, 0.001
    return re.sub(r"(?<=.)_s$", "", plain), 1.0


class Columns:
    """Where a table holds what.

    Parameters
    ----------
    header : sequence of str
        Names of the columns.
    label_column : str, optional
        The one that holds the labels, in any case.

    Attributes
    ----------
    at : dict of str to int
        Number of the column that holds a thing; keys of ``NAMES``.

    Examples
    --------
    >>> Columns(["File", "Start (s)", "End (s)", "Common name"]).at
    {'recording': 0, 'onset': 1, 'offset': 2, 'label': 3}
    """

    def __init__(self, header: Sequence[str], label_column: str | None = None):
        self.header = [name.strip() for name in header]
        plain = [plain_name(name) for name in header]
        names = [name for name, _ in plain]
        self.at: dict[str, int] = {}
        for role, known in NAMES.items():
            place = next((names.index(name) for name in known if name in names), None)
            if place is not None:
                self.at[role] = place
        if "onset" not in self.at and {"offset", "duration"} <= self.at.keys():
            self.at["onset"] = self.at.pop("offset")  # Kaleidoscope: how far into the file, and how long
        self._scale = {role: plain[place][1] for role, place in self.at.items() if role in TIMES}
        if label_column is not None and plain_name(label_column)[0] in names:
            self.at["label"] = names.index(plain_name(label_column)[0])
        self.names = names

    @property
    def has_times(self) -> bool:
        """Whether the table says when events begin and end."""
        return "onset" in self.at and ("offset" in self.at or "duration" in self.at)

    def cell(self, role: str, cells: Sequence[str]) -> str:
        """What a row holds of a thing, an empty text where it holds nothing."""
        place = self.at.get(role)
        if place is None or place >= len(cells):
            return ""
        return cells[place] if role == "label" else cells[place].strip()

    def scale(self, role: str) -> float:
        """Seconds of one unit of a column of times."""
        return self._scale.get(role, 1.0)

    def only_text_column(self, rows: Sequence[Sequence[str]]) -> int | None:
        """The one column with texts that is of no known kind, None where there is none or more than one."""
        known = {place for role, place in self.at.items() if role != "label"}
        candidates = [
            place
            for place, name in enumerate(self.names)
            if place not in known
            and name not in NO_LABELS
            and any(place < len(row) and not _is_number(row[place]) for row in rows)
        ]
        return candidates[0] if len(candidates) == 1 else None


def _is_number(cell: str) -> bool:
    try:
        float(cell.strip().replace(",", ".") or "0")
    except ValueError:
        return False
    return True


def require_label_column(columns: Columns, label_column: str | None, where: str) -> None:
    """Check that the column which the user named is there.

    Raises
    ------
    AnnotationError
        It is not.
    """
    if label_column is not None and plain_name(label_column)[0] not in columns.names:
        raise AnnotationError(
            f"{where}: the header has no column {label_column!r}; name one of {', '.join(columns.header)}"
        )
