"""One recording from start to end: its scores streamed once, events and whatever else is wanted made from them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from flam.audio import open_recording, start_time
from flam.audio.downmix import parse_channel
from flam.core import Event, FrameScores, RecordingEvents, atomic_path
from flam.core.progress import Progress
from flam.jobs.settings import DetectSettings

if TYPE_CHECKING:
    from flam.detection import Detector

RECORDER_ZONE = "recorder"  # times as its clock gave them


@dataclass(frozen=True)
class Extras:
    """Where the picture and the scores of a recording go; None for what is not wanted."""

    plot: Path | None = None
    scores: Path | None = None

    def exist(self) -> bool:
        """Whether all that is wanted is there."""
        return all(path is None or path.exists() for path in (self.plot, self.scores))


def analyse(
    detector: Detector,
    recording: Path,
    settings: DetectSettings,
    extras: Extras,
    progress: Progress | None = None,
) -> RecordingEvents:
    """Find the events of a recording, and write its picture and scores where they are wanted.

    Scores are held in memory only for a picture or a file of scores.

    Raises
    ------
    AudioError
        the recording can't be read
    OutputError
        the picture or the scores can't be written
    """
    from flam.detection.source import audio_source

    prompts = settings.prompt_list
    opened = open_recording(recording, channel=parse_channel(settings.channel), track=settings.track)
    reducer = None
    audio: Any = opened
    if extras.plot is not None:
        from flam.plots.spectrogram import SpectrogramReducer

        rate = detector.grid.sample_rate
        source = audio_source(opened, rate)
        expected_s = None if source.n_samples is None else source.n_samples / rate
        reducer = SpectrogramReducer(rate, expected_s, highest_hz=source.own_rate / 2)
        audio = replace(source, blocks=_watched(source.blocks, reducer.push))
    kept: list[FrameScores] = []
    events: list[Event] = []
    end_s = 0.0
    pieces = detector.stream(
        audio, prompts, settings.suppress, progress=progress, show_suppress=extras.plot is not None
    )
    for piece in pieces:
        end_s = piece.scores.end_s
        events += piece.events
        if extras != Extras():
            kept.append(piece.scores)
    events.sort()
    if kept:
        scores = FrameScores.concatenate(kept)
        if extras.scores is not None:
            with atomic_path(extras.scores) as part:
                _first(scores, len(prompts.names)).save(part)
        if extras.plot is not None and reducer is not None:
            from flam.plots.detection import plot_detection

            title = written_name(Path(recording.name))
            plot_detection(reducer.finish(), scores, events, extras.plot, settings.suppress, title)
    began = recording_start(recording, settings.time_zone)
    # Raven's boxes reach up to half the rate
    highest_rate = opened.sample_rate if settings.format == "raven" else None
    return RecordingEvents(written_name(recording), end_s, tuple(events), began, highest_rate)


def _watched(blocks: Iterable[np.ndarray], watch: Callable[[np.ndarray], None]) -> Iterator[np.ndarray]:
    for block in blocks:
        watch(block)
        yield block


def recording_start(recording: Path, time_zone: str | None) -> datetime | None:
    """When a recording began, where that is asked for and known."""
    if time_zone is None:
        return None
    return start_time(recording, None if time_zone == RECORDER_ZONE else time_zone)


def written_name(recording: Path) -> str:
    """The path as results name it: a name that is not UTF-8 can be opened, but not written in a text file."""
    return os.fsencode(recording).decode("utf-8", "replace")


def _first(scores: FrameScores, n_prompts: int) -> FrameScores:
    """Without the columns that are only shown."""
    return replace(scores, scores=scores.scores[:, :n_prompts], prompts=scores.prompts[:n_prompts])
