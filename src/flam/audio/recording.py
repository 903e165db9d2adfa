"""Opening a recording and reading it in blocks, whatever its format, rate and channels."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from types import TracebackType
from typing import Protocol

import numpy as np
import soundfile

from flam.audio.resample import resample_blocks
from flam.audio.sndfile import SndfileReader
from flam.core import AudioError

BLOCK_SAMPLES = 65_536
LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 1_000, 1_000_000

logger = logging.getLogger(__name__)


class Reader(Protocol):
    """What a format's reader offers; positions are samples at the recording's own rate."""

    sample_rate: int
    n_channels: int
    n_samples: int | None
    duration_s: float | None

    def blocks(self, start_sample: int, block_samples: int) -> Generator[np.ndarray]: ...


class Recording:
    """A recording to read from; ``open_recording`` makes one, leaving its ``with`` closes unfinished readings.

    Attributes
    ----------
    path : the file
    sample_rate : Hz, as stored
    n_channels : channels, as stored
    n_samples : length in samples, as the header states; None where a container does not say exactly
    duration_s : length in seconds, as the header states; None where it does not
    """

    def __init__(self, path: Path, reader: Reader):
        self.path = path
        self.sample_rate = reader.sample_rate
        self.n_channels = reader.n_channels
        self.n_samples = reader.n_samples
        self.duration_s = reader.duration_s
        self._reader = reader
        self._readings: list[Generator[np.ndarray]] = []

    def __enter__(self) -> Recording:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the readings that were not read to their end."""
        for reading in self._readings:
            reading.close()
        self._readings.clear()

    def blocks(self, start_sample: int = 0, block_samples: int = BLOCK_SAMPLES) -> Iterator[np.ndarray]:
        """Read from a position to the end.

        A file that holds less than its header promises is read to where it ends, then reported to ``on_problem``.

        Parameters
        ----------
        start_sample : position at the recording's own rate; at or beyond the end gives no blocks
        block_samples : length of all blocks but the last

        Returns
        -------
        iterator of (n, channels) float32 arrays, full scale is 1.0

        Raises
        ------
        AudioError : a negative position, a block length below 1, a sample that is NaN or infinite, or a file of which
            nothing at all can be decoded
        """
        if start_sample < 0 or block_samples < 1:
            raise AudioError(
                f"{self.path}: start_sample {start_sample} must be at least 0 and block_samples {block_samples} at "
                "least 1"
            )
        position, reading = start_sample, self._reader.blocks(start_sample, block_samples)
        self._readings.append(reading)
        for block in reading:
            self._require_finite(block, position)
            position += len(block)
            yield block

    def mono_blocks(self, sample_rate: int = 48_000, block_samples: int = BLOCK_SAMPLES) -> Iterator[np.ndarray]:
        """Read the whole recording as mono (the mean of its channels) at a chosen rate.

        Parameters
        ----------
        sample_rate : Hz of the result
        block_samples : samples read at a time, at the recording's own rate; it does not change the result

        Returns
        -------
        iterator of (n,) float32 arrays

        Raises
        ------
        AudioError : as ``blocks``
        """
        mono = (downmix(block) for block in self.blocks(block_samples=block_samples))
        return resample_blocks(mono, self.sample_rate, sample_rate)

    def _require_finite(self, block: np.ndarray, position: int) -> None:
        finite = np.isfinite(block)
        if not finite.all():
            row, channel = (int(index[0]) for index in np.nonzero(~finite))
            raise AudioError(
                f"{self.path}: sample {position + row} ({(position + row) / self.sample_rate:.3f} s) of channel "
                f"{channel + 1} is {block[row, channel]}; samples must be finite numbers; export the recording again"
            )


