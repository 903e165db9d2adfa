"""What a folder says of its recordings: by event lists in any format, or by the names of its sub-folders."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from flam.audio import find_recordings
from flam.core import ConfigError
from flam.data.clip import Spans
from flam.data.recordings_source import RecordingsConfig, labelled_recordings

BACKGROUND = "background"
FEWEST_GROUPS = 4


@dataclass(frozen=True)
class LabelledRecording:
    """A recording and what sounds in it.

    Parameters
    ----------
    path : of the audio
    group : recordings of one group, such as parts of one sitting, stay together when some are held out
    label : what sounds wherever the recording is not silent; None where ``events`` says more
    events : label to the times of it, everything else being absent; empty where none of the labels sounds
    """

    path: Path
    group: str
    label: str | None
    events: dict[str, Spans]

    @property
    def labels(self) -> frozenset[str]:
        """Everything that sounds in it."""
        return frozenset(self.events) if self.label is None else frozenset({self.label})


def read_folder(folder: str | Path, on_problem: Callable[[str], None] = lambda line: None) -> list[LabelledRecording]:
    """The labelled recordings of a folder, in the order of their paths.

    Event lists count wherever they lie in it: beside each recording, or one table for all, in any format of
    ``flam.annotations`` that can be read back. Where there is none, the name of the sub-folder that a recording lies
    in is its label, and recordings in a sub-folder ``background`` hold none of the labels. Underscores in labels are
    read as spaces.

    Parameters
    ----------
    on_problem : told, in one line each, of lists and recordings that are left out

    Raises
    ------
    AudioError : the folder is not there
    ConfigError : it holds no recording, or no label for any

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Path(folder, "grey_seal").mkdir()
    ...     Path(folder, "grey_seal", "beach.wav").touch()
    ...     [recording] = read_folder(folder)
    >>> recording.label
    'grey seal'
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ConfigError(f"{folder}: is no folder; give a folder of recordings with their labels")
    paths = list(find_recordings([folder], on_problem))
    if not paths:
        raise ConfigError(f"{folder}: holds no recording; put audio files and their labels there")
    problems: list[str] = []
    listed = labelled_recordings(RecordingsConfig(folder, folder), problems.append)
    for problem in problems:
        on_problem(problem)
    found = _from_lists(listed) if listed else _from_sub_folders(folder, paths)
    if not any(recording.labels for recording in found):
        reason = f" ({problems[0]})" if problems else ""
        raise ConfigError(
            f"{folder}: nothing says what its {len(paths)} recordings hold{reason}; put event lists beside them "
            "(Audacity, Raven, DCASE, CSV, ...), or the recordings of each class into a sub-folder of its name"
        )
    n_without = len(paths) - len(found)
    if n_without:
        on_problem(f"{n_without} recordings have no label and are left out")
    return _grouped(folder, found)


def _from_lists(listed: dict[Path, dict[str, list[tuple[float, float]]]]) -> list[LabelledRecording]:
    recordings = []
    for path, spans in sorted(listed.items()):
        events: dict[str, Spans] = {}
        for label, times in spans.items():
            if _as_prompt(label):
                events[_as_prompt(label)] = (*events.get(_as_prompt(label), ()), *times)
        recordings.append(LabelledRecording(path, "", None, events))
    return recordings


def _from_sub_folders(folder: Path, paths: Iterable[Path]) -> list[LabelledRecording]:
    recordings = []
    for path in paths:
        inside = path.relative_to(folder).parts
        if len(inside) > 1:
            label = _as_prompt(inside[0])
            recordings.append(LabelledRecording(path, "", None if label == BACKGROUND else label, {}))
    return recordings


def _as_prompt(label: str) -> str:
    return " ".join(label.replace("_", " ").split())


def _grouped(folder: Path, recordings: list[LabelledRecording]) -> list[LabelledRecording]:
    """Recordings whose names differ in their last number alone are one group, unless that leaves a label too few."""
    stems = {recording.path: re.sub(r"[-_ .()]*\d+[)]?$", "", recording.path.stem) for recording in recordings}
    groups: dict[str, set[str]] = {}
    for recording in recordings:
        for label in recording.labels:
            groups.setdefault(label, set()).add(stems[recording.path])
    return [
        LabelledRecording(
            recording.path,
            stems[recording.path]
            if all(len(groups[label]) >= FEWEST_GROUPS for label in recording.labels) and stems[recording.path]
            else recording.path.relative_to(folder).as_posix(),
            recording.label,
            recording.events,
        )
        for recording in recordings
    ]
