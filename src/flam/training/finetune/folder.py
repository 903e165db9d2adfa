"""The labelled recordings of a folder, and which of them are held out.

Labels come from event lists in any format, or from the names of sub-folders.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from flam.audio import find_recordings
from flam.core import ConfigError
from flam.data.clip import Spans
from flam.data.recordings_source import RecordingsConfig, match_lists

# names of folders, in any case, whose recordings hold none of the labels
BACKGROUND = (
    *("background", "backgrounds", "noise", "noises", "background noise", "other", "others", "silence", "silent"),
    *("bg", "ambient", "ambience", "room tone", "no sound", "no bird", "no birds", "nobird"),
    *("none", "nothing", "no call", "nocall", "no event", "no events", "negative", "negatives", "empty"),
)
# folders that part the data, above those of the labels
PARTS = re.compile(r"train(ing)?|val(id(ation)?)?|test(ing)?|dev(elopment)?|eval(uation)?|fold[-_ ]?\d+", re.IGNORECASE)
FEWEST_GROUPS = 4


@dataclass(frozen=True)
class LabelledRecording:
    """A recording and what sounds in it.

    Parameters
    ----------
    path : Path
        of the audio
    group : str
        recordings of one group, such as parts of one sitting, stay together when some are held out
    label : str | None
        what sounds wherever the recording is not silent; None where ``events`` says more
    events : dict[str, Spans]
        label to the times of it, everything else being absent; empty where none of the labels sounds
    """

    path: Path
    group: str
    label: str | None
    events: dict[str, Spans]

    @property
    def labels(self) -> frozenset[str]:
        """Everything that sounds in it."""
        return frozenset(self.events) if self.label is None else frozenset({self.label})


def read_folder(
    folder: str | Path,
    on_problem: Callable[[str], None] = lambda line: None,
    on_note: Callable[[str], None] = lambda line: None,
    format: str | None = None,
    label_column: str | None = None,
) -> list[LabelledRecording]:
    """The labelled recordings of a folder, in the order of their paths.

    Event lists count wherever they lie in it: beside each recording, or one table for all, in any format of
    ``flam.annotations`` that can be read back. Where most recordings are named by no list, the name of the sub-folder
    that a recording lies in is its label; folders ``train``, ``test`` and the like above it don't count. Recordings in
    a sub-folder ``background``, ``noise``, ``other``, ``silence`` or the like, or whose name begins with a minus sign,
    hold none of the labels. Underscores in labels are read as spaces.

    Parameters
    ----------
    folder : str or Path
        The recordings and their labels.
    on_problem : callable
        Called with a line for each list, row and recording that is skipped.
    on_note : callable
        Called with a line for each assumption: which folders are labels, and which hold none.
    format : str, optional
        Of the event lists, a key of ``flam.annotations.FORMATS``; None to tell it from each file.
    label_column : str, optional
        Name of the column of labels in tables; None for the usual names.

    Raises
    ------
    AudioError
        The folder is not there.
    ConfigError
        It holds no recording, no label for any, or event lists that name none of its recordings.

    Examples
    --------
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

    def told(problem: str) -> None:
        problems.append(problem)
        on_problem(problem)

    config = RecordingsConfig(folder, folder, format, label_column=label_column)
    matched = match_lists(config, told, on_note)
    found = _from_lists(matched.spans)
    unlisted = [path for path in paths if path not in matched.spans]
    in_sub_folders = [path for path in unlisted if len(path.relative_to(folder).parts) > 1]
    n_listed = len(matched.spans) + len(matched.missing)
    if len(in_sub_folders) > n_listed:
        found += _from_sub_folders(folder, in_sub_folders, on_note)
        if n_listed:
            on_note(
                f"{len(matched.spans)} recordings are labelled by event lists, {len(in_sub_folders)} by the names of "
                "their sub-folders; move the lists elsewhere if they are no labels"
            )
    elif matched.missing and not matched.spans:
        raise ConfigError(
            f"{folder}: its event lists name {len(matched.missing)} recordings, and none of them is there: "
            f"{matched.missing[:3]}; correct the names, or move the lists elsewhere to take sub-folders for labels"
        )
    elif in_sub_folders and found:
        on_note(
            f"{len(in_sub_folders)} recordings in sub-folders are named by no event list; as lists label most "
            "recordings, the names of sub-folders are no labels"
        )
    if not any(recording.labels for recording in found):
        reason = f" ({problems[0]})" if problems else ""
        raise ConfigError(
            f"{folder}: nothing says what its {len(paths)} recordings hold{reason}; put event lists beside them "
            "(Audacity, Raven, DCASE, CSV, ...), or the recordings of each class into a sub-folder of its name"
        )
    n_without = len(paths) - len(found)
    if n_without:
        on_problem(f"{n_without} recordings have no label and are left out")
    return _grouped(folder, sorted(found, key=lambda recording: recording.path))


