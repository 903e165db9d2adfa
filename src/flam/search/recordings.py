"""What an archive knows of a recording."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Recording:
    """A recording of an archive and where its frames lie.

    Parameters
    ----------
    path : str
        Absolute path when it was read.
    size_bytes, mtime_ns : int
        Of the file when it was read.
    content_hash : str
        Of the file, so that a moved recording is known again.
    start_time : str or None
        When it began, ISO 8601, with or without a zone; None where nothing tells.
    sample_rate : int
        Hz of the file.
    n_samples : int
        Length at the model's sample rate.
    first_frame, n_frames : int
        Rows within its segment.
    clip_row : int
        Row of its pooled vector within its segment.
    problems : tuple of str
        What was reported of a recording that could be read only in part.
    """

    path: str
    size_bytes: int
    mtime_ns: int
    content_hash: str
    start_time: str | None
    sample_rate: int
    n_samples: int
    first_frame: int = 0
    n_frames: int = 0
    clip_row: int = 0
    problems: tuple[str, ...] = ()
