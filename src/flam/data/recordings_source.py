"""Recordings that people labelled: audio files beside event lists in any format of ``flam.annotations``."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from flam.annotations import read_events
from flam.annotations.matching import RecordingFinder
from flam.annotations.parsing import clean_label, is_missing
from flam.audio import RECORDING_SUFFIXES, find_recordings, open_recording
from flam.core import AnnotationError, AudioError, ConfigError, Event, RecordingEvents
from flam.data.clip import Clip, Sound, cut_sounds, read_crop
from flam.data.order import EpochOrder

LARGEST_OVERHANG_S = 0.5

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RecordingsConfig:
    """Labelled recordings; all of their sounds of the classes in use must be labelled.

    Parameters
    ----------
    audio : Path
        folder of the recordings
    events : Path
        one event list for all, or a folder of event lists, which may be the same as ``audio``
    format : str | None, optional
        of the event lists, see ``flam.annotations``; None to tell it from each file
    names : dict[str, str], optional
        what to say for a label, such as "alarm bell ringing" for Alarm_bell_ringing; others are taken as they are
    label_column : str | None, optional
        of tables; None for the usual names
    """

    audio: Path
    events: Path
    format: str | None = None
    names: dict[str, str] = field(default_factory=dict)
    label_column: str | None = None


class RecordingsSource:
    """Every recording once an epoch, a random part of it, with its events moved and cut.

    Event lists that can't be read and recordings that aren't there are left out, with a warning that counts them.

    Parameters
    ----------
    config : RecordingsConfig
        where they are
    n_samples, sample_rate : int
        length N and rate of the clips
    key : tuple[int, ...]
        seed

    Raises
    ------
    ConfigError
        no recording has an event list
    AudioError, AnnotationError
        the folder of the audio, or the one event list, can't be read
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
        """As ``flam.data.clip.TrainingSource``."""
        item = self._order.item(ordinal)
        cut = read_crop(self._paths[item], self._n_samples, self._sample_rate, rng)
        sounds = cut_sounds(self._sounds[item], cut.start_s, self._n_samples / self._sample_rate)
        return Clip(cut.waveform, (), sounds)


def labelled_recordings(
    config: RecordingsConfig,
    on_problem: Callable[[str], None] = logger.warning,
    on_note: Callable[[str], None] = logger.info,
) -> dict[Path, dict[str, list[tuple[float, float]]]]:
    """The recordings that event lists name, each with the times of its labels; one without events has no label.

    Parameters
    ----------
    config : RecordingsConfig
        Where they are.
    on_problem : callable
        Called with a line for each event list or row that can't be read, recording that is missing, event behind the
        end of its recording, and event without a label.
    on_note : callable
        Called with a line for each assumption.

    Returns
    -------
    dict of Path to dict of str to list of tuple
        Recording to label to (onset_s, offset_s).

    Raises
    ------
    AudioError, AnnotationError
        The folder of the audio, or the one event list, can't be read.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "street.wav").touch()
    ...     _ = Path(folder, "street.txt").write_text("1.0\\t2.5\\tsiren\\n")
    ...     found = labelled_recordings(RecordingsConfig(Path(folder), Path(folder)))
    ...     {path.name: times for path, times in found.items()}
    {'street.wav': {'siren': [(1.0, 2.5)]}}
    """
    return match_lists(config, on_problem, on_note).spans


