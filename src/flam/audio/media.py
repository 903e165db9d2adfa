"""Reading m4a, mp4, mkv, webm and other video containers with FFmpeg, through PyAV."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from flam.audio.byte_source import ByteSource, Part
from flam.audio.combined import conform, reblock
from flam.core import AudioError, round_half_up

if TYPE_CHECKING:
    from av import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer

AV_TIME_BASE = 1_000_000  # FFmpeg's unit of container times, per second

# Holes in the time stamps are lost packets and become silence: from less than one packet (about 20 ms) but more than
# the rounding of time stamps (1 ms), up to what can only be a damaged time stamp.
SHORTEST_GAP_S, LONGEST_GAP_S = 0.015, 3600.0
# A codec that overlaps its frames needs some of them before its output is right.
PREROLL_S = 0.25
DURATION_TOLERANCE_S = 0.2


class MediaReader:
    """One audio track of a file that FFmpeg understands; each reading opens it for itself.

    Sample 0 is the start of the container's time axis, as a player shows it: the encoder's delay (priming) is cut off
    where the container states it (mp4, m4a, mov, mkv, webm), and an audio stream that starts late starts with silence.
    Raw ``.aac``, MPEG-TS and mp4 without an edit list do not state it; there times are late by the encoder's delay, 21
    to 44 ms. Where rate or channels change within the track, what follows is converted to those it began with.

    Parameters
    ----------
    source : ByteSource
        Bytes to decode.
    on_problem : callable
        Told, in one line, what is wrong with a file that can be read only in part.
    track : int
        Number of the audio track, from 1 on.
    parts : sequence of Part, optional
        Parts of the bytes that make up the recording; all by default.

    Raises
    ------
    AudioError
        PyAV is not installed, or FFmpeg finds no such audio track that it can decode.
    """

    def __init__(
        self, source: ByteSource, on_problem: Callable[[str], None], track: int = 1, parts: Sequence[Part] | None = None
    ):
        self.name = source.name
        self._source = source
        self._track = track
        self._parts = parts
        self._on_problem = on_problem
        self._has_changed = False
        container, stream = self._open()
        with container:
            self.n_tracks = len(container.streams.audio)
            self.sample_rate: int = stream.codec_context.sample_rate
            self.n_channels: int = stream.codec_context.channels
            self.n_samples: int | None = None
            self.duration_s = _duration_s(container, stream)
            # FFmpeg gets an mp3 only where no header states its length, and then the duration is a guess
            # and where there are several tracks, that of the container is that of the longest
            is_of_container = self.n_tracks > 1 and stream.duration is None
            self._duration_is_stated = container.format.name != "mp3" and not is_of_container

    def blocks(self, start_sample: int, block_samples: int) -> Generator[np.ndarray]:
        """Yield (n, channels) float32 arrays from ``start_sample`` to the end, all but the last of equal length."""
        pieces = (samples[max(0, start_sample - position) :] for position, samples in self._timeline(start_sample))
        yield from reblock(pieces, block_samples)

    def _timeline(self, start_sample: int) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (position, (n, channels) float32 array), gapless, from ``start_sample`` or somewhat before."""
        container, stream = self._open()
        with container:
            zero_s = 0.0 if container.start_time is None else container.start_time / AV_TIME_BASE
            position: int | None = 0
            target = start_sample - round_half_up(PREROLL_S * self.sample_rate)
            # Only these containers count time in samples; elsewhere a seek would land between them.
            if target > 0 and stream.time_base == 1 / Fraction(self.sample_rate) and "mp4" in container.format.name:
                container.seek(target + round_half_up(zero_s * self.sample_rate), stream=stream)
                position = None
            shortest_gap = 1
            for frame in self._frames(container, stream):
                samples, rate = _samples(frame), frame.sample_rate
                if frame.pts is not None and frame.time_base is not None:
                    stated = round_half_up((float(frame.pts * frame.time_base) - zero_s) * self.sample_rate)
                    position = min(stated, start_sample) if position is None else position
                    if shortest_gap <= stated - position <= LONGEST_GAP_S * self.sample_rate:
                        yield from self._silence(position, stated)
                        position = stated
                position = 0 if position is None else position
                if (rate, samples.shape[1]) != (self.sample_rate, self.n_channels):
                    # each frame by itself: changes are rare, and its length on the time axis stays right
                    form = rate, samples.shape[1], self.sample_rate, self.n_channels
                    self._tell_change(position, *form[:2])
                    samples = np.concatenate([np.zeros((0, self.n_channels), np.float32), *conform([samples], *form)])
                yield position, samples
                position += len(samples)
                shortest_gap = round_half_up(SHORTEST_GAP_S * self.sample_rate)
            self._check_end(0 if position is None else position)

    def _silence(self, first: int, end: int) -> Iterator[tuple[int, np.ndarray]]:
        for start in range(first, end, self.sample_rate):
            yield start, np.zeros((min(self.sample_rate, end - start), self.n_channels), np.float32)

    def _frames(self, container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
        """Decode what can be decoded; a damaged packet costs its own samples only."""
        from av.error import FFmpegError

        packets, n_damaged = container.demux(stream), 0
        while True:
            try:
                packet = next(packets, None)
            except FFmpegError:
                n_damaged += 1
                break
            if packet is None:
                break
            try:
                frames = packet.decode()
            except FFmpegError:
                n_damaged += 1
                continue
            yield from frames
        if n_damaged:
            self._on_problem(f"{self.name}: {n_damaged} damaged packets were left out; copy or export the file again")

    def _tell_change(self, position: int, sample_rate: int, n_channels: int) -> None:
        if not self._has_changed:
            self._has_changed = True
            self._on_problem(
                f"{self.name}: changes at {position / self.sample_rate:.1f} s from {self.n_channels} channels at "
                f"{self.sample_rate} Hz to {n_channels} at {sample_rate} Hz, which is converted roughly; convert it to "
                "wav for exact samples"
            )

    def _check_end(self, n_samples: int) -> None:
        end_s = n_samples / self.sample_rate
        if n_samples == 0:
            raise AudioError(f"{self.name}: no audio in it can be decoded; copy or export the file again")
        if self._duration_is_stated and self.duration_s and end_s < self.duration_s - DURATION_TOLERANCE_S:
            self._on_problem(
                f"{self.name}: ends at {end_s:.3f} s of {self.duration_s:.3f} s that its header promises; "
                "copy or export the file again"
            )

    def _open(self) -> tuple[InputContainer, AudioStream]:
        try:
            import av
        except ImportError as error:
            raise AudioError(
                f"{self.name}: libsndfile finds no audio in it; m4a, mp4, mkv, webm and other video need PyAV; "
                'pip install "flam-audio[media]"'
            ) from error
        path = self._source.path
        try:
            # The prefix and the list keep a name or a playlist from reaching anything but this file's neighbours.
            options = {"protocol_whitelist": "file" if self._parts is None and path is not None else "none"}
            origin: Any = f"file:{path}" if self._parts is None and path is not None else self._source.open(self._parts)
            container = av.open(origin, "r", options=options, metadata_errors="ignore")
        except (av.error.FFmpegError, OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise AudioError(
                f"{self.name}: neither libsndfile nor FFmpeg finds audio in it ({reason}); "
                "check that it is a recording and complete"
            ) from error
        tracks = container.streams.audio
        if self._track > len(tracks) > 0:
            container.close()
            raise AudioError(f"{self.name}: has no audio track {self._track}; choose 1..{len(tracks)}")
        stream = tracks[self._track - 1] if tracks else None
        if stream is None or stream.codec_context is None:
            container.close()
            raise AudioError(f"{self.name}: has no audio stream that FFmpeg can decode; give a file with sound")
        return container, stream


def _duration_s(container: InputContainer, stream: AudioStream) -> float | None:
    if stream.duration is None or stream.time_base is None:
        return None if container.duration is None else container.duration / AV_TIME_BASE
    if stream.start_time is None or container.start_time is None:
        return float(stream.duration * stream.time_base)
    return float((stream.start_time + stream.duration) * stream.time_base) - container.start_time / AV_TIME_BASE


def _samples(frame: AudioFrame) -> np.ndarray:
    """The (n, channels) float32 samples of a decoded frame, full scale 1.0."""
    values: np.ndarray = frame.to_ndarray()
    values = values.T if frame.format.is_planar else values.reshape(-1, len(frame.layout.channels))
    if values.dtype == np.uint8:
        return (values.astype(np.float32) - 128) / 128
    if np.issubdtype(values.dtype, np.signedinteger):
        return values.astype(np.float32) / 2.0 ** (8 * values.itemsize - 1)
    return values.astype(np.float32)
