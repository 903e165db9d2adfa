"""Opening a recording and reading it in blocks, whatever its format, rate and channels."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np
import soundfile

from flam.audio.byte_source import ByteSource, Part
from flam.audio.combined import Reader, Sequel, Tracks
from flam.audio.downmix import Channel, mono_stream
from flam.audio.joined import layout
from flam.audio.resample import resample_blocks
from flam.audio.sndfile import SndfileReader
from flam.core import AudioError
from flam.core.placeholders import HEAD_BYTES, placeholder

BLOCK_SAMPLES = 65_536
LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 1_000, 1_000_000
# Recorders of floating point may go beyond full scale, 1.0, but not by 48 dB.
LARGEST_SAMPLE = 256.0

logger = logging.getLogger(__name__)

# what can be opened: the path of a file, its bytes, or a binary file object
Openable = str | Path | bytes | bytearray | memoryview | BinaryIO


class Recording:
    """A recording to read from; ``open_recording`` makes one, leaving its ``with`` closes unfinished readings.

    Attributes
    ----------
    path : Path
        The file; for one in memory, a name for messages.
    sample_rate : int
        Hz, as stored.
    n_channels : int
        Channels, as stored; of several audio tracks together.
    n_samples : int or None
        Length in samples, as the header states; None where a container does not say exactly.
    duration_s : float or None
        Length in seconds, as the header states; None where it does not.
    """

    def __init__(
        self,
        source: ByteSource,
        reader: Reader,
        on_problem: Callable[[str], None],
        on_note: Callable[[str], None],
        channel: Channel,
    ):
        self.path = source.path if source.path is not None else Path(source.name)
        self.sample_rate = reader.sample_rate
        self.n_channels = reader.n_channels
        self.n_samples = reader.n_samples
        self.duration_s = reader.duration_s
        self._source = source
        self._n_bytes = source.size()
        self._reader = reader
        self._on_problem = on_problem
        self._on_note = on_note
        self._channel = channel
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
        start_sample : int, default 0
            position at the recording's own rate; at or beyond the end gives no blocks
        block_samples : int, optional
            length of all blocks but the last

        Returns
        -------
        Iterator[np.ndarray]
            iterator of (n, channels) float32 arrays, full scale is 1.0

        Raises
        ------
        AudioError
            a negative position, a block length below 1, a sample that is NaN or infinite, or a file of which nothing at
            all can be decoded
        """
        if start_sample < 0 or block_samples < 1:
            raise AudioError(
                f"{self.path}: start_sample {start_sample} must be at least 0 and block_samples {block_samples} at "
                "least 1"
            )
        position, reading, peak = start_sample, self._reader.blocks(start_sample, block_samples), 0.0
        self._readings.append(reading)
        for block in reading:
            peak = max(peak, float(np.abs(block).max(initial=0.0)))  # NaN is never larger
            self._require_finite(block, position)
            position += len(block)
            yield block
        if peak > LARGEST_SAMPLE:
            self._on_problem(
                f"{self.path}: its samples reach {peak:.0f} where full scale is 1.0, as if they were integers; "
                "divide them by 32768, or export the recording again"
            )
        self._tell_growth()

    def mono_blocks(self, sample_rate: int = 48_000, block_samples: int = BLOCK_SAMPLES) -> Iterator[np.ndarray]:
        """Read the whole recording as mono at a chosen rate.

        Parameters
        ----------
        sample_rate : int
            Hz of the result.
        block_samples : int
            Samples read at a time, at the recording's own rate; it does not change the result.

        Returns
        -------
        iterator of np.ndarray
            (n,) float32.

        Raises
        ------
        AudioError
            As ``blocks``.
        """
        return resample_blocks(self.own_rate_mono_blocks(block_samples), self.sample_rate, sample_rate)

    def own_rate_mono_blocks(self, block_samples: int = BLOCK_SAMPLES) -> Iterator[np.ndarray]:
        """Read the whole recording as mono at its own rate; see ``mono_blocks``."""
        blocks = self.blocks(block_samples=block_samples)
        return mono_stream(blocks, self.sample_rate, self._channel, lambda note: self._on_note(f"{self.path}: {note}"))

    def _tell_growth(self) -> None:
        try:
            n_bytes = self._source.size()
        except OSError:  # it is gone, but was read
            return
        if n_bytes > self._n_bytes:
            share = (n_bytes - self._n_bytes) / n_bytes
            self._on_problem(
                f"{self.path}: grew from {self._n_bytes} to {n_bytes} bytes while it was read, so {share:.0%} of it "
                "was not heard; do it again when it is finished"
            )

    def _require_finite(self, block: np.ndarray, position: int) -> None:
        finite = np.isfinite(block)
        if not finite.all():
            row, channel = (int(index[0]) for index in np.nonzero(~finite))
            raise AudioError(
                f"{self.path}: sample {position + row} ({(position + row) / self.sample_rate:.3f} s) of channel "
                f"{channel + 1} is {block[row, channel]}; samples must be finite numbers; export the recording again"
            )


