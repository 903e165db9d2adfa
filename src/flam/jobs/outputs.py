"""Where results go: the screen, one file, or a folder with a file per recording; and which of the events are shown."""

from __future__ import annotations

import heapq
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from flam.annotations import FORMATS
from flam.audio import RECORDING_SUFFIXES
from flam.core import ConfigError, Event, OutputError, RecordingEvents, output_lock
from flam.jobs.manifest import make_folder

ALSO = {".ndjson": "jsonl"}
STDOUT = (None, "/dev/stdout")  # its real path may be that of a file, which must not be replaced


@dataclass(frozen=True)
class Selection:
    """What of all events goes into a list.

    Parameters
    ----------
    top : int, optional
        At most so many events of each prompt, those with the highest scores in all recordings; None for all.
    is_ranked : bool
        True orders events by their highest score instead of recording and time.
    skips_empty : bool
        True leaves out recordings without events.
    """

    top: int | None = None
    is_ranked: bool = False
    skips_empty: bool = False


def select_events(recordings: Iterable[RecordingEvents], selection: Selection) -> Iterator[RecordingEvents]:
    """Apply a selection, one recording at a time where it allows that.

    Parameters
    ----------
    recordings : iterable of RecordingEvents
        As they are found.
    selection : Selection
        What to keep.

    Returns
    -------
    iterator of RecordingEvents
        A ranked list holds each event in a recording of its own, those without events last.

    Examples
    --------
    >>> found = [
    ...     RecordingEvents("a", 9.0, (Event(1.0, 2.0, "owl", 0.5, 0.6), Event(3.0, 4.0, "owl", 0.5, 0.9))),
    ...     RecordingEvents("b", 9.0, (Event(0.0, 1.0, "owl", 0.5, 0.8),)),
    ... ]
    >>> ranked = select_events(found, Selection(top=2, is_ranked=True))
    >>> [(recording.recording, recording.events[0].max_score) for recording in ranked]
    [('a', 0.9), ('b', 0.8)]
    """
    if selection.top is not None:
        recordings = _top(list(recordings), selection.top)
    if selection.skips_empty:
        recordings = (recording for recording in recordings if recording.events)
    return iter(_ranked(recordings) if selection.is_ranked else recordings)


def passing_through(
    recordings: Iterable[RecordingEvents], on_recording: Callable[[RecordingEvents], object]
) -> Iterator[RecordingEvents]:
    """Give each recording to a function on its way, such as one that cuts its events out."""
    for recording in recordings:
        on_recording(recording)
        yield recording


def _score(event: Event) -> float:
    return 0.0 if event.max_score is None else event.max_score


def _top(recordings: list[RecordingEvents], top: int) -> list[RecordingEvents]:
    best: dict[str, list[tuple[float, int, int]]] = {}
    for number, recording in enumerate(recordings):
        for place, event in enumerate(recording.events):
            # of equal scores the earlier counts
            best.setdefault(event.prompt, []).append((_score(event), -number, -place))
    kept = {(-number, -place) for ranks in best.values() for _, number, place in heapq.nlargest(top, ranks)}
    return [
        replace(
            recording, events=tuple(event for place, event in enumerate(recording.events) if (number, place) in kept)
        )
        for number, recording in enumerate(recordings)
    ]


def _ranked(recordings: Iterable[RecordingEvents]) -> list[RecordingEvents]:
    every = list(recordings)
    singles = [replace(recording, events=(event,)) for recording in every for event in recording.events]
    singles.sort(key=lambda recording: -_score(recording.events[0]))
    return [*singles, *(recording for recording in every if not recording.events)]


@dataclass(frozen=True)
class Output:
    """Where the events go.

    Parameters
    ----------
    kind : Literal['stream', 'file', 'folder']
        "stream" is written as it comes, to stdout or to a device; "file" and "folder" keep what is finished
    path : Path | None
        None for stdout
    format : str
        a key of ``FORMATS``
    """

    kind: Literal["stream", "file", "folder"]
    path: Path | None
    format: str

    @property
    def settings_path(self) -> Path | None:
        """The file beside the results that replays the run."""
        if self.path is None or self.kind == "stream":
            return None
        return (
            self.path / "settings.yaml"
            if self.kind == "folder"
            else self.path.with_name(f"{self.path.name}.settings.yaml")
        )


