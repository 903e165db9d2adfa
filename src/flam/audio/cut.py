"""Cutting found sounds out of a recording: a file for each, at the recording's own rate and channels."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile

from flam.audio.recording import open_recording
from flam.audio.sndfile import native_name
from flam.audio.start_time import start_time
from flam.audio.write import require_frames, write_problem
from flam.core import ConfigError, Event, OutputError, atomic_path, round_half_up

ClipFormat = Literal["flac", "wav"]
SUBTYPES = {"flac": "PCM_24", "wav": "FLOAT"}
MOST_FLAC_CHANNELS = 8
MOST_NAME_CHARACTERS = 60


def cut_clips(
    recording: str | Path,
    events: Iterable[Event],
    folder: str | Path,
    padding_s: float = 0.5,
    format: ClipFormat = "flac",
    stem: str | None = None,
) -> list[Path]:
    """Write each event of a recording to a file of its own, reading the recording once.

    The files keep sample rate and channels. FLAC holds 24 bits, in which samples beyond full scale, as lossy formats
    have them, are cut off; WAV holds 32-bit floats. What FLAC can't hold (more than 8 channels) becomes WAV.

    Parameters
    ----------
    recording : str or Path
        The file that the events are of.
    events : iterable of Event
        What to cut, in any order; their sounds may overlap.
    folder : str or Path
        Where the files go; it is made where it is missing.
    padding_s : float
        Seconds before and after each event, where the recording has them.
    format : {"flac", "wav"}
        Format of the files.
    stem : str, optional
        What the names begin with; None for the recording's name. See ``clip_name``.

    Returns
    -------
    list of Path
        The files, in the order of the events.

    Raises
    ------
    AudioError
        The recording can't be read.
    ConfigError
        A negative padding or an unknown format.
    OutputError
        A file can't be written.

    Examples
    --------
    >>> import tempfile
    >>> from flam.audio import write_audio
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_audio(f"{folder}/street.wav", np.zeros(16_000), 8_000)
    ...     [path] = cut_clips(f"{folder}/street.wav", [Event(0.5, 0.75, "car horn", 0.8, 0.93)], folder, padding_s=0.1)
    ...     path.name, soundfile.info(path).duration
    ('street_00000.50s_car-horn_0.93.flac', 0.45)
    """
    if format not in SUBTYPES:
        raise ConfigError(f"clip format {format!r} is not one of {', '.join(SUBTYPES)}; choose one of them")
    if not 0 <= padding_s < float("inf"):
        raise ConfigError(f"padding_s {padding_s} must be at least 0 and finite")
    recording, folder = Path(recording), Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: folder can't be made ({error.strerror}); choose another place") from error
    began = start_time(recording)
    with open_recording(recording, lambda problem: None) as opened, ExitStack() as open_clips:
        suffix = "wav" if opened.n_channels > MOST_FLAC_CHANNELS else format
        names = _unique([clip_name(recording.stem if stem is None else stem, event, began) for event in events])
        clips = [
            _Clip(folder / f"{name}.{suffix}", event, padding_s, opened.sample_rate, opened.n_channels)
            for event, name in zip(events, names, strict=True)
        ]
        waiting = sorted(clips, key=lambda clip: clip.start, reverse=True)
        running: list[_Clip] = []
        position = waiting[-1].start if waiting else 0
        for block in opened.blocks(position) if waiting else ():
            while waiting and waiting[-1].start < position + len(block):
                running.append(waiting.pop())
            for clip in running:
                clip.write(block, position, open_clips)
            position += len(block)
            running = [clip for clip in running if clip.stop > position]
            if not (waiting or running):
                break
        for clip in running:  # their padding goes beyond the end
            clip.finish()
    return [clip.path for clip in clips]


def clip_name(stem: str, event: Event, began: datetime | None = None) -> str:
    """Name a clip by where it comes from, when it begins, what it is and how sure that is.

    Parameters
    ----------
    stem : str
        Of the recording.
    event : Event
        The sound; the highest score counts.
    began : datetime, optional
        When the recording began, which adds the date and time of the sound.

    Returns
    -------
    str
        Without suffix; letters, digits, dots, dashes and underscores of any script.

    Examples
    --------
    >>> clip_name("night 3", Event(3600.5, 3602.0, "Tawny owl!", 0.7, 0.81), datetime(2024, 3, 10, 22))
    'night-3_03600.50s_2024-03-10T23-00-00_Tawny-owl_0.81'
    """
    parts = [_plain(stem), f"{event.onset_s:08.2f}s"]
    if began is not None:
        parts.append(f"{began + timedelta(seconds=event.onset_s):%Y-%m-%dT%H-%M-%S}")
    parts.append(_plain(event.prompt))
    if event.max_score is not None:
        parts.append(f"{event.max_score:.2f}")
    return "_".join(part for part in parts if part)


class _Clip:
    """A file that is being written, and its place in samples of the recording."""

    def __init__(self, path: Path, event: Event, padding_s: float, sample_rate: int, n_channels: int):
        self.path = path
        self.start = round_half_up(max(event.onset_s - padding_s, 0.0) * sample_rate)
        # an event without length and padding is one sample, as FLAC holds no empty file
        self.stop = max(round_half_up((event.offset_s + padding_s) * sample_rate), self.start + 1)
        self._shape = sample_rate, n_channels
        self._writing: ExitStack | None = None

    def write(self, block: np.ndarray, position: int, open_clips: ExitStack) -> None:
        """Write the part of a block, whose first sample is at ``position``, that belongs to the clip."""
        if self._writing is None:
            self._writing = open_clips.enter_context(ExitStack())
            self._part = self._writing.enter_context(atomic_path(self.path))
            self._file, self._n_written = self._open(self._part), 0
            self._writing.callback(self._file.close)
        piece = block[max(self.start - position, 0) : self.stop - position]
        try:
            self._file.write(piece if self.path.suffix == ".wav" else np.clip(piece, -1.0, 1.0))
        except (OSError, ValueError, AssertionError, soundfile.SoundFileError) as error:
            raise self._failed(error) from error
        self._n_written += len(piece)
        if position + len(block) >= self.stop:
            self.finish()

    def finish(self) -> None:
        """Close the file and give it its name."""
        if self._writing is not None:
            self._file.close()
            try:
                require_frames(self._part, self._n_written)
            except OSError as error:
                raise self._failed(error) from error
            self._writing.close()

    def _open(self, part: Path) -> soundfile.SoundFile:
        kind = self.path.suffix.removeprefix(".")
        try:
            return soundfile.SoundFile(native_name(part), "w", *self._shape, SUBTYPES[kind], format=kind.upper())
        except (OSError, ValueError, soundfile.SoundFileError) as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> OutputError:
        reason = write_problem(error, self._part)
        return OutputError(f"{self.path}: can't be written ({reason}); check the permissions and the free space")


def _plain(text: str) -> str:
    """Words of any script joined by dashes, safe in a file name of any system."""
    kept = re.sub(r"[^\w.]+", "-", unicodedata.normalize("NFC", text)).strip("-._")
    return kept[:MOST_NAME_CHARACTERS].encode()[: 2 * MOST_NAME_CHARACTERS].decode(errors="ignore")


def _unique(names: Sequence[str]) -> list[str]:
    """Names that differ even where case does not count."""
    taken: set[str] = set()
    result = []
    for name in names:
        number, unique = 2, name
        while unique.casefold() in taken:
            unique, number = f"{name}-{number}", number + 1
        taken.add(unique.casefold())
        result.append(unique)
    return result
