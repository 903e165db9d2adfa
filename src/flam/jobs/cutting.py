"""The events of many recordings, cut into files in the same tree as the results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from flam.audio import cut_clips
from flam.audio.cut import ClipFormat
from flam.core import AudioError, RecordingEvents


@dataclass(frozen=True)
class ClipCutter:
    """Cuts the events of a recording into files.

    Parameters
    ----------
    folder : Path
        Where the files go.
    padding_s : float
        Seconds before and after each event.
    format : {"flac", "wav"}
        Of the files.
    places : mapping of str to (Path, Path)
        By a recording's name in the results: the recording, and its path without suffix among the results.
    on_problem : callable
        Told, in one line, of a recording that can't be read any more.
    """

    folder: Path
    padding_s: float
    format: ClipFormat
    places: Mapping[str, tuple[Path, Path]]
    on_problem: Callable[[str], None]

    @property
    def identity(self) -> str:
        """A text that is equal where equal files would be written to the same place."""
        return f"{self.folder.absolute()} {self.padding_s} {self.format}"

    def __call__(self, recording: RecordingEvents) -> bool:
        """Cut the events out; tell whether that could be done.

        Raises
        ------
        OutputError
            A file can't be written.
        """
        path, name = self.places[recording.recording]
        if not recording.events:
            return True
        folder = self.folder / name.parent
        try:
            cut_clips(path, recording.events, folder, self.padding_s, self.format, stem=name.name)
        except AudioError as error:
            self.on_problem(f"{error}; its events are not cut out")
            return False
        return True