def choose_output(output: str | None, format: str | None, n_recordings: int) -> Output:
    """Settle kind and format from what the user gave.

    A folder that exists, a name that ends with a slash, and a new name without a suffix are folders.

    Raises
    ------
    ConfigError
        a format that holds one recording for several, a suffix that names no format or a recording, or no folder to
        write in

    Examples
    --------
    >>> choose_output(None, None, 3).format, choose_output("out/", None, 3).format, choose_output("a.srt", None, 1).kind
    ('table', 'csv', 'file')
    """
    if output in STDOUT:
        chosen = Output("stream", None, "table" if format is None else format)
    elif is_folder(output):
        return Output("folder", Path(output), "csv" if format is None else format)
    else:
        path = Path(output)
        is_device = path.exists() and not path.is_file()
        chosen = Output("stream" if is_device else "file", path, _guess(path, is_device) if format is None else format)
        require_parent(path)
        if not is_device:
            _refuse_recording_name(path)
    if n_recordings > 1 and not FORMATS[chosen.format].many:
        raise ConfigError(
            f"format {chosen.format!r} holds one recording, but there are {n_recordings}; "
            "give a folder, for example -o results/"
        )
    return chosen


def choose_extras(option: str, given: str | None, suffix: str, names: Sequence[Path]) -> Callable[[Path], Path | None]:
    """Where the picture or the scores of a recording go, by its name among the results.

    Parameters
    ----------
    option : str
        for messages
    given : str | None
        a file, or a folder for one file per recording; None for none
    suffix : str
        of the files in a folder
    names : Sequence[Path]
        of all recordings

    Raises
    ------
    ConfigError
        one file for several recordings, no folder to write in, a device in the place of a file, or a recording's suffix
    """
    if given is None:
        return lambda name: None
    if not is_folder(given):
        if len(names) > 1:
            raise ConfigError(
                f"{option} {given}: is one file, but there are {len(names)} recordings; "
                f"give a folder, for example {option} {Path(given).stem}/"
            )
        require_parent(Path(given))
        if Path(given).exists() and not Path(given).is_file():
            raise ConfigError(f"{option} {given}: is a device or pipe; name a file")
        _refuse_recording_name(Path(given))
        return lambda name: Path(given)
    folder = Path(given)

    def place(name: Path) -> Path:
        path = folder / f"{name}{suffix}"
        make_folder(path.parent)
        return path

    return place


def require_apart(results: Iterable[Path], recordings: Iterable[Path]) -> None:
    """Check that no file of results takes the place of a recording or of another result.

    Raises
    ------
    ConfigError
        one does
    """
    taken = {os.path.realpath(path): "a recording" for path in recordings}
    for path in results:
        place = os.path.realpath(path)
        if place in taken:
            raise ConfigError(f"{path}: is the place of {taken[place]} of this run; name another file")
        taken[place] = "another result"


def is_folder(given: str) -> bool:
    """Whether a user who writes this means a folder."""
    path = Path(given)
    return path.is_dir() or given.endswith(("/", "\\")) or (not path.exists() and not path.suffix)


def require_place(folder: Path) -> None:
    """Check that a folder can be made or written to and that no other run writes there, without making it.

    Raises
    ------
    OutputError
        it can't, or another run does
    """
    if folder.is_dir():
        with output_lock(folder):
            return
    above = next((parent for parent in folder.absolute().parents if parent.exists()), Path("/"))
    if folder.exists() or not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise OutputError(f"{folder}: folder can't be made in {above}; choose another place")


def require_parent(path: Path) -> None:
    """Check that a file can be made.

    Raises
    ------
    ConfigError
        its folder is missing
    """
    if not path.parent.is_dir():
        raise ConfigError(f"{path}: folder {path.parent} does not exist; make it, or choose another place")


def _refuse_recording_name(path: Path) -> None:
    if path.suffix.lower() in RECORDING_SUFFIXES:
        raise ConfigError(
            f"{path}: {path.suffix} is a recording's suffix, and results could replace one; choose another"
        )


def _guess(path: Path, is_device: bool) -> str:
    if is_device:
        return "table"
    # the longest suffix that fits: .label-studio.json before .json
    fitting = [name for name in FORMATS if path.name.lower().endswith(FORMATS[name].suffix)]
    if fitting:
        return max(fitting, key=lambda name: len(FORMATS[name].suffix))
    if path.suffix.lower() in ALSO:
        return ALSO[path.suffix.lower()]
    raise ConfigError(f"{path}: suffix {path.suffix!r} names no format; add --format, one of {', '.join(FORMATS)}")
