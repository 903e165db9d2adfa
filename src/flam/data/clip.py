"""What every source of training data gives: a clip of the model's length, what is said of it and what sounds in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

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


class Source(Protocol):
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
