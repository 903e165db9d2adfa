"""Event lists of many files by recording, whatever the format and however the recordings are named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PureWindowsPath

from flam.annotations import read_events
from flam.audio import RECORDING_SUFFIXES
from flam.core import AnnotationError, ConfigError, Event

PASSED_OVER = (".yaml", ".npz", ".png", ".md", ".html", ".parquet", ".sqlite")


def read_event_lists(path: str | Path, on_problem: Callable[[str], None]) -> dict[str, list[Event]]:
    """Read a file of events, or all such files of a folder and below.

    Parameters
    ----------
    path : str or Path
        A file in any format that is read, or a folder.
    on_problem : callable
        Told of each file of a folder that can't be read.

    Returns
    -------
    dict of str to list of Event
        By recording, see ``recording_key``; a recording without events has an empty list.

    Raises
    ------
    AnnotationError
        A single file can't be read.
    ConfigError
        Nothing is there.
    """
    path = Path(path)
    if not path.exists():
        raise ConfigError(f"{path}: no such file or folder of events; check the path")
    found: dict[str, list[Event]] = {}
    for file in _files(path):
        try:
            recordings = read_events(file)
        except AnnotationError as error:
            if not path.is_dir():
                raise
            on_problem(str(error))
            continue
        for recording in recordings:
            found.setdefault(recording_key(recording.recording), []).extend(recording.events)
    if not found:
        raise ConfigError(f"{path}: holds no event list; name a file or folder of events")
    return found


def recording_key(name: str) -> str:
    r"""What tells a recording from others: its name without folders of any system, suffix and case.

    Examples
    --------
    >>> recording_key(r"D:\site\Night.01.WAV"), recording_key("site/night.01")
    ('night.01', 'night.01')
    """
    path = Path(PureWindowsPath(name).name)
    is_audio = path.suffix.lower() in RECORDING_SUFFIXES
    return (path.stem if is_audio else path.name).casefold()


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    suffixes = (*PASSED_OVER, *RECORDING_SUFFIXES)
    return sorted(
        file
        for file in path.rglob("*")
        if file.is_file()
        and file.suffix.lower() not in suffixes
        and not any(part.startswith(".") for part in file.relative_to(path).parts)
    )
