"""Everything a user may call audio, as one thing: blocks of mono samples at the model's rate."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from flam.audio import Recording, open_recording, resample_blocks, resampled_length
from flam.audio.downmix import LiveMixer, mono_stream
from flam.audio.recording import LARGEST_SAMPLE
from flam.core import AudioError

BLOCK_SAMPLES = 65_536
MAX_CHANNELS = 64
IN_MEMORY = "recording in memory"

# an array, a tensor of torch (which need not be installed) or an iterator of arrays; tensors have no type here
Samples = np.ndarray | Iterator[np.ndarray] | Any


@dataclass(frozen=True, eq=False)
class MonoBlocks:
    """A recording about to be read, once.

    Parameters
    ----------
    blocks : iterator of numpy.ndarray
        (n,) float32, mono, at the model's rate, finite, at least one sample in all.
    n_samples : int or None
        Length if known before reading; a guide for progress, not a promise.
    own_rate : int
        Hz that the recording had before it was converted.
    name : str
        Path of the recording, or what it is.
    """

    blocks: Iterator[np.ndarray]
    n_samples: int | None
    own_rate: int
    name: str


Audio = str | Path | Recording | bytes | BinaryIO | Samples | tuple[Samples, int] | MonoBlocks


def audio_source(audio: Audio, sample_rate: int) -> MonoBlocks:
    """Get ready to read any kind of audio, without holding more of it than it already takes.

    Parameters
    ----------
    audio : Audio
        str, Path, Recording, bytes, binary file, numpy.ndarray, tensor, iterator or tuple Path of an audio or video
        file, or a ``Recording`` that was opened with options of its own; or its content, as bytes or an open binary
        file, which is read from where it stands; or an array or tensor, (N,), (channels, N) or (N, channels) with fewer
        channels than samples, floating point with full scale 1.0; or an iterator of (n,) arrays, for audio that is
        still being made; the last two as ``(samples, their sample rate)``, or alone if they have the model's rate. An
        ``MonoBlocks`` is given back.
    sample_rate : int
        Hz of the result.

    Returns
    -------
    MonoBlocks
        Channels become one, see ``flam.audio.downmix.mono_stream``.

    Raises
    ------
    AudioError
        A file that can't be read; samples of another shape or type, none at all, NaN or infinite, some of it only when
        the blocks are read.

    Examples
    --------
    >>> source = audio_source((np.zeros((2, 44100)), 44100), 48000)
    >>> source.n_samples, sum(len(block) for block in source.blocks)
    (48000, 48000)
    """
    if isinstance(audio, MonoBlocks):
        return audio
    if isinstance(audio, (str, Path, Recording)):
        recording = audio if isinstance(audio, Recording) else open_recording(audio)
        length = recording.n_samples
        n_samples = None if length is None else resampled_length(length, recording.sample_rate, sample_rate)
        whole = _not_empty(recording.mono_blocks(sample_rate), str(recording.path))
        return MonoBlocks(whole, n_samples, recording.sample_rate, str(recording.path))
    if isinstance(audio, (bytes, bytearray, memoryview)) or hasattr(audio, "read"):
        return _content_source(cast(BinaryIO, audio), sample_rate)
    samples, own_rate = _with_rate(audio, sample_rate)
    n_samples = None
    blocks: Iterable[np.ndarray]
    if isinstance(samples, Iterator):
        blocks = map(_streamed_block, samples)
    else:
        channels = _as_columns(samples)
        n_samples = resampled_length(len(channels), own_rate, sample_rate)
        if n_samples == 0:
            raise AudioError(f"waveform of {len(channels)} samples at {own_rate} Hz holds no sound; check its source")
        pieces = (
            np.asarray(channels[start : start + BLOCK_SAMPLES], np.float32)
            for start in range(0, len(channels), BLOCK_SAMPLES)
        )
        blocks = mono_stream(pieces, own_rate)
    converted = resample_blocks(_finite(blocks), own_rate, sample_rate)
    return MonoBlocks(_not_empty(converted, "waveform"), n_samples, own_rate, "waveform")


def _content_source(content: bytes | BinaryIO, sample_rate: int) -> MonoBlocks:
    """The content of a file, through a temporary one: readers go back and forth in it, and open it again."""
    file = tempfile.NamedTemporaryFile(prefix="flam-", delete=False)  # noqa: SIM115 - closed below, removed when read
    path = Path(file.name)
    try:
        with file:
            if isinstance(content, (bytes, bytearray, memoryview)):
                file.write(content)
            else:
                try:
                    shutil.copyfileobj(content, file)
                except TypeError as error:
                    raise AudioError("file was opened as text; open it in binary mode, 'rb'") from error
        source = audio_source(path, sample_rate)
    except AudioError as error:
        path.unlink(missing_ok=True)
        raise AudioError(str(error).replace(str(path), IN_MEMORY)) from error

    def blocks() -> Iterator[np.ndarray]:
        try:
            yield from source.blocks
        except AudioError as error:
            raise AudioError(str(error).replace(str(path), IN_MEMORY)) from error
        finally:
            path.unlink(missing_ok=True)

    return MonoBlocks(blocks(), source.n_samples, source.own_rate, IN_MEMORY)


def _with_rate(audio: Samples | tuple[Samples, int], sample_rate: int) -> tuple[Samples, int]:
    if not isinstance(audio, tuple):
        return audio, sample_rate
    if len(audio) != 2 or not isinstance(audio[1], (int, np.integer)) or audio[1] <= 0:
        raise AudioError(
            f"tuple of {len(audio)} values is not (waveform, sample rate in whole Hz above 0); "
            "swap its parts, or round the rate"
        )
    return audio[0], int(audio[1])


def _as_columns(samples: Samples) -> np.ndarray:
    """(N, channels) view of a waveform."""
    if type(samples).__module__.partition(".")[0] == "torch" and hasattr(samples, "detach"):
        samples = samples.detach().cpu()
        samples = (samples.float() if samples.is_floating_point() else samples).numpy()
    if not isinstance(samples, np.ndarray):
        raise AudioError(
            f"audio of type {type(samples).__name__} must be a path, bytes, a binary file, an array, a tensor, "
            "(waveform, sample rate) or an iterator of arrays; convert it with numpy.asarray"
        )
    _require_floating(samples)
    if samples.ndim == 1:
        return samples[:, None]
    if samples.ndim == 2:
        columns = samples.T if samples.shape[0] < samples.shape[1] else samples
        if 1 <= columns.shape[1] <= MAX_CHANNELS and (columns.shape[0] > columns.shape[1] or columns.shape == (1, 1)):
            return columns
    raise AudioError(
        f"waveform of shape {samples.shape} must be (N,), (channels, N) or (N, channels), with fewer channels than "
        f"samples and at most {MAX_CHANNELS}; give one recording at a time"
    )


def _streamed_block(block: np.ndarray) -> np.ndarray:
    block = np.asarray(block)
    _require_floating(block)
    if block.ndim != 1:
        raise AudioError(f"block of shape {block.shape} in a stream must be (n,); average the channels first")
    return block.astype(np.float32, copy=False)


def mono_block(block: np.ndarray, position: int, mixer: LiveMixer) -> np.ndarray:
    """Check a block of a live source, and mix its channels.

    Parameters
    ----------
    block : numpy.ndarray
        (n,) or (n, channels) floating point, any n.
    position : int
        Samples before it, for messages.
    mixer : LiveMixer
        Of this source.

    Returns
    -------
    numpy.ndarray
        (n,) float32.

    Raises
    ------
    AudioError
        Samples of another shape or type, NaN, infinite or far beyond full scale.
    """
    block = np.asarray(block)
    if block.ndim == 2 and 1 <= block.shape[1] <= MAX_CHANNELS:
        _require_floating(block)
        block = mixer.mix(block.astype(np.float32, copy=False))
    mono = _streamed_block(block)
    _require_finite(mono, position)
    return mono


def _require_floating(samples: np.ndarray) -> None:
    if not np.issubdtype(samples.dtype, np.floating):
        raise AudioError(
            f"samples of type {samples.dtype} must be floating point, full scale 1.0; divide 16-bit integers by 32768"
        )


def _finite(blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    position = 0
    for block in blocks:
        _require_finite(block, position)
        position += len(block)
        yield block


def _require_finite(block: np.ndarray, position: int) -> None:
    wrong = np.flatnonzero(~np.isfinite(block))
    if len(wrong):
        raise AudioError(
            f"sample {position + wrong[0]} of the waveform is {block[wrong[0]]}; samples must be finite numbers; "
            "find out what made it so"
        )
    peak = float(np.abs(block).max(initial=0.0))
    if peak > LARGEST_SAMPLE:
        raise AudioError(
            f"samples of the waveform reach {peak:.0f} where full scale is 1.0, as if they were integers; "
            "divide them by 32768"
        )


def _not_empty(blocks: Iterable[np.ndarray], name: str) -> Iterator[np.ndarray]:
    is_empty = True
    for block in blocks:
        is_empty = is_empty and len(block) == 0
        yield block
    if is_empty:
        raise AudioError(f"{name}: holds no samples; a recording needs at least one; check how it was made")
