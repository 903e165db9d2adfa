"""Recordings that people labelled: audio files beside event lists in any format of ``flam.annotations``."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from flam.annotations import read_events
from flam.audio import RECORDING_SUFFIXES, find_recordings
from flam.core import AnnotationError, ConfigError, RecordingEvents
from flam.data.clip import Clip, Sound, cut_sounds
from flam.data.crop import read_crop
from flam.data.order import EpochOrder

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RecordingsConfig:
    """Labelled recordings; all of their sounds of the classes in use must be labelled.

    Parameters
    ----------
    audio : folder of the recordings
    events : one event list for all, or a folder of event lists, which may be the same as ``audio``
    format : of the event lists, see ``flam.annotations``; None to tell it from each file
    names : what to say for a label, such as "alarm bell ringing" for Alarm_bell_ringing; others are taken as they are
    """

    audio: Path
    events: Path
    format: str | None = None
    names: dict[str, str] = field(default_factory=dict)


class RecordingsSource:
    """Every recording once an epoch, a random part of it, with its events moved and cut.

    Event lists that can't be read and recordings that aren't there are left out, with a warning that counts them.

    Parameters
    ----------
    config : where they are
    n_samples, sample_rate : length N and rate of the clips
    key : seed

    Raises
    ------
    ConfigError : no recording has an event list
    AudioError, AnnotationError : the folder of the audio, or the one event list, can't be read
    """

    def __init__(self, config: RecordingsConfig, n_samples: int, sample_rate: int, key: tuple[int, ...]):
        self._n_samples, self._sample_rate = n_samples, sample_rate
        spans = labelled_recordings(config)
        if not spans:
            raise ConfigError(f"{config.events}: names no recording of {config.audio}; check both")
        self._paths = sorted(spans)
        self._sounds = [
            tuple(Sound(label, (), tuple(times)) for label, times in spans[path].items()) for path in self._paths
        ]
        self._order = EpochOrder(len(self._paths), key)

    def __len__(self) -> int:
        return len(self._paths)

    def clip(self, ordinal: int, rng: np.random.Generator) -> Clip:
        """As ``flam.data.clip.Source``."""
        item = self._order.item(ordinal)
        cut = read_crop(self._paths[item], self._n_samples, self._sample_rate, rng)
        sounds = cut_sounds(self._sounds[item], cut.start_s, self._n_samples / self._sample_rate)
        return Clip(cut.waveform, (), sounds)


def labelled_recordings(
    config: RecordingsConfig, on_problem: Callable[[str], None] = logger.warning
) -> dict[Path, dict[str, list[tuple[float, float]]]]:
    """The recordings that event lists name, each with the times of its labels; one without events has no label.

    Parameters
    ----------
    config : where they are
    on_problem : told, in one line each, of event lists that can't be read and of recordings that aren't there

    Raises
    ------
    AudioError, AnnotationError : the folder of the audio, or the one event list, can't be read

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Path(folder, "street.wav").touch()
    ...     _ = Path(folder, "street.txt").write_text("1.0\\t2.5\\tsiren\\n")
    ...     found = labelled_recordings(RecordingsConfig(Path(folder), Path(folder)))
    ...     {path.name: times for path, times in found.items()}
    {'street.wav': {'siren': [(1.0, 2.5)]}}
    """
    finder = _Finder(config.audio)
    spans: dict[Path, dict[str, list[tuple[float, float]]]] = {}
    missing = []
    for listed, folder in _read_lists(config, on_problem):
        path = finder.find(listed.recording, folder)
        if path is None:
            missing.append(listed.recording)
            continue
        by_label = spans.setdefault(path, {})
        for event in listed.events:
            label = config.names.get(event.prompt, event.prompt)
            by_label.setdefault(label, []).append((event.onset_s, event.offset_s))
    if missing:
        on_problem(f"{len(missing)} labelled recordings are not in {config.audio} and are left out: {missing[:3]}")
    return spans


class _Finder:
    """Finds recordings as event lists name them: by path, by name, or by name without its suffix.

    Of several with one name it takes the one beside the list.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self._by_name: dict[str, set[Path]] = {}
        for path in find_recordings([folder]):
            for name in {path.name, path.stem}:
                self._by_name.setdefault(name, set()).add(path)

    def find(self, recording: str, beside: Path) -> Path | None:
        path = self._folder / recording
        if path.is_file():
            return path
        name = Path(recording).name
        stem = Path(name).stem if Path(name).suffix.lower() in RECORDING_SUFFIXES else name
        found = self._by_name.get(name) or self._by_name.get(stem) or set()
        nearest = {path for path in found if path.parent == beside} if len(found) > 1 else found
        return next(iter(nearest)) if len(nearest) == 1 else None


def _read_lists(config: RecordingsConfig, on_problem: Callable[[str], None]) -> Iterator[tuple[RecordingEvents, Path]]:
    """What each list holds, and the folder that it lies in."""
    if not config.events.is_dir():
        for listed in read_events(config.events, config.format):
            yield listed, config.events.parent
        return
    unread = []
    for path in sorted(config.events.rglob("*")):
        if not path.is_file() or path.name.startswith(".") or path.suffix.lower() in RECORDING_SUFFIXES:
            continue
        try:
            for listed in read_events(path, config.format):
                yield listed, path.parent
        except AnnotationError as error:
            unread.append(str(error))
    if unread:
        on_problem(f"{len(unread)} event lists can't be read and are left out: {unread[0]}")
