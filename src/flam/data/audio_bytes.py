"""Audio files in memory, as shards hold them."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import soundfile

from flam.audio.downmix import mono_stream
from flam.audio.sndfile import SequentialFile
from flam.audio.write import FORMATS, WRITE_SAMPLES
from flam.core import AudioError, OutputError

READ_SAMPLES = 1 << 18


def encode_audio(waveform: np.ndarray, sample_rate: int, suffix: str) -> bytes:
    """Encode a waveform; FLAC gives the same bytes each time, Ogg draws a serial number.

    Parameters
    ----------
    waveform : np.ndarray
        (N,) float array with peak at most 1.0, N >= 1
    sample_rate : int
        Hz
    suffix : str
        .flac (16 bit), .ogg (Vorbis), .opus, or .wav (32-bit float)

    Raises
    ------
    OutputError
        an unknown suffix, samples that the encoding can't hold, or a rate that it does not take

    Examples
    --------
    >>> decode_audio(encode_audio(np.array([0.0, 0.5]), 48000, ".flac"), "a.flac")[0].tolist()
    [0.0, 0.5]
    """
    if suffix not in FORMATS:
        raise OutputError(f"suffix {suffix!r} is not one of {', '.join(FORMATS)}; choose one of them")
    samples = np.asarray(waveform, np.float32)
    peak = float(np.abs(samples).max(initial=0.0))
    if samples.ndim != 1 or len(samples) == 0 or not peak <= 1.0:
        raise OutputError(f"waveform of shape {samples.shape} with peak {peak} must be (N,), N >= 1, peak at most 1.0")
    container, subtype = FORMATS[suffix]
    subtype = "PCM_16" if suffix == ".flac" else subtype  # 96 dB are enough to train on, at two thirds of the bytes
    buffer = io.BytesIO()
    try:
        with soundfile.SoundFile(buffer, "w", sample_rate, 1, subtype, format=container) as file:
            for start in range(0, len(samples), WRITE_SAMPLES):
                file.write(samples[start : start + WRITE_SAMPLES])
    except (ValueError, soundfile.SoundFileError) as error:
        raise OutputError(f"{len(samples)} samples at {sample_rate} Hz can't become {suffix} ({error})") from error
    return buffer.getvalue()


def decode_audio(data: bytes, where: str) -> tuple[np.ndarray, int]:
    """Decode the bytes of a wav, flac, ogg, opus or mp3 file.

    Parameters
    ----------
    data : bytes
        the whole file
    where : str
        named in errors

    Returns
    -------
    tuple[np.ndarray, int]
        (N,) float32 array, the mean of the channels, and its sample rate in Hz

    Raises
    ------
    AudioError
        damaged, of another format, or holding samples that are not finite
    """
    try:
        with SequentialFile(io.BytesIO(data)) as file:
            sample_rate = file.samplerate
            mono = np.concatenate([np.zeros(0, np.float32), *mono_stream(_blocks(file), sample_rate)])
    except (OSError, ValueError, soundfile.SoundFileError) as error:
        raise AudioError(f"{where}: can't be decoded ({error}); make the shard again") from error
    if not np.isfinite(mono).all():
        raise AudioError(f"{where}: holds samples that are not finite numbers; make the shard again")
    return mono, sample_rate


def _blocks(file: SequentialFile) -> Iterator[np.ndarray]:
    """By blocks, as there may be no memory for all that a damaged header claims."""
    while len(block := file.read(READ_SAMPLES, dtype="float32", always_2d=True)):
        yield block
