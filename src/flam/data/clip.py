"""Training clips: audio of the model's length, captions, and the sounds in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, NoReturn, Protocol

import numpy as np

from flam.audio import open_recording, resample
from flam.audio.downmix import mono_stream
from flam.core import AudioError

Spans = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Sound:
    """One kind of sound in a clip.

    Parameters
    ----------
    label : str
        what it is; the phrases of a phrase set with this label are true of it too
    texts : tuple[str, ...]
        further texts that are true of this very sound, such as the caption of its recording
    spans_s : Spans
        when it sounds, (onset_s, offset_s) in seconds from the start of the clip, half-open
    """

    label: str
    texts: tuple[str, ...]
    spans_s: Spans


@dataclass(frozen=True)
class Clip:
    """A piece of audio to train on.

    Parameters
    ----------
    waveform : np.ndarray
        (N,) float32 array at the model's sample rate
    captions : tuple[str, ...]
        texts that describe the clip as a whole; empty where nobody wrote one
    sounds : tuple[Sound, ...] | None
        everything that sounds in the clip; None where nobody listened for single sounds
    """

    waveform: np.ndarray
    captions: tuple[str, ...]
    sounds: tuple[Sound, ...] | None


class TrainingSource(Protocol):
    """An endless, repeatable sequence of clips."""

    def clip(self, ordinal: int, rng: np.random.Generator) -> Clip:
        """The clip with this number; equal numbers and equal states of ``rng`` give equal clips.

        Raises
        ------
        FlamError
            the file behind it is missing or damaged
        """
        ...


def cut_spans(spans_s: Sequence[tuple[float, float]], start_s: float, duration_s: float) -> Spans:
    """Move spans to the time axis of a crop and cut them at its ends; those outside vanish.

    Examples
    --------
    >>> cut_spans([(0.0, 1.5), (2.0, 9.0), (5.0, 6.0)], start_s=1.0, duration_s=3.0)
    ((0.0, 0.5), (1.0, 3.0))
    """
    end_s = start_s + duration_s
    return tuple(
        (max(onset_s, start_s) - start_s, min(offset_s, end_s) - start_s)
        for onset_s, offset_s in spans_s
        if onset_s < end_s and offset_s > start_s
    )


def cut_sounds(sounds: Sequence[Sound], start_s: float, duration_s: float) -> tuple[Sound, ...]:
    """The sounds of a crop: their spans moved and cut, those without any left out.

    Examples
    --------
    >>> cut_sounds([Sound("siren", (), ((0.0, 2.0),)), Sound("rain", (), ((3.0, 4.0),))], 1.0, 2.0)
    (Sound(label='siren', texts=(), spans_s=((0.0, 1.0),)),)
    """
    cut = [Sound(sound.label, sound.texts, cut_spans(sound.spans_s, start_s, duration_s)) for sound in sounds]
    return tuple(sound for sound in cut if sound.spans_s)


class Crop(NamedTuple):
    """``waveform (N,)`` float32, and ``start_s``, where it begins in the recording."""

    waveform: np.ndarray
    start_s: float


def crop(waveform: np.ndarray, n_samples: int, sample_rate: int, rng: np.random.Generator) -> Crop:
    """Take a random part of a waveform that is in memory.

    Parameters
    ----------
    waveform : np.ndarray
        (M,) float32 array
    n_samples, sample_rate : int
        N, length of the crop, and the rate of both

    Returns
    -------
    Crop
        Crop of exactly N samples, zeros after the end of the waveform

    Examples
    --------
    >>> crop(np.ones(2, np.float32), 4, 48000, np.random.default_rng(0)).waveform.tolist()
    [1.0, 1.0, 0.0, 0.0]
    """
    start = _random_start(len(waveform), n_samples, rng)
    return Crop(_fitted(waveform[start:], n_samples), start / sample_rate)


def read_crop(path: str | Path, n_samples: int, sample_rate: int, rng: np.random.Generator) -> Crop:
    """Take a random part of a recording, of which no more than that is decoded where its format allows.

    Raises
    ------
    AudioError
        the file can't be opened, or ends before its header says

    Examples
    --------
    >>> import soundfile, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     soundfile.write(f"{folder}/a.wav", np.zeros(96000), 48000)
    ...     read_crop(f"{folder}/a.wav", 24000, 48000, np.random.default_rng(0)).waveform.shape
    (24000,)
    """
    with open_recording(path, on_problem=_refuse) as recording:
        if recording.n_samples is None:
            blocks = list(recording.mono_blocks(sample_rate))
            return crop(np.concatenate([np.zeros(0, np.float32), *blocks]), n_samples, sample_rate, rng)
        n_wanted = -(-n_samples * recording.sample_rate // sample_rate)
        start = _random_start(recording.n_samples, n_wanted, rng)
        pieces, n_read = [np.zeros((0, recording.n_channels), np.float32)], 0
        for block in recording.blocks(start, min(n_wanted, 65_536)):
            pieces.append(block)
            n_read += len(block)
            if n_read >= n_wanted:
                break
        mono = mono_stream([np.concatenate(pieces)[:n_wanted]], recording.sample_rate)
        part = resample(np.concatenate([np.zeros(0, np.float32), *mono]), recording.sample_rate, sample_rate)
        return Crop(_fitted(part, n_samples), start / recording.sample_rate)


def _random_start(length: int, n_samples: int, rng: np.random.Generator) -> int:
    return int(rng.integers(max(length - n_samples, 0) + 1))


def _fitted(waveform: np.ndarray, n_samples: int) -> np.ndarray:
    """Exactly N float32 samples in an array of its own."""
    fitted = np.zeros(n_samples, np.float32)
    fitted[: len(waveform)] = waveform[:n_samples]
    return fitted


def _refuse(problem: str) -> NoReturn:
    raise AudioError(problem)
