"""Time and pitch: faster like a tape, longer without a change of pitch, higher without a change of length."""

from __future__ import annotations

import numpy as np
import soxr

from flam.core import round_half_up, seconds_to_samples

WINDOW_S = 0.04
SEARCH_S = 0.01


def change_speed(waveform: np.ndarray, sample_rate: int, speed: float) -> np.ndarray:
    """Play faster or slower as a tape does: length and pitch change together.

    Parameters
    ----------
    waveform : np.ndarray
        (N,) float32 array
    sample_rate : int
        Hz
    speed : float
        2 is twice as fast and an octave higher

    Returns
    -------
    np.ndarray
        (about N / speed,) float32 array

    Examples
    --------
    >>> len(change_speed(np.zeros(48000, np.float32), 48000, 2.0))
    24000
    """
    return soxr.resample(waveform, sample_rate * speed, sample_rate, quality="MQ")


def stretch(waveform: np.ndarray, sample_rate: int, factor: float) -> np.ndarray:
    """Make longer or shorter at the same pitch, by overlapping windows where they fit best (WSOLA).

    Each window of 40 ms is taken within 10 ms of its proper place, where it correlates best with what would have
    followed the window before (Verhelst and Roelands, 1993).

    Parameters
    ----------
    waveform : np.ndarray
        (N,) float32 array
    sample_rate : int
        Hz
    factor : float
        length afterwards over length before

    Returns
    -------
    np.ndarray
        (N * factor, rounded half up,) float32 array

    Examples
    --------
    >>> len(stretch(np.zeros(48000, np.float32), 48000, 1.25))
    60000
    """
    n_out = round_half_up(len(waveform) * factor)
    hop = max(seconds_to_samples(WINDOW_S / 2, sample_rate), 1)
    search = seconds_to_samples(SEARCH_S, sample_rate)
    if factor == 1.0 or n_out == 0:
        return waveform[:n_out].astype(np.float32)
    size = 1 << (2 * hop + 2 * search - 1).bit_length()
    window = (0.5 - 0.5 * np.cos(np.pi * np.arange(2 * hop) / hop)).astype(np.float32)
    n_windows = n_out // hop + 2
    before = hop + search
    after = 3 * hop + 2 * search + round_half_up(2 * hop / factor)
    padded = np.concatenate([np.zeros(before, np.float32), waveform, np.zeros(after, np.float32)])
    # window k is centred on output sample k * hop; its proper place in the input is the same moment
    out = np.zeros((n_windows + 1) * hop, np.float32)
    proper = np.floor(np.arange(n_windows) * hop / factor + 0.5).astype(int) - hop + before
    taken = int(proper[0])
    out[: 2 * hop] += window * padded[taken : taken + 2 * hop]
    for number in range(1, n_windows):
        target = padded[taken + hop : taken + 3 * hop]
        first = max(int(proper[number]) - search, 0)
        area = padded[first : first + 2 * hop + 2 * search]
        if len(area) < 2 * hop or len(target) < 2 * hop:
            break
        n_places = len(area) - 2 * hop + 1
        score = np.fft.irfft(np.fft.rfft(area, size) * np.conj(np.fft.rfft(target, size)), size)[:n_places]
        energy = np.cumsum(np.square(area, dtype=np.float64), dtype=np.float64)
        power = energy[2 * hop - 1 :] - np.concatenate([[0.0], energy[: n_places - 1]])
        taken = first + int(np.argmax(score / np.sqrt(power + 1e-12)))
        out[number * hop : (number + 2) * hop] += window * padded[taken : taken + 2 * hop]
    return out[hop : hop + n_out]


def shift_pitch(waveform: np.ndarray, sample_rate: int, semitones: float) -> np.ndarray:
    """Make higher or lower at the same length: stretched, then played faster by as much.

    Parameters
    ----------
    waveform : np.ndarray
        (N,) float32 array
    sample_rate : int
        Hz
    semitones : float
        12 is an octave up

    Returns
    -------
    np.ndarray
        (N,) float32 array

    Examples
    --------
    >>> len(shift_pitch(np.zeros(4801, np.float32), 48000, -3.0))
    4801
    """
    ratio = 2 ** (semitones / 12)
    shifted = change_speed(stretch(waveform, sample_rate, ratio), sample_rate, ratio)
    return np.pad(shifted, (0, max(len(waveform) - len(shifted), 0)))[: len(waveform)]
