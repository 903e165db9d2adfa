"""What a whole recording holds: the prompts that score highest anywhere in it."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import numpy as np

from flam.annotations.rows import spreadsheet_safe
from flam.core import atomic_text
from flam.core.progress import Progress

if TYPE_CHECKING:
    from flam.detection import Detector

SUFFIX = ".tags.csv"


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
