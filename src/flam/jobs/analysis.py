"""One recording from start to end: its scores streamed once, events and whatever else is wanted made from them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from flam.audio import open_recording, start_time
from flam.audio.downmix import Channel
from flam.core import FrameScores, RecordingEvents, atomic_path
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
    progress: Callable[[int, int | None], None] | None = None,
) -> RecordingEvents:
    """Find the events of a recording, and write its picture and scores where they are wanted.

    Scores are held in memory only for a picture or a file of scores.

    Raises
    ------
    AudioError : the recording can't be read
    OutputError : the picture or the scores can't be written
    """
    from flam.detection.binarize import binarize

    prompts = settings.prompt_list
    n_prompts = len(prompts.names)
    channel: Channel = int(settings.channel) if settings.channel.isdigit() else settings.channel  # type: ignore[assignment]
    opened = open_recording(recording, channel=channel, track=settings.track)
    pieces = detector.stream_scores(
        opened,
        prompts.texts,
        settings.suppress,
        progress=progress,
        show_suppress=extras.plot is not None,
    )
    kept: list[FrameScores] = []
    end_s = 0.0

    def watched(pieces: Iterable[FrameScores]) -> Iterator[FrameScores]:
        nonlocal end_s
        for piece in map(prompts.combine, pieces):
            end_s = piece.end_s
            if extras != Extras():
                kept.append(piece)
            yield _first(piece, n_prompts)

    events = tuple(prompts.finish(sorted(binarize(watched(pieces), detector.operating_point(prompts)))))
    if kept:
        scores = FrameScores.concatenate(kept)
        if extras.scores is not None:
            with atomic_path(extras.scores) as part:
                _first(scores, n_prompts).save(part)
        if extras.plot is not None:
            from flam.plots.detection import plot_detection

            plot_detection(recording, scores, events, extras.plot, settings.suppress)
    began = recording_start(recording, settings.time_zone)
    # Raven's boxes reach up to half the rate
    rate = opened.sample_rate if settings.format == "raven" else None
    return RecordingEvents(written_name(recording), end_s, events, began, rate)


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
