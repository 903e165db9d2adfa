"""Reading m4a, mp4, mkv, webm and other video containers with FFmpeg, through PyAV."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

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
    """The first audio stream of a file that FFmpeg understands; each reading opens it for itself.

    Sample 0 is the start of the container's time axis, as a player shows it: the encoder's delay (priming) is cut off
    where the container states it (mp4, m4a, mov, mkv, webm), and an audio stream that starts late starts with silence.
    Raw ``.aac`` and MPEG-TS streams do not state it; there times are late by the encoder's delay, 21 to 44 ms.

    Parameters
    ----------
    path : file to open
    on_problem : told, in one line, what is wrong with a file that can be read only in part

    Raises
    ------
    AudioError : PyAV is not installed, or FFmpeg finds no audio stream that it can decode
    """

    def __init__(self, path: Path, on_problem: Callable[[str], None]):
        self.path = path
        self._on_problem = on_problem
        container, stream = _open(path)
        with container:
            self.sample_rate: int = stream.codec_context.sample_rate
            self.n_channels: int = stream.codec_context.channels
            self.n_samples: int | None = None
            self.duration_s = _duration_s(container, stream)
            # FFmpeg gets an mp3 only where no header states its length, and then the duration is a guess
            self._duration_is_stated = container.format.name != "mp3"

    def blocks(self, start_sample: int, block_samples: int) -> Generator[np.ndarray]:
        """Yield (n, channels) float32 arrays from ``start_sample`` to the end, all but the last of equal length."""
        held: list[np.ndarray] = []
        n_held = 0
        for position, samples in self._timeline(start_sample):
            samples = samples[max(0, start_sample - position) :]
            while n_held + len(samples) >= block_samples:
                n_taken = block_samples - n_held
                yield np.concatenate([*held, samples[:n_taken]])
                held, n_held, samples = [], 0, samples[n_taken:]
            if len(samples):
                held.append(samples)
                n_held += len(samples)
        if held:
            yield np.concatenate(held)

    def _timeline(self, start_sample: int) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (position, (n, channels) float32 array), gapless, from ``start_sample`` or somewhat before."""
        container, stream = _open(self.path)
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
                samples = _samples(frame)
                if frame.pts is not None and frame.time_base is not None:
                    stated = round_half_up((float(frame.pts * frame.time_base) - zero_s) * self.sample_rate)
                    position = min(stated, start_sample) if position is None else position
                    if shortest_gap <= stated - position <= LONGEST_GAP_S * self.sample_rate:
                        yield from self._silence(position, stated)
                        position = stated
                position = 0 if position is None else position
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
            for frame in frames:
                self._require_same_format(frame)
                yield frame
        if n_damaged:
            self._on_problem(f"{self.path}: {n_damaged} damaged packets were left out; copy or export the file again")

    def _require_same_format(self, frame: AudioFrame) -> None:
        if (frame.sample_rate, len(frame.layout.channels)) != (self.sample_rate, self.n_channels):
            raise AudioError(
                f"{self.path}: changes from {self.n_channels} channels at {self.sample_rate} Hz to "
                f"{len(frame.layout.channels)} at {frame.sample_rate} Hz; it must stay the same; convert it to wav"
            )

    def _check_end(self, n_samples: int) -> None:
        end_s = n_samples / self.sample_rate
        if n_samples == 0:
            raise AudioError(f"{self.path}: no audio in it can be decoded; copy or export the file again")
        if self._duration_is_stated and self.duration_s and end_s < self.duration_s - DURATION_TOLERANCE_S:
            self._on_problem(
                f"{self.path}: ends at {end_s:.3f} s of {self.duration_s:.3f} s that its header promises; "
                "copy or export the file again"
            )


def _open(path: Path) -> tuple[InputContainer, AudioStream]:
    try:
        import av
    except ImportError as error:
        raise AudioError(
            f"{path}: libsndfile finds no audio in it; m4a, mp4, mkv, webm and other video need PyAV; "
            'pip install "flam-audio[media]"'
        ) from error
    try:
        # The prefix and the list keep a name or a playlist from reaching anything but this file's neighbours on disk.
        container = av.open(f"file:{path}", options={"protocol_whitelist": "file"}, metadata_errors="ignore")
    except av.error.FFmpegError as error:
        raise AudioError(
            f"{path}: neither libsndfile nor FFmpeg finds audio in it ({error.strerror}); "
            "check that it is a recording and complete"
        ) from error
    stream = next(iter(container.streams.audio), None)
    if stream is None or stream.codec_context is None:
        container.close()
        raise AudioError(f"{path}: has no audio stream that FFmpeg can decode; give a file with sound")
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