@dataclass
class MatchedLists:
    """What event lists say of the recordings that they name.

    Parameters
    ----------
    spans : dict
        Recording to label to (onset_s, offset_s).
    missing : list of str
        Names that no recording has.
    """

    spans: dict[Path, dict[str, list[tuple[float, float]]]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


def match_lists(
    config: RecordingsConfig, on_problem: Callable[[str], None], on_note: Callable[[str], None]
) -> MatchedLists:
    """As ``labelled_recordings``, together with the names that fit no recording."""
    finder = RecordingFinder(config.audio, find_recordings([config.audio]))
    matched = MatchedLists()
    ambiguous, scored, n_unlabelled, unlabelled_in = [], [], 0, ""
    for listed, list_path in _read_lists(config, on_problem, on_note):
        path = finder.find(listed.recording, list_path.parent)
        if path is None:
            if finder.is_ambiguous(listed.recording, list_path.parent):
                ambiguous.append(listed.recording)
            elif listed.events or not listed.recording.startswith(list_path.stem):
                matched.missing.append(listed.recording)
            continue
        by_label = matched.spans.setdefault(path, {})
        if listed.events and all(event.mean_score is not None for event in listed.events):
            scored.append(str(list_path))
        for event in _within(path, listed.events, list_path, on_problem):
            label = clean_label(config.names.get(event.prompt, event.prompt))
            if is_missing(label):
                n_unlabelled, unlabelled_in = n_unlabelled + 1, unlabelled_in or f"{list_path} at {event.onset_s:g} s"
            else:
                by_label.setdefault(label, []).append((event.onset_s, event.offset_s))
    _merge_cases(matched, on_note)
    if n_unlabelled:
        on_problem(f"{n_unlabelled} events have no label and are left out: the first in {unlabelled_in}; label them")
    if matched.missing:
        on_problem(
            f"{len(matched.missing)} labelled recordings are not in {config.audio} and are left out: "
            f"{matched.missing[:3]}"
        )
    if ambiguous:
        on_problem(
            f"{len(ambiguous)} labelled recordings are there more than once in {config.audio} and are left out: "
            f"{ambiguous[:3]}; write their folders too"
        )
    if scored:
        on_note(
            f"{len(set(scored))} event lists hold scores of a program, and are taken as labels that somebody has "
            f"checked: {scored[0]}; remove them if nobody has"
        )
    return matched


def _merge_cases(matched: MatchedLists, on_note: Callable[[str], None]) -> None:
    """Labels that differ in case alone are one, as most events spell it."""
    counts: Counter[str] = Counter()
    for by_label in matched.spans.values():
        counts.update({label: len(times) for label, times in by_label.items()})
    usual: dict[str, str] = {}
    for label, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        usual.setdefault(label.casefold(), label)
    changed = sorted(label for label in counts if usual[label.casefold()] != label)
    for by_label in matched.spans.values():
        for label in changed:
            if label in by_label:
                by_label.setdefault(usual[label.casefold()], []).extend(by_label.pop(label))
    if changed:
        on_note(
            f"{len(changed)} labels differ from others in case alone and are taken as those: "
            f"{changed[0]!r} as {usual[changed[0].casefold()]!r}"
        )


def _within(path: Path, events: Sequence[Event], list_path: Path, on_problem: Callable[[str], None]) -> list[Event]:
    """The events that begin within their recording, as far as its header tells its length."""
    if not events:
        return []
    try:
        with open_recording(path, lambda problem: None, lambda note: None) as recording:
            duration_s = recording.duration_s
    except AudioError:
        return list(events)  # told when it is read
    if duration_s is None:
        return list(events)
    inside = [event for event in events if event.onset_s < duration_s]
    if len(inside) < len(events):
        first = min(event.onset_s for event in events if event.onset_s >= duration_s)
        on_problem(
            f"{list_path}: {len(events) - len(inside)} events begin behind the end of {path.name}, the first at "
            f"{first:g} s of {duration_s:g} s, and are left out; check that times are seconds of this recording"
        )
    n_cut = sum(event.offset_s > duration_s + LARGEST_OVERHANG_S for event in inside)
    if n_cut:
        on_problem(
            f"{list_path}: {n_cut} events end behind the end of {path.name} at {duration_s:g} s, and are cut there; "
            "check that times are seconds of this recording"
        )
    return [replace(event, offset_s=min(event.offset_s, duration_s)) for event in inside]


def _read_lists(
    config: RecordingsConfig, on_problem: Callable[[str], None], on_note: Callable[[str], None]
) -> Iterator[tuple[RecordingEvents, Path]]:
    """What each list holds, and its path."""
    options: dict[str, Any] = {"on_problem": on_problem, "on_note": on_note, "label_column": config.label_column}
    if not config.events.is_dir():
        for listed in read_events(config.events, config.format, **options):
            yield listed, config.events
        return
    unread, untouched = [], []
    for path in sorted(config.events.rglob("*")):
        inside = path.relative_to(config.events).parts
        if not path.is_file() or any(part.startswith(".") for part in inside):
            continue
        if path.suffix.lower() in RECORDING_SUFFIXES or path.name.endswith(("settings.yaml", ".npz", ".png")):
            continue
        if is_untouched_result(path):
            untouched.append(str(path))
            continue
        try:
            for listed in read_events(path, config.format, **options):
                yield listed, path
        except AnnotationError as error:
            unread.append(str(error))
    if unread:
        on_problem(f"{len(unread)} event lists can't be read and are left out: {unread[0]}")
    if untouched:
        on_problem(
            f"{len(untouched)} results of flam detect, as it wrote them, are no labels and are left out: "
            f"{untouched[0]}; check and save them, or move them elsewhere"
        )


def is_untouched_result(path: Path) -> bool:
    """Whether a file is a result of ``flam detect`` that nobody has changed since.

    Results of many recordings have a hidden folder beside them, those in one file the settings of the run; both are
    written just after the results.
    """
    for folder in (path.parent, *path.parent.parents):
        memory = folder / ".flam" / path.relative_to(folder)
        if memory.with_name(f"{memory.name}.json").is_file():
            return _is_older(path, memory.with_name(f"{memory.name}.json"))
    settings = path.with_name(f"{path.name}.settings.yaml")
    return settings.is_file() and _is_older(path, settings)


def _is_older(path: Path, other: Path) -> bool:
    return path.stat().st_mtime <= other.stat().st_mtime + 1.0
