"""Sound that is still going on, as blocks of mono samples: a microphone by name, standard input, a URL, a camera."""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal, Protocol

import numpy as np

from flam.audio.downmix import Channel, LiveMixer
from flam.core import AudioError, ConfigError
from flam.core.errors import require_extra

BLOCK_S = 0.1
# A network that says nothing for so long has gone.
TIMEOUT_S = 10.0
# Blocks that wait for a reader who is busy; beyond this the oldest are lost, and counted.
MOST_WAITING_BLOCKS = 600

PcmFormat = Literal["s16le", "f32le"]

logger = logging.getLogger(__name__)


class LiveInput(Protocol):
    """A source of sound; ``blocks`` opens it, and may be called again after it ended or failed.

    Attributes
    ----------
    name : str
        What users call it.
    is_endless : bool
        True for a source that has gone wrong if it ends: it is opened again.
    """

    name: str
    is_endless: bool

    def open(self) -> OpenInput:
        """Open the source.

        Raises
        ------
        AudioError
            If it can't be reached.
        """
        ...


@dataclass
class OpenInput:
    """An open source.

    Parameters
    ----------
    sample_rate : int
        Hz of the blocks.
    blocks : iterator of numpy.ndarray
        (n,) float32 arrays, full scale 1.0; closing it closes the source. Raises ``AudioError`` when the source fails.
    """

    sample_rate: int
    blocks: Iterator[np.ndarray]


class PcmInput:
    """Raw samples without a header, from standard input or any other file.

    Parameters
    ----------
    file : binary file
        What is read, in pieces as they come.
    sample_rate : int
        Hz.
    n_channels : int
        Interleaved channels.
    format : {"s16le", "f32le"}
        16-bit integers or 32-bit floats, low byte first.
    name : str
        What users call it.
    channel : {"auto", "mix"} or int
        How channels become one, see ``flam.audio.downmix.LiveMixer``.
    on_note : callable
        Told, in one line, where channels cancel or drown in their mean; by default logged as information.

    Examples
    --------
    >>> import io
    >>> opened = PcmInput(io.BytesIO(np.full(4, 16384, "<i2").tobytes()), 8000, n_channels=2).open()
    >>> np.concatenate(list(opened.blocks)).tolist()
    [0.5, 0.5]
    """

    is_endless = False

    def __init__(
        self,
        file: BinaryIO,
        sample_rate: int = 48_000,
        n_channels: int = 1,
        format: PcmFormat = "s16le",
        name: str = "standard input",
        channel: Channel = "auto",
        on_note: Callable[[str], None] = logger.info,
    ):
        if sample_rate < 1_000 or not 1 <= n_channels <= 64:
            raise ConfigError(f"{sample_rate} Hz and {n_channels} channels: needs at least 1000 Hz and 1..64 channels")
        if not isinstance(channel, str) and not 1 <= channel <= n_channels:
            raise ConfigError(f"{name}: has no channel {channel}; choose 1..{n_channels}, mix or auto")
        self.name, self.sample_rate = name, sample_rate
        self._file, self._n_channels, self._format = file, n_channels, format
        self._channel, self._on_note = channel, on_note

    def open(self) -> OpenInput:
        """Begin to read."""
        return OpenInput(self.sample_rate, self._blocks())

    def _blocks(self) -> Iterator[np.ndarray]:
        dtype = np.dtype("<i2" if self._format == "s16le" else "<f4")
        frame_bytes = dtype.itemsize * self._n_channels
        n_bytes = int(BLOCK_S * self.sample_rate) * frame_bytes
        read = getattr(self._file, "read1", self._file.read)  # what is there now, not all that was asked for
        mixer = _mixer(self.name, self.sample_rate, self._channel, self._on_note)
        held = b""
        while data := read(n_bytes):
            held += data
            n_whole = len(held) // frame_bytes * frame_bytes
            samples = np.frombuffer(held[:n_whole], dtype).reshape(-1, self._n_channels)
            held = held[n_whole:]
            if len(samples):
                scale = 1 / 32768 if self._format == "s16le" else 1.0
                yield mixer.mix(samples.astype(np.float32) * np.float32(scale))


