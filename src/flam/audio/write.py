"""Writing audio: wav, flac, ogg and opus by suffix; the file appears whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import numpy as np
import soundfile

from flam.audio.sndfile import native_name
from flam.core import OutputError, atomic_path

FORMATS = {
    ".wav": ("WAV", "FLOAT"),
    ".flac": ("FLAC", "PCM_24"),
    ".ogg": ("OGG", "VORBIS"),
    ".opus": ("OGG", "OPUS"),
}
# libsndfile's Vorbis encoder overflows the stack on a minute of samples in one call.
WRITE_SAMPLES = 65_536
FAILED_WRITES = ("System error", "short write")
FULL_BYTES = 65_536


def write_audio(path: str | Path, waveform: np.ndarray, sample_rate: int, subtype: str | None = None) -> None:
    """Write a waveform in the format that the path's suffix names.

    The samples go to a temporary file beside the target, which takes the target's name only when it is complete.

    Parameters
    ----------
    path : str | Path
        target with suffix .wav (32-bit float), .flac (24 bit), .ogg (Vorbis) or .opus
    waveform : np.ndarray
        (N,) or (N, channels) float array, full scale is 1.0
    sample_rate : int
        Hz; Opus takes 8, 12, 16, 24 and 48 kHz
    subtype : str | None, optional
        libsndfile's name of another encoding, such as ``"PCM_16"``; None for the one above

    Raises
    ------
    OutputError
        an unknown suffix, samples that are not finite or that the encoding would clip, a path that can't be written, or
        a full disk

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_audio(f"{folder}/tone.wav", np.array([0.0, 0.5, -0.5]), 48000)
    ...     soundfile.read(f"{folder}/tone.wav")[0].tolist()
    [0.0, 0.5, -0.5]
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise OutputError(f"{path}: suffix {path.suffix!r} is not one of {', '.join(FORMATS)}; choose one of them")
    container, default_subtype = FORMATS[path.suffix.lower()]
    subtype = default_subtype if subtype is None else subtype
    samples = np.asarray(waveform, np.float32)
    _require_writable_samples(path, samples, subtype)
    if not path.parent.is_dir():
        raise OutputError(f"{path}: folder {path.parent} does not exist; choose a file name in an existing folder")
    with atomic_path(path) as part:
        try:
            _encode(part, samples, sample_rate, container, subtype)
        except (OSError, ValueError, AssertionError, soundfile.SoundFileError) as error:
            reason = write_problem(error, part).replace(str(part), path.name)
            raise OutputError(
                f"{path}: can't be written ({reason}); check the permissions, the free space and the sample rate"
            ) from error


def write_problem(error: Exception, path: Path) -> str:
    """What went wrong in writing an audio file; libsndfile calls a full disk "System error".

    Examples
    --------
    >>> write_problem(ValueError("Invalid sample rate."), Path("a.wav"))
    'Invalid sample rate'
    """
    reason = str(error).rstrip(". ") or "short write"
    is_full = reason in FAILED_WRITES and shutil.disk_usage(path.parent).free < FULL_BYTES
    return os.strerror(errno.ENOSPC) if is_full else reason


def require_frames(path: Path, n_frames: int) -> None:
    """Check a closed file: closing flushes, and libsndfile keeps a failed flush to itself.

    Raises
    ------
    OSError
        not all of it reached the disk
    """
    try:
        n_written = soundfile.info(native_name(path)).frames
    except soundfile.SoundFileError:
        n_written = 0
    if n_written != n_frames:
        raise OSError(f"{n_written} of {n_frames} samples reached the disk")


def _require_writable_samples(path: Path, samples: np.ndarray, subtype: str) -> None:
    if samples.ndim not in (1, 2) or (samples.ndim == 2 and samples.shape[1] == 0):
        raise OutputError(f"{path}: waveform of shape {samples.shape} must be (N,) or (N, channels); reshape it")
    if len(samples) == 0 and path.suffix.lower() != ".wav":
        raise OutputError(f"{path}: waveform has 0 samples, {path.suffix} needs at least one; write .wav")
    peak = float(np.abs(samples).max(initial=0.0))
    if not np.isfinite(peak):
        raise OutputError(f"{path}: waveform holds NaN or infinite samples; samples must be finite; check their source")
    if peak > 1.0 and subtype.startswith("PCM"):
        raise OutputError(
            f"{path}: peak {peak:.3f} must not exceed 1.0, {subtype} would clip it; scale it or write .wav"
        )


def _encode(path: Path, samples: np.ndarray, sample_rate: int, container: str, subtype: str) -> None:
    n_channels = 1 if samples.ndim == 1 else samples.shape[1]
    with soundfile.SoundFile(native_name(path), "w", sample_rate, n_channels, subtype, format=container) as file:
        for start in range(0, len(samples), WRITE_SAMPLES):
            file.write(samples[start : start + WRITE_SAMPLES])
    require_frames(path, len(samples))