def open_recording(path: str | Path, on_problem: Callable[[str], None] = logger.warning) -> Recording:
    """Open an audio or video file for reading.

    libsndfile reads wav, flac, ogg, opus, mp3, aiff, caf, w64 and au; everything else (m4a, mp4, mkv, webm, ...) goes
    to FFmpeg through PyAV, which the extra ``media`` installs.

    Parameters
    ----------
    path : the file
    on_problem : told, in one line, of a file that can be read only in part; by default a logged warning

    Raises
    ------
    AudioError : the file is missing, empty, not readable, or holds no audio that can be decoded

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     soundfile.write(f"{folder}/a.wav", np.zeros((44100, 2)), 44100)
    ...     with open_recording(f"{folder}/a.wav") as recording:
    ...         print(recording.sample_rate, recording.n_channels, recording.duration_s)
    44100 2 1.0
    """
    path = Path(path)
    _require_readable(path)
    reader = _reader(path, on_problem)
    if not LOWEST_RATE_HZ <= reader.sample_rate <= HIGHEST_RATE_HZ:
        raise AudioError(
            f"{path}: sample rate {reader.sample_rate} Hz is not within {LOWEST_RATE_HZ}..{HIGHEST_RATE_HZ} Hz; "
            "correct the file's header"
        )
    return Recording(path, reader)


def mono_blocks(
    path: str | Path,
    sample_rate: int = 48_000,
    block_samples: int = BLOCK_SAMPLES,
    on_problem: Callable[[str], None] = logger.warning,
) -> Iterator[np.ndarray]:
    """Stream a file as mono at a chosen rate; it is never whole in memory.

    Parameters
    ----------
    path : the file
    sample_rate : Hz of the result
    block_samples : samples read at a time, at the file's own rate; it does not change the result
    on_problem : as for ``open_recording``

    Returns
    -------
    iterator of (n,) float32 arrays

    Raises
    ------
    AudioError : as ``open_recording`` and ``Recording.blocks``, at the first step of the iteration or later

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     soundfile.write(f"{folder}/a.flac", np.zeros((44100, 2)), 44100)
    ...     sum(len(block) for block in mono_blocks(f"{folder}/a.flac", sample_rate=48000))
    48000
    """
    with open_recording(path, on_problem) as recording:
        yield from recording.mono_blocks(sample_rate, block_samples)


def read_audio(
    path: str | Path, sample_rate: int = 48_000, on_problem: Callable[[str], None] = logger.warning
) -> np.ndarray:
    """Read a whole file as mono at a chosen rate.

    Parameters
    ----------
    path : the file
    sample_rate : Hz of the result
    on_problem : as for ``open_recording``

    Returns
    -------
    (N,) float32 array

    Raises
    ------
    AudioError : as ``open_recording`` and ``Recording.blocks``

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     soundfile.write(f"{folder}/a.wav", np.zeros(8000), 8000)
    ...     read_audio(f"{folder}/a.wav", sample_rate=48000).shape
    (48000,)
    """
    return np.concatenate([np.zeros(0, np.float32), *mono_blocks(path, sample_rate, on_problem=on_problem)])


def downmix(block: np.ndarray) -> np.ndarray:
    """Mean of the channels.

    Parameters
    ----------
    block : (n, channels) float32 array

    Returns
    -------
    (n,) float32 array

    >>> downmix(np.array([[0.5, 0.0], [1.0, -1.0]], np.float32)).tolist()
    [0.25, 0.0]
    """
    mono = block[:, 0].copy()
    for channel in range(1, block.shape[1]):
        mono += block[:, channel]
    return mono / np.float32(block.shape[1]) if block.shape[1] > 1 else mono


def _require_readable(path: Path) -> None:
    try:
        if path.exists() and not path.is_file():
            kind = "a folder" if path.is_dir() else "not a regular file"
            raise AudioError(f"{path}: is {kind}; give the path of an audio or video file")
        with open(path, "rb") as file:
            is_empty = not file.read(1)
    except FileNotFoundError as error:
        raise AudioError(f"{path}: no such file; check the path") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise AudioError(f"{path}: can't be opened ({reason}); check the path and its permissions") from error
    if is_empty:
        raise AudioError(f"{path}: is empty, 0 bytes; a recording needs at least a header; copy it again")


def _reader(path: Path, on_problem: Callable[[str], None]) -> Reader:
    try:
        reader = SndfileReader(path, on_problem)
    except soundfile.LibsndfileError:
        return _media_reader(path, on_problem)
    if reader.may_stop_early and importlib.util.find_spec("av") is not None:
        return _media_reader(path, on_problem)
    return reader


def _media_reader(path: Path, on_problem: Callable[[str], None]) -> Reader:
    from flam.audio.media import MediaReader

    return MediaReader(path, on_problem)
