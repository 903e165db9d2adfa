"""A-weighted levels: how loud a clip is to the ear, frame by frame, and where it is loud enough to count."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from flam.core import AudioError, round_half_up, seconds_to_samples

SILENCE_DB = -120.0
LEVEL_WINDOW_S = 0.05
LEVEL_HOP_S = 0.02

# The zero-phase weighting reaches this far to either side: an impulse has fallen by more than 130 dB.
RESPONSE_S = 0.1


def a_weighting_db(frequency_hz: np.ndarray | float) -> np.ndarray:
    """Gain of the A-weighting curve, 0 dB at 1 kHz.

    IEC 61672-1:2013, annex E: ``A(f) = f4^2 f^4 / ((f^2 + f1^2) sqrt(f^2 + f2^2) sqrt(f^2 + f3^2) (f^2 + f4^2))`` with
    f1 = 20.60, f2 = 107.7, f3 = 737.9, f4 = 12194 Hz.

    Parameters
    ----------
    frequency_hz : np.ndarray | float
        array of any shape, Hz

    Returns
    -------
    np.ndarray
        float array of the same shape, dB; -inf at 0 Hz

    Examples
    --------
    >>> [round(float(a_weighting_db(f)), 1) for f in (31.5, 100, 1000, 10_000)]
    [-39.5, -19.1, 0.0, -2.5]
    """
    with np.errstate(divide="ignore"):
        return 20 * np.log10(_a_weighting_gain(np.asarray(frequency_hz, np.float64)))


def a_weighted_levels_db(
    waveform: np.ndarray, sample_rate: int, window_samples: int = 2400, hop_samples: int = 960
) -> np.ndarray:
    """A-weighted RMS level of every frame, in dB relative to full scale (a constant 1 before weighting is 0 dB).

    Frame i covers samples [i * hop, (i + 1) * hop); its level is taken over a window with the same centre, cut off at
    the ends of the waveform.

    Parameters
    ----------
    waveform : np.ndarray
        (N,) float array
    sample_rate : int
        Hz
    window_samples : int, default 2400
        the defaults are 50 ms and 20 ms at 48 kHz
    hop_samples : int, default 960
        the defaults are 50 ms and 20 ms at 48 kHz

    Returns
    -------
    np.ndarray
        (ceil(N / hop_samples),) float64 array, dB, never below ``SILENCE_DB``

    Raises
    ------
    AudioError
        the waveform is not one-dimensional

    Examples
    --------
    >>> import numpy as np
    >>> tone = np.sin(2 * np.pi * 1000 * np.arange(48000) / 48000)
    >>> levels_db = a_weighted_levels_db(tone, 48000)
    >>> levels_db.shape, round(float(levels_db[25]), 2)
    ((50,), -3.01)
    """
    energy = _energy(waveform, sample_rate)
    n_samples = len(energy)
    cumulative = np.concatenate([[0.0], np.cumsum(energy)])
    starts = np.arange(0, n_samples, hop_samples) - (window_samples - hop_samples) // 2
    first, end = np.clip(starts, 0, n_samples), np.clip(starts + window_samples, 0, n_samples)
    return _level_db((cumulative[end] - cumulative[first]) / np.maximum(end - first, 1))


def a_weighted_rms_db(waveform: np.ndarray, sample_rate: int) -> float:
    """A-weighted RMS level of a whole clip.

    Parameters
    ----------
    waveform : np.ndarray
        (N,) float array
    sample_rate : int
        Hz

    Returns
    -------
    float
        dB relative to full scale, never below ``SILENCE_DB``; ``SILENCE_DB`` for no samples

    Examples
    --------
    >>> import numpy as np
    >>> tone = np.sin(2 * np.pi * 1000 * np.arange(48000) / 48000)
    >>> round(a_weighted_rms_db(tone, 48000), 1)
    -3.0
    """
    energy = _energy(waveform, sample_rate)
    return float(_level_db(energy.mean())) if len(energy) else SILENCE_DB


def active_spans_s(
    waveform: np.ndarray, sample_rate: int, threshold_db: float = -70.0, fill_s: float = 0.2, drop_s: float = 0.04
) -> list[tuple[float, float]]:
    """Find where a clip is loud enough to be heard, by its A-weighted level in 50 ms windows every 20 ms.

    Parameters
    ----------
    waveform : np.ndarray
        (N,) float array
    sample_rate : int
        Hz
    threshold_db : float, default -70.0
        frames at or above this level are active
    fill_s : float, default 0.2
        shorter gaps between active frames are filled, first
    drop_s : float, default 0.04
        shorter active spans are dropped, afterwards

    Returns
    -------
    list[tuple[float, float]]
        list of (onset_s, offset_s) in time order, seconds, none beyond the clip's end

    Examples
    --------
    >>> import numpy as np
    >>> clip = np.zeros(48000)
    >>> clip[14400:33600] = 0.1 * np.sin(2 * np.pi * 1000 * np.arange(19200) / 48000)
    >>> [(round(onset_s, 2), round(offset_s, 2)) for onset_s, offset_s in active_spans_s(clip, 48000)]
    [(0.28, 0.72)]
    """
    window_samples = max(1, round_half_up(LEVEL_WINDOW_S * sample_rate))
    hop_samples = max(1, round_half_up(LEVEL_HOP_S * sample_rate))
    levels_db = a_weighted_levels_db(waveform, sample_rate, window_samples, hop_samples)
    return spans_of_levels_s(levels_db, len(waveform), sample_rate, hop_samples, threshold_db, fill_s, drop_s)


def spans_of_levels_s(
    levels_db: np.ndarray,
    n_samples: int,
    sample_rate: int,
    hop_samples: int = 960,
    threshold_db: float = -70.0,
    fill_s: float = 0.2,
    drop_s: float = 0.04,
) -> list[tuple[float, float]]:
    """``active_spans_s`` for a clip whose levels are known already.

    Parameters
    ----------
    levels_db : np.ndarray
        (ceil(n_samples / hop_samples),) float array, dB, as ``a_weighted_levels_db`` gives it
    n_samples : int
        length of the clip
    sample_rate : int
        Hz
    hop_samples : int, default 960
        distance of the levels
    threshold_db : float, default -70.0
        as for ``active_spans_s``
    fill_s : float, default 0.2
        as for ``active_spans_s``
    drop_s : float, default 0.04
        as for ``active_spans_s``

    Returns
    -------
    list[tuple[float, float]]
        list of (onset_s, offset_s) in time order, seconds, none beyond the clip's end

    Examples
    --------
    >>> levels_db = np.array([-90.0, -30, -30, -90, -90, -20, -20])
    >>> spans_of_levels_s(levels_db, 6500, sample_rate=48000, fill_s=0.04)
    [(0.02, 0.06), (0.1, 0.13541666666666666)]
    """
    active = levels_db >= threshold_db
    edges = np.flatnonzero(np.diff(active.astype(np.int8), prepend=0, append=0)) * hop_samples
    onsets, offsets = edges[::2], edges[1::2]
    if len(onsets) == 0:
        return []
    splits = onsets[1:] - offsets[:-1] >= seconds_to_samples(fill_s, sample_rate)
    onsets, offsets = onsets[np.append(True, splits)], offsets[np.append(splits, True)]
    kept = offsets - onsets >= seconds_to_samples(drop_s, sample_rate)
    ends = np.minimum(offsets, n_samples)
    spans = zip(onsets[kept].tolist(), ends[kept].tolist(), strict=True)
    return [(onset / sample_rate, end / sample_rate) for onset, end in spans]


def _energy(waveform: np.ndarray, sample_rate: int) -> np.ndarray:
    """Squared samples after A-weighting, filtered block by block so that long clips need no long transform."""
    if np.ndim(waveform) != 1 or sample_rate <= 0:
        raise AudioError(
            f"waveform of shape {np.shape(waveform)} at {sample_rate} Hz must be (N,) at a positive rate; "
            "average the channels first"
        )
    n_samples = len(waveform)
    margin = round_half_up(RESPONSE_S * sample_rate)
    n_fft = 1 << (8 * margin).bit_length()
    step = n_fft - 2 * margin
    gain = _fft_gain(n_fft, sample_rate)
    n_blocks = -(-n_samples // step)
    padded = np.zeros(n_blocks * step + 2 * margin, np.float32)
    padded[margin : margin + n_samples] = waveform
    energy = np.empty(n_blocks * step, np.float64)
    for start in range(0, n_blocks * step, step):
        weighted = np.fft.irfft(np.fft.rfft(padded[start : start + n_fft]) * gain, n_fft)
        np.square(weighted[margin : margin + step], out=energy[start : start + step], dtype=np.float64)
    return energy[:n_samples]


@lru_cache(maxsize=8)
def _fft_gain(n_fft: int, sample_rate: int) -> np.ndarray:
    return _a_weighting_gain(np.fft.rfftfreq(n_fft, 1 / sample_rate)).astype(np.float32)


def _a_weighting_gain(frequency_hz: np.ndarray) -> np.ndarray:
    return _unnormalised_gain(frequency_hz) / _unnormalised_gain(1000.0)


def _unnormalised_gain(frequency_hz: np.ndarray | float) -> np.ndarray:
    f1, f2, f3, f4 = 20.598997, 107.65265, 737.86223, 12194.217
    square = np.square(frequency_hz)
    return f4**2 * square**2 / ((square + f1**2) * np.sqrt((square + f2**2) * (square + f3**2)) * (square + f4**2))


def _level_db(mean_square: np.ndarray) -> np.ndarray:
    return 10 * np.log10(np.maximum(mean_square, 10 ** (SILENCE_DB / 10)))
