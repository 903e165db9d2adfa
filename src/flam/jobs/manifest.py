"""What a results folder remembers of each finished recording, so that a run that was stopped goes on where it was."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from flam.core import FlamError, OutputError, atomic_text, from_mapping, parse_json
from flam.jobs.inputs import Source

MEMORY = ".flam"


@dataclass(frozen=True)
class Finished:
    """A recording whose results are written.

    Parameters
    ----------
    recording : str
        absolute path
    size_bytes, mtime_ns : int
        of the recording when it was read
    settings : str
        ``DetectSettings.identity`` of the run
    n_events : int, default 0
        events found
    duration_s : float, default 0.0
        length of the recording
    problems : tuple[str, ...], default ()
        what was reported about a recording that could be read only in part
    clips : str, optional
        ``ClipCutter.identity`` of the files that its events were cut into
    """

    recording: str
    size_bytes: int
    mtime_ns: int
    settings: str
    n_events: int = 0
    duration_s: float = 0.0
    problems: tuple[str, ...] = ()
    clips: str = ""

    @staticmethod
    def expected(source: Source, settings: str) -> Finished:
        """What a finished recording's memory begins with, as the file is now.

        Raises
        ------
        OSError
            the recording is gone
        """
        status = source.path.stat()
        return Finished(os.path.realpath(source.path), status.st_size, status.st_mtime_ns, settings)

    def is_still(self, expected: Finished) -> bool:
        """Whether neither the recording nor the settings have changed."""
        mine, theirs = asdict(self), asdict(expected)
        return all(mine[key] == theirs[key] for key in ("recording", "size_bytes", "mtime_ns", "settings"))


class ResultsFolder:
    """A folder with one file of events per recording, and beside them the memory of what is finished.

    Parameters
    ----------
    folder : Path
        made by ``prepare``
    suffix : str
        of the files
    is_partial : bool, default False
        whether it only keeps what is finished until one file of all is written
    """

    def __init__(self, folder: Path, suffix: str, is_partial: bool = False):
        self.is_partial = is_partial
        self.folder = folder
        self.suffix = suffix

    def prepare(self) -> None:
        """Make the folder.

        Raises
        ------
        OutputError
            it can't be made
        """
        make_folder(self.folder / MEMORY)

    def forget(self) -> None:
        """Let every recording be done again; that their results are of this program stays known."""
        for path in (self.folder / MEMORY).rglob(f"*{self.suffix}.json"):
            with atomic_text(path):
                pass

    def is_foreign(self, name: Path) -> bool:
        """Whether there is a file where the events of a recording go, and no run of this program wrote it."""
        return self.events_path(name).exists() and not self._memory_path(name).exists()

    def claim(self, name: Path) -> None:
        """Note that the events of a recording are about to be written."""
        path = self._memory_path(name)
        make_folder(path.parent)
        with atomic_text(path):
            pass

    def events_path(self, name: Path) -> Path:
        """The file of events of a recording."""
        return self.folder / f"{name}{self.suffix}"

    def recall(self, name: Path) -> Finished | None:
        """What is remembered under a name; None where nothing is, or where the events are gone."""
        try:
            path = self._memory_path(name)
            finished = from_mapping(Finished, parse_json(path.read_bytes(), str(path)))
        except (OSError, FlamError):
            return None  # never written, or damaged: the recording is done again
        return finished if self.events_path(name).exists() else None

    def remember(self, name: Path, finished: Finished) -> None:
        """Note that the events of a recording, claimed before, are written."""
        with atomic_text(self._memory_path(name)) as file:
            json.dump(asdict(finished), file)

    def is_taken(self, source: Source, name: Path) -> bool:
        """Whether a name is kept for another recording, one that still exists."""
        finished = self.recall(name)
        return (
            finished is not None
            and finished.recording != os.path.realpath(source.path)
            and os.path.exists(finished.recording)
        )

    def _memory_path(self, name: Path) -> Path:
        return self.folder / MEMORY / f"{name}{self.suffix}.json"


def make_folder(folder: Path) -> None:
    """Make a folder and those above it.

    Raises
    ------
    OutputError
        it can't be made
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: folder can't be made ({error.strerror}); choose another place") from error