def open_recording(
    audio: Openable,
    on_problem: Callable[[str], None] = logger.warning,
    on_note: Callable[[str], None] = logger.info,
    channel: Channel = "auto",
    track: int | None = None,
) -> Recording:
    """Open an audio or video file for reading.

    libsndfile reads wav, flac, ogg, opus, mp3, aiff, caf, w64 and au; everything else (m4a, mp4, mkv, webm, ...) goes
    to FFmpeg through PyAV, which the extra ``media`` installs.

    Parameters
    ----------
    audio : str, Path, bytes or binary file object
        The recording. A file object is read from where it stands, and must stay open while it is read.
    on_problem : callable
        Told, in one line, of a file that can be read only in part; by default a logged warning.
    on_note : callable
        Told, in one line, where a file is read whole but not as it seems: several recordings in a row, a header that
        does not count its samples, several tracks, channels that cancel in their mean. By default logged as
        information.
    channel : {"auto", "mix"} or int
        How ``mono_blocks`` mixes channels, see ``flam.audio.downmix.mono_stream``.
    track : int, optional
        Audio track of a video to hear, from 1 on; None hears all of them.

    Returns
    -------
    Recording

    Raises
    ------
    AudioError
        The file is missing, empty, not readable, or holds no audio that can be decoded.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     soundfile.write(f"{folder}/a.wav", np.zeros((44100, 2)), 44100)
    ...     with open_recording(f"{folder}/a.wav") as recording:
    ...         print(recording.sample_rate, recording.n_channels, recording.duration_s)
    44100 2 1.0
    """
    source = ByteSource(audio)
    _require_readable(source)
    reader = _reader(source, on_problem, on_note, track)
    if not LOWEST_RATE_HZ <= reader.sample_rate <= HIGHEST_RATE_HZ:
        raise AudioError(
            f"{source.name}: sample rate {reader.sample_rate} Hz is not within {LOWEST_RATE_HZ}..{HIGHEST_RATE_HZ} Hz; "
            "correct the file's header"
        )
    if not isinstance(channel, str) and not 1 <= channel <= reader.n_channels:
        raise AudioError(f"{source.name}: has no channel {channel}; choose 1..{reader.n_channels}, mix or auto")
    return Recording(source, reader, on_problem, on_note, channel)


def mono_blocks(
    path: Openable,
    sample_rate: int = 48_000,
    block_samples: int = BLOCK_SAMPLES,
    on_problem: Callable[[str], None] = logger.warning,
    on_note: Callable[[str], None] = logger.info,
    channel: Channel = "auto",
) -> Iterator[np.ndarray]:
    """Stream a file as mono at a chosen rate; it is never whole in memory.

    Parameters
    ----------
    path : Openable
        the file
    sample_rate : int, default 48000
        Hz of the result
    block_samples : int, optional
        samples read at a time, at the file's own rate; it does not change the result
    on_problem : Callable[[str], None], optional
        as for ``open_recording``

    Returns
    -------
    Iterator[np.ndarray]
        iterator of (n,) float32 arrays

    Raises
    ------
    AudioError
        as ``open_recording`` and ``Recording.blocks``, at the first step of the iteration or later

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     soundfile.write(f"{folder}/a.flac", np.zeros((44100, 2)), 44100)
    ...     sum(len(block) for block in mono_blocks(f"{folder}/a.flac", sample_rate=48000))
    48000
    """
    with open_recording(path, on_problem, on_note, channel) as recording:
        yield from recording.mono_blocks(sample_rate, block_samples)


