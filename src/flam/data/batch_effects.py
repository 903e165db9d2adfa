"""Filters and A-weighted levels of many sounds at once, as ``flam.scenes`` has them for one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from flam.audio import a_weighting_db
from flam.audio.levels import BEFORE_CELLS, HOP_CELLS, MARGIN_CELLS, WINDOW_CELLS, cell_samples
from flam.scenes.effects import Filter
from flam.scenes.effects.filter import HIGHEST_HZ, LOWEST_HZ


def filtered(rows: Tensor, filters: Sequence[Filter], sample_rate: int) -> Tensor:
    """As ``flam.scenes.effects.apply_filter``, a filter for each row.

    Parameters
    ----------
    rows : Tensor
        (P, W) float32 tensor; W is ``filter_size`` of the sounds, behind which it is 0
    filters : Sequence[Filter]
        P filters with equally many points
    sample_rate : int
        Hz

    Returns
    -------
    Tensor
        (P, W) float32 tensor, not 0 behind the sounds

    Examples
    --------
    >>> click = torch.zeros(1, 4096)
    >>> click[0, 0] = 1.0
    >>> round(float(filtered(click, [Filter((6.0, 6.0))], 48_000)[0, 0]), 3)
    1.995
    """
    size, device = rows.shape[1], rows.device
    frequency_hz = torch.fft.rfftfreq(size, 1 / sample_rate, dtype=torch.float64, device=device)
    gain_db = torch.tensor([filter.gain_db for filter in filters], dtype=torch.float64, device=device)
    last = gain_db.shape[1] - 1
    low, high = math.log(LOWEST_HZ), math.log(HIGHEST_HZ)
    point = ((frequency_hz.clamp(min=1.0).log() - low) / (high - low) * last).clamp(0.0, last)
    below = point.long().clamp(max=last - 1)
    exact_db = torch.lerp(gain_db[:, below], gain_db[:, below + 1], point - below)
    limit_hz = [math.inf if filter.band_limit_hz is None else filter.band_limit_hz for filter in filters]
    ratio = frequency_hz / torch.tensor(limit_hz, dtype=torch.float64, device=device)[:, None]
    gain = 10 ** (exact_db / 20) / (1 + ratio**16).sqrt()
    return torch.fft.irfft(torch.fft.rfft(rows) * gain.float(), size)


def weighing_begin(phase: int, sample_rate: int) -> int:
    """Where in its row ``batch_powers`` wants a sound to begin that begins so many samples after a frame does."""
    return BEFORE_CELLS * cell_samples(sample_rate) + phase


def weighing_samples(phase: int, n_samples: int, sample_rate: int) -> int:
    """How long a row must be at least for ``batch_powers`` of a sound of so many samples."""
    cell = cell_samples(sample_rate)
    n_cells = n_frames(phase, n_samples, sample_rate) * HOP_CELLS + WINDOW_CELLS - HOP_CELLS
    return max(weighing_begin(phase, sample_rate) + n_samples, n_cells * cell) + MARGIN_CELLS * cell


def n_frames(phase: int, n_samples: int, sample_rate: int) -> int:
    """Frames of a sound that begins ``phase`` samples after its first frame does."""
    return -(-(phase + n_samples) // (HOP_CELLS * cell_samples(sample_rate)))


def batch_powers(rows: Tensor, sample_rate: int) -> Tensor:
    """As ``flam.audio.levels.frame_powers``, of every row.

    Parameters
    ----------
    rows : Tensor
        (P, W) float32 tensor, each 0 but for a sound that begins at ``weighing_begin``; W is even and at least
        ``weighing_samples``
    sample_rate : int
        Hz

    Returns
    -------
    Tensor
        (P, T) float64 tensor; those of a sound are the first ``n_frames``

    Examples
    --------
    >>> tone = torch.sin(2 * torch.pi * 1000 * torch.arange(48_000) / 48_000)
    >>> row = torch.nn.functional.pad(tone, (weighing_begin(0, 48_000), 9_000))
    >>> round(float(batch_powers(row[None], 48_000)[0, 25]), 3)
    0.5
    """
    size, cell = rows.shape[1], cell_samples(sample_rate)
    weighted = torch.fft.irfft(torch.fft.rfft(rows) * _weighting(size, sample_rate, rows.device), size)
    n_cells = size // cell
    energies = weighted[:, : n_cells * cell].unflatten(1, (n_cells, cell)).square().sum(-1)
    return energies.double().unfold(1, WINDOW_CELLS, HOP_CELLS).sum(-1) / (WINDOW_CELLS * cell)


@lru_cache(maxsize=64)
def _weighting(size: int, sample_rate: int, device: torch.device) -> Tensor:
    gain = 10 ** (a_weighting_db(np.fft.rfftfreq(size, 1 / sample_rate)) / 20)
    return torch.from_numpy(gain.astype(np.float32)).to(device)
