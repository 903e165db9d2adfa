"""One recording from start to end: its scores streamed once, and events and tags made from them."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from flam.annotations.rows import spreadsheet_safe
from flam.audio import open_recording, start_time
from flam.audio.downmix import parse_channel
from flam.core import Event, FrameScores, RecordingEvents, atomic_path, atomic_text
from flam.core.progress import Progress
from flam.jobs.settings import DetectSettings

if TYPE_CHECKING:
    from flam.detection import Detector

RECORDER_ZONE = "recorder"  # times as its clock gave them
SUFFIX = ".tags.csv"


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
    n_samples = 0
    pieces = detector.stream(
        audio, prompts, settings.suppress, progress=progress, show_suppress=extras.plot is not None
    )
    for piece in pieces:
        n_samples += piece.n_samples
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
    duration_s = n_samples / detector.sample_rate
    return RecordingEvents(written_name(recording), duration_s, tuple(events), began, highest_rate)


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


@dataclass(frozen=True)
class Tags:
    """The best prompts of a recording.

    Parameters
    ----------
    recording : str
        As it was given.
    duration_s : float
        Its length in seconds.
    tags : tuple of (str, float)
        Prompt and score, the highest first.
    """

    recording: str
    duration_s: float
    tags: tuple[tuple[str, float], ...]


def tag_recording(
    detector: Detector,
    recording: Path,
    prompts: Sequence[str],
    n_tags: int = 3,
    threshold: float = 0.0,
    progress: Progress | None = None,
) -> Tags:
    """Find the prompts with the highest frame scores in a recording.

    Parameters
    ----------
    detector : Detector
        What listens.
    recording : Path
        The file.
    prompts : sequence of str
        Texts to choose from.
    n_tags : int
        At most so many.
    threshold : float
        Prompts whose score stays below are no tags.
    progress : callable, optional
        As for ``Detector.stream_scores``.

    Returns
    -------
    Tags
        With equal scores in the order of the prompts.

    Raises
    ------
    AudioError
        The recording can't be read.
    """
    highest = np.zeros(len(prompts), np.float32)
    end_s = 0.0
    for piece in detector.stream_scores(str(recording), prompts, progress=progress):
        highest = np.maximum(highest, piece.scores.max(axis=0, initial=0.0))
        end_s = piece.end_s
    order = np.argsort(-highest, kind="stable")[:n_tags]
    tags = tuple((prompts[k], float(highest[k])) for k in order if highest[k] > 0 and highest[k] >= threshold)
    name = str(recording).encode("utf-8", "replace").decode()
    return Tags(name, end_s, tags)


def write_tags(found: Sequence[Tags], file: TextIO, n_tags: int) -> None:
    """Write one row for each recording: its length, then tag and score by turns.

    Parameters
    ----------
    found : sequence of Tags
        The recordings.
    file : TextIO
        Opened for text.
    n_tags : int
        Columns of tags.

    Examples
    --------
    >>> import sys
    >>> write_tags([Tags("a.wav", 2.5, (("rain", 0.875),))], sys.stdout, 2)
    recording,duration_s,tag_1,score_1,tag_2,score_2
    a.wav,2.500,rain,0.875,,
    """
    writer = csv.writer(file, lineterminator="\n")
    columns = [name for number in range(1, n_tags + 1) for name in (f"tag_{number}", f"score_{number}")]
    writer.writerow(["recording", "duration_s", *columns])
    for row in found:
        cells = [cell for prompt, score in row.tags for cell in (spreadsheet_safe(prompt), f"{score:.3f}")]
        empty = [""] * (len(columns) - len(cells))
        writer.writerow([spreadsheet_safe(row.recording), f"{row.duration_s:.3f}", *cells, *empty])


def write_tags_beside(found: Tags, recording: Path, n_tags: int) -> Path:
    """Write the tags of one recording beside it, as ``NAME.tags.csv``; an earlier file is replaced.

    Parameters
    ----------
    found : Tags
        Of this recording.
    recording : Path
        The file.
    n_tags : int
        Columns of tags.

    Returns
    -------
    Path
        What was written.

    Raises
    ------
    OutputError
        It can't be written.
    """
    path = recording.with_name(recording.name + SUFFIX)
    with atomic_text(path) as file:
        write_tags([found], file, n_tags)
    return path