def read_audio(
    path: Openable,
    sample_rate: int = 48_000,
    on_problem: Callable[[str], None] = logger.warning,
    on_note: Callable[[str], None] = logger.info,
    channel: Channel = "auto",
) -> np.ndarray:
    """Read a whole file as mono at a chosen rate.

    Parameters
    ----------
    path : Openable
        the file
    sample_rate : int, default 48000
        Hz of the result
    on_problem : Callable[[str], None], optional
        as for ``open_recording``

    Returns
    -------
    np.ndarray
        (N,) float32 array

    Raises
    ------
    AudioError
        as ``open_recording`` and ``Recording.blocks``

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     soundfile.write(f"{folder}/a.wav", np.zeros(8000), 8000)
    ...     read_audio(f"{folder}/a.wav", sample_rate=48000).shape
    (48000,)
    """
    blocks = mono_blocks(path, sample_rate, on_problem=on_problem, on_note=on_note, channel=channel)
    return np.concatenate([np.zeros(0, np.float32), *blocks])


def _require_readable(source: ByteSource) -> None:
    path = source.path
    try:
        if path is not None and path.exists() and not path.is_file():
            kind = "a folder" if path.is_dir() else "not a regular file"
            raise AudioError(f"{path}: is {kind}; give the path of an audio or video file")
        with source.open() as file:
            head = file.read(HEAD_BYTES)
    except FileNotFoundError as error:
        raise AudioError(f"{path}: no such file; check the path") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise AudioError(f"{source.name}: can't be opened ({reason}); check the path and its permissions") from error
    if not head:
        raise AudioError(f"{source.name}: is empty, 0 bytes; a recording needs at least a header; copy it again")
    if (what := placeholder(head)) is not None:
        raise AudioError(f"{source.name}: {what}")


def _reader(
    source: ByteSource, on_problem: Callable[[str], None], on_note: Callable[[str], None], track: int | None
) -> Reader:
    try:
        with source.open() as file:
            found = layout(file)
        readers = _sndfile_readers(source, found.recordings, on_problem)
    except soundfile.LibsndfileError:
        return _media_reader(source, on_problem, on_note, track)
    if track not in (None, 1):
        raise AudioError(f"{source.name}: has no audio track {track}; it has one, so leave the track out")
    for problem in found.problems:
        on_problem(f"{source.name}: {problem}; copy or export it again")
    for note in found.notes:
        on_note(f"{source.name}: {note}")
    return readers[0] if len(readers) == 1 else Sequel(readers, source.name, on_problem)


def _sndfile_readers(
    source: ByteSource, recordings: list[list[Part] | None], on_problem: Callable[[str], None]
) -> list[Reader]:
    readers: list[Reader] = []
    for number, parts in enumerate(recordings, start=1):
        try:
            readers.append(SndfileReader(source, on_problem, parts))
        except soundfile.LibsndfileError as error:
            if number == 1:
                raise
            on_problem(
                f"{source.name}: its recording {number} of {len(recordings)} can't be read and is left out "
                f"({error.error_string.rstrip('.')}); copy or export it again"
            )
    return readers


def _media_reader(
    source: ByteSource, on_problem: Callable[[str], None], on_note: Callable[[str], None], track: int | None
) -> Reader:
    from flam.audio.media import MediaReader

    first = MediaReader(source, on_problem, 1 if track is None else track)
    if track is not None or first.n_tracks == 1:
        return first
    tracks: list[Reader] = [first]
    for number in range(2, first.n_tracks + 1):
        try:
            tracks.append(MediaReader(source, on_problem, number))
        except AudioError as error:
            on_problem(str(error))
    on_note(f"{source.name}: has {len(tracks)} audio tracks, which are heard together; choose one by its number")
    return Tracks(tracks, source.name, on_problem)