def split(
    recordings: Sequence[LabelledRecording], held_out_share: float, seed: int
) -> tuple[list[LabelledRecording], list[LabelledRecording]]:
    """Recordings to learn from, and recordings to compare on.

    Groups are held out, in an order that the seed and their names decide, as long as a label in them has less than its
    share and no label loses its last group.

    Parameters
    ----------
    held_out_share : float
        part of the recordings of each label

    Examples
    --------
    >>> from pathlib import Path
    >>> named = [LabelledRecording(Path(name), name, "seal", {}) for name in "abcd"]
    >>> [len(part) for part in split(named, 0.25, seed=0)]
    [3, 1]
    """
    groups: dict[str, list[LabelledRecording]] = {}
    for recording in recordings:
        groups.setdefault(recording.group, []).append(recording)
    left: dict[str, int] = {}
    wanted: dict[str, int] = {}
    for members in groups.values():
        for label in _labels(members):
            left[label] = left.get(label, 0) + 1
        for recording in members:
            for label in _labels([recording]):
                wanted[label] = wanted.get(label, 0) + 1
    missing = {label: round(held_out_share * n) for label, n in wanted.items()}
    chosen = set()
    for group in sorted(groups, key=lambda name: hashlib.sha256(f"{seed} {name}".encode()).digest()):
        labels = _labels(groups[group])
        if any(missing[label] > 0 for label in labels) and all(left[label] > 1 for label in labels):
            chosen.add(group)
            for label in labels:
                left[label] -= 1
            for recording in groups[group]:
                for label in _labels([recording]):
                    missing[label] -= 1
    held_out = [recording for recording in recordings if recording.group in chosen]
    return [recording for recording in recordings if recording.group not in chosen], held_out


def _from_lists(listed: dict[Path, dict[str, list[tuple[float, float]]]]) -> list[LabelledRecording]:
    recordings = []
    for path, spans in sorted(listed.items()):
        events: dict[str, Spans] = {}
        for label, times in spans.items():
            if _as_prompt(label):
                events[_as_prompt(label)] = (*events.get(_as_prompt(label), ()), *times)
        recordings.append(LabelledRecording(path, "", None, events))
    return recordings


def _from_sub_folders(folder: Path, paths: Iterable[Path], on_note: Callable[[str], None]) -> list[LabelledRecording]:
    recordings = []
    without: set[str] = set()
    deeper: set[str] = set()
    parts: set[str] = set()
    for path in paths:
        names = list(path.relative_to(folder).parts[:-1])
        while len(names) > 1 and PARTS.fullmatch(names[0]):
            parts.add(names.pop(0))
        name = names[0]
        deeper |= set(names[1:2])
        label: str | None = _as_prompt(name)
        if _holds_none(name):
            without.add(name)
            label = None
        recordings.append(LabelledRecording(path, "", label, {}))
    if parts:
        on_note(f"folders {', '.join(sorted(parts))} are taken for parts of the data, those below them for labels")
    if deeper:
        few = ", ".join(sorted(deeper)[:3]) + (" ..." if len(deeper) > 3 else "")
        on_note(f"folders within the folder of a label don't count: {few}; move them up if they are labels")
    if without - {BACKGROUND[0]}:
        on_note(f"recordings in {', '.join(sorted(without))} are taken to hold none of the labels; rename what is one")
    return recordings


def _holds_none(name: str) -> bool:
    """Whether a sub-folder's name says that nothing of what is taught sounds in it."""
    return name.startswith("-") or _as_prompt(name.replace("-", " ")).casefold() in BACKGROUND


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


def _labels(members: Sequence[LabelledRecording]) -> frozenset[str]:
    """Labels of recordings; those without any share the empty one, so that some of them are held out as well."""
    return frozenset().union(*(recording.labels or {""} for recording in members))
