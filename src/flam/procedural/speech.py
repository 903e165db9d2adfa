"""Spoken words, by the espeak-ng program."""

from __future__ import annotations

import io
import shutil
import subprocess

import numpy as np
import soundfile

from flam.audio import resample
from flam.core import FlamError


def speak(
    text: str, voice: str = "en-us", words_per_minute: int = 160, pitch: int = 50, sample_rate: int = 48000
) -> np.ndarray:
    """Read a text aloud.

    Parameters
    ----------
    text : str
        what to say
    voice : str, default "en-us"
        espeak-ng voice, with an optional variant: "en-us", "en-gb+f3"
    words_per_minute : int, default 160
        speed, 80 to 450
    pitch : int, default 50
        0 (low) to 99 (high)
    sample_rate : int, default 48000
        of the result, Hz

    Returns
    -------
    np.ndarray
        (N,) float32 array with peak 0.9, without silence at its ends

    Raises
    ------
    FlamError
        espeak-ng is not installed, refuses the voice, or has nothing to say

    Examples
    --------
    >>> speak("hello").ndim  # doctest: +SKIP
    1
    """
    program = shutil.which("espeak-ng")
    if program is None:
        raise FlamError("espeak-ng is not on PATH; speech needs it: install the package espeak-ng")
    command = [program, "--stdout", "-v", voice, "-s", str(words_per_minute), "-p", str(pitch), "--", text]
    result = subprocess.run(command, capture_output=True, check=False)
    if result.returncode != 0 or not result.stdout:
        reason = " ".join(result.stderr.decode(errors="replace").split()) or f"exit status {result.returncode}"
        raise FlamError(f"espeak-ng can't speak with voice {voice!r} ({reason}); see espeak-ng --voices")
    waveform, spoken_rate = soundfile.read(io.BytesIO(result.stdout), dtype="float32")
    loud = np.flatnonzero(np.abs(waveform) > 0.003)
    if len(loud) == 0:
        raise FlamError(f"text {text!r} has nothing to say aloud; give it words")
    spoken = resample(waveform[loud[0] : loud[-1] + 1], spoken_rate, sample_rate)
    return (0.9 * spoken / np.abs(spoken).max()).astype(np.float32)