class MicrophoneInput:
    """A microphone or line input, found by a part of its name, as numbers change when something is plugged in.

    Parameters
    ----------
    name : str
        Part of the device's name, in any case; empty for the system's default input.
    channel, on_note
        As for ``PcmInput``.
    """

    is_endless = True

    def __init__(self, name: str = "", channel: Channel = "auto", on_note: Callable[[str], None] = logger.info):
        require_extra("sounddevice", "live", "to listen to a microphone")
        self.name = name or "default microphone"
        self._wanted = name
        self._channel, self._on_note = channel, on_note

    def open(self) -> OpenInput:
        """Open the device at its own rate, with two channels where it has them, or as many as the chosen one needs.

        Raises
        ------
        AudioError
            If there is no such input, or several, or it can't be opened, or lacks the channel.
        """
        sounddevice = import_sounddevice()
        device = self._device(sounddevice)
        sample_rate = round(device["default_samplerate"])
        n_channels = self._n_channels(device["max_input_channels"])
        waiting: queue.Queue[np.ndarray] = queue.Queue(MOST_WAITING_BLOCKS)

        def take(samples: np.ndarray, frames: int, time: Any, status: Any) -> None:
            try:
                waiting.put_nowait(samples.copy())
            except queue.Full:
                waiting.get_nowait()
                waiting.put_nowait(samples.copy())

        try:
            stream = sounddevice.InputStream(
                samplerate=sample_rate,
                blocksize=round(BLOCK_S * sample_rate),
                device=device["index"],
                channels=n_channels,
                dtype="float32",
                callback=take,
            )
        except sounddevice.PortAudioError as error:
            raise AudioError(f"{self.name}: can't be opened ({error}); check that no other program holds it") from error
        mixer = _mixer(self.name, sample_rate, self._channel, self._on_note)
        return OpenInput(sample_rate, self._blocks(stream, waiting, mixer))

    def _n_channels(self, n_there: int) -> int:
        if isinstance(self._channel, str):
            if n_there > 2:
                self._on_note(f"{self.name}: has {n_there} channels, of which the first 2 are heard; choose another")
            return min(2, n_there)
        if not 1 <= self._channel <= n_there:
            raise AudioError(f"{self.name}: has no channel {self._channel}; choose 1..{n_there}, mix or auto")
        return self._channel

    def _device(self, sounddevice: Any) -> dict[str, Any]:
        inputs = [device for device in sounddevice.query_devices() if device["max_input_channels"] > 0]
        names = ", ".join(repr(device["name"]) for device in inputs) or "none"
        if not self._wanted:
            try:
                default: dict[str, Any] = sounddevice.query_devices(kind="input")
            except (sounddevice.PortAudioError, ValueError) as error:
                raise AudioError(f"no default microphone; inputs here: {names}") from error
            return default
        same = [device for device in inputs if device["name"].lower() == self._wanted.lower()]
        found = same or [device for device in inputs if self._wanted.lower() in device["name"].lower()]
        if len(found) != 1:
            reason = "several inputs are" if found else "no input is"
            raise AudioError(f"{reason} called {self._wanted!r}; name one of: {names}")
        return dict(found[0])

    def _blocks(self, stream: Any, waiting: queue.Queue[np.ndarray], mixer: LiveMixer) -> Iterator[np.ndarray]:
        with stream:
            while True:
                try:
                    yield mixer.mix(waiting.get(timeout=TIMEOUT_S))
                except queue.Empty:
                    raise AudioError(f"{self.name}: gives no more sound; check that it is still plugged in") from None


def _mixer(name: str, sample_rate: int, channel: Channel, on_note: Callable[[str], None]) -> LiveMixer:
    return LiveMixer(sample_rate, channel, lambda note: on_note(f"{name}: {note}"))


def import_sounddevice() -> Any:
    """The module that plays and records.

    Raises
    ------
    AudioError
        If the system has no PortAudio library for it.
    """
    try:
        import sounddevice
    except OSError as error:
        raise AudioError(f"sound devices can't be used ({error}); install PortAudio, such as libportaudio2") from error
    return sounddevice


class NetworkInput:
    """The sound of a web radio, a camera (RTSP) or any other address that FFmpeg knows; pictures are never asked for.

    Parameters
    ----------
    url : str
        Such as ``rtsp://camera/stream``, ``https://radio/stream.mp3`` or the path of a file, which is read as fast as
        it can be.
    channel, on_note
        As for ``PcmInput``.
    track : int, optional
        Audio track to hear, from 1 on; None is the first, and tells if there are more.
    """

    def __init__(
        self,
        url: str,
        channel: Channel = "auto",
        on_note: Callable[[str], None] = logger.info,
        track: int | None = None,
    ):
        require_extra("av", "media", "to listen to an address")
        self.name = self.url = url
        self._channel, self._on_note, self._track = channel, on_note, track
        self.is_endless = "://" in url and not url.startswith("file:")

    def open(self) -> OpenInput:
        """Connect.

        Raises
        ------
        AudioError
            If nothing answers, or there is no sound in it, or no such track or channel.
        """
        import av

        options = {}
        if self.url.startswith(("rtsp://", "rtsps://")):
            options = {"rtsp_transport": "tcp", "allowed_media_types": "audio"}
        try:
            container = av.open(self.url, options=options, timeout=(TIMEOUT_S, TIMEOUT_S), metadata_errors="ignore")
        except (av.error.FFmpegError, OSError) as error:
            raise AudioError(f"{self.name}: can't be opened ({error}); check the address") from error
        try:
            stream = self._stream(container)
        except AudioError:
            container.close()
            raise
        return OpenInput(stream.codec_context.sample_rate, self._blocks(container, stream))

    def _stream(self, container: Any) -> Any:
        tracks = container.streams.audio
        if not tracks:
            raise AudioError(f"{self.name}: has no sound; switch it on in the camera's settings")
        track = 1 if self._track is None else self._track
        if track > len(tracks):
            raise AudioError(f"{self.name}: has no audio track {track}; choose 1..{len(tracks)}")
        if self._track is None and len(tracks) > 1:
            self._on_note(f"{self.name}: has {len(tracks)} audio tracks, of which the first is heard; choose another")
        stream = tracks[track - 1]
        n_channels = stream.codec_context.channels
        if not isinstance(self._channel, str) and not 1 <= self._channel <= n_channels:
            raise AudioError(f"{self.name}: has no channel {self._channel}; choose 1..{n_channels}, mix or auto")
        return stream

    def _blocks(self, container: Any, stream: Any) -> Iterator[np.ndarray]:
        import av

        sample_rate = stream.codec_context.sample_rate
        mixer = _mixer(self.name, sample_rate, self._channel, self._on_note)
        resampler = av.AudioResampler(format="fltp", rate=sample_rate)
        form = None
        with container:
            try:
                for frame in container.decode(stream):
                    if (frame.format.name, frame.layout.name, frame.sample_rate) != form:  # which radios may change
                        form = frame.format.name, frame.layout.name, frame.sample_rate
                        resampler = av.AudioResampler(format="fltp", layout=frame.layout, rate=sample_rate)
                    for piece in resampler.resample(frame):
                        yield mixer.mix(np.ascontiguousarray(piece.to_ndarray().T))
            except (av.error.FFmpegError, OSError) as error:
                raise AudioError(f"{self.name}: broke off ({error}); check the connection") from error
