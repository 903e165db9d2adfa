"""The A-weighted level of placed sounds, frame by frame, at a fraction of the cost of filtering each of them.

Weighting is a filter of 0.1 s to either side, so that deep inside a part of a clip the weighted signal is that of the
clip itself, whatever surrounds the part. A clip is therefore weighted once, in blocks and only where it is used, and
its energy kept in cells of 5 ms; for each part only both ends, which are cut and faded, are weighted anew.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from flam.audio import a_weighting_db
from flam.core import round_half_up

CELL_S = 0.005
HOP_CELLS, WINDOW_CELLS = 4, 10
BEFORE_CELLS = (WINDOW_CELLS - HOP_CELLS) // 2
# Windows of frames that overlap a part reach this far out of it.
OUTSIDE_CELLS = HOP_CELLS - 1 + BEFORE_CELLS
# The response of the weighting has fallen by more than 120 dB this far from an impulse.
MARGIN_CELLS = 19
BLOCK_CELLS = 232
ACTIVE_RANGE_DB = 35.0
SILENT_POWER = 1e-12


@dataclass(frozen=True)
class FramePowers:
    """A-weighted power of a part, frame by frame.

    Parameters
    ----------
    start : int
        sample at which the first frame begins, counted from the start of the part; zero or negative
    hop : int
        samples from frame to frame
    powers : np.ndarray
        (T,) float64 array, mean square of a window of 50 ms around each frame of 20 ms
    """

    start: int
    hop: int
    powers: np.ndarray

    def spans(self, least_power: float) -> list[tuple[int, int]]:
        """(start, end) of the frames with at least this power, samples from the start of the part."""
        active = np.zeros(len(self.powers) + 2, np.int8)
        active[1:-1] = self.powers >= least_power
        edges = (np.flatnonzero(np.diff(active)) * self.hop + self.start).tolist()
        return list(zip(edges[::2], edges[1::2], strict=True))


def active_power(powers: np.ndarray) -> float:
    """Mean power of the frames within 35 dB of the loudest; 0 for silence.

    Examples
    --------
    >>> active_power(np.array([1.0, 3.0, 1e-6]))
    2.0
    """
    loudest = float(powers.max(initial=0.0))
    if loudest < SILENT_POWER:
        return 0.0
    return float(powers[powers >= loudest * 10 ** (-ACTIVE_RANGE_DB / 10)].mean())


def cell_samples(sample_rate: int) -> int:
    """Length of a cell: 5 ms, 240 samples at 48 kHz.

    Examples
    --------
    >>> cell_samples(48000)
    240
    """
    return max(round_half_up(CELL_S * sample_rate), 1)


def frame_powers(part: np.ndarray, n_samples: int, sample_rate: int, phase: int = 0) -> FramePowers:
    """Weigh a whole part with silence on both sides.

    Parameters
    ----------
    part : np.ndarray
        (N,) float32 array
    n_samples : int
        only frames that begin before this sample are wanted; what follows is the tail of a reverberation
    sample_rate : int
        Hz
    phase : int, default 0
        samples between the start of a frame and the start of the part, less than a frame, as the frames are those of
        its clip

    Examples
    --------
    >>> tone = np.sin(2 * np.pi * 1000 * np.arange(48000) / 48000).astype(np.float32)
    >>> powers = frame_powers(tone, 48000, 48000).powers
    >>> len(powers), round(float(powers[25]), 3)
    (50, 0.5)
    """
    cell = cell_samples(sample_rate)
    n_frames = -(-(phase + n_samples) // (HOP_CELLS * cell))
    n_cells = n_frames * HOP_CELLS + WINDOW_CELLS - HOP_CELLS
    begin = BEFORE_CELLS * cell + phase
    if n_cells > BLOCK_CELLS:
        padded = np.concatenate([np.zeros(begin, np.float32), part])
        blocks = range(-(-n_cells // BLOCK_CELLS))
        energies = np.concatenate([_block_energies(padded, sample_rate, block) for block in blocks])
    else:
        part = part[: (n_cells + MARGIN_CELLS) * cell]
        length = max(begin + len(part), n_cells * cell) + MARGIN_CELLS * cell
        segment = np.zeros((1, 1 << (length - 1).bit_length()), np.float32)
        segment[0, begin : begin + len(part)] = part
        energies = _cell_energies(segment, sample_rate, 0, n_cells)[0]
    return FramePowers(-phase, HOP_CELLS * cell, _windowed(energies, n_frames, cell))


class LevelTracks:
    """The weighted energy of clips in cells of 5 ms, worked out where it is needed and kept while memory allows.

    Parameters
    ----------
    sample_rate : int
        Hz, of all clips
    max_bytes : int, optional
        the clips used last are kept, 0.8 kB for a second
    """

    def __init__(self, sample_rate: int, max_bytes: int = 64 * 2**20):
        self.sample_rate = sample_rate
        self._cell = cell_samples(sample_rate)
        self._max_bytes = max_bytes
        self._n_bytes = 0
        self._tracks: OrderedDict[str, np.ndarray] = OrderedDict()  # NaN where not yet worked out

    def part_powers(self, clip_id: str, waveform: np.ndarray, start: int, end: int, fade: np.ndarray) -> FramePowers:
        """Frame powers of a part of a clip, as ``frame_powers`` would give them.

        Parameters
        ----------
        clip_id : str
            (N,) float32 array, the clip as it is
        waveform : np.ndarray
            (N,) float32 array, the clip as it is
        start, end : int
            samples of the part, within the clip
        fade : np.ndarray
            (F,) float32 gain of its first samples, and reversed of its last; at most half as long as the part

        Returns
        -------
        FramePowers
            frames whose grid begins with the clip
        """
        cell, n_fade = self._cell, len(fade)
        first, last = start // cell, -(-end // cell)
        edge = MARGIN_CELLS + -(-n_fade // cell) + 1
        if last - first <= 2 * edge + MARGIN_CELLS:
            part = waveform[start:end].copy()
            part[:n_fade] *= fade
            part[len(part) - n_fade :] *= fade[::-1]
            return frame_powers(part, end - start, self.sample_rate, start % (HOP_CELLS * cell))
        n_cells = edge + MARGIN_CELLS + OUTSIDE_CELLS  # of either end, silence outside included
        ends = np.zeros((2, 1 << ((n_cells + MARGIN_CELLS) * cell - 1).bit_length()), np.float32)
        head, tail = ends
        taken = waveform[start : (first + edge + MARGIN_CELLS) * cell]
        begin = OUTSIDE_CELLS * cell + start - first * cell
        head[begin : begin + len(taken)] = taken
        head[begin : begin + n_fade] *= fade
        taken = waveform[(last - edge - MARGIN_CELLS) * cell : end]
        tail[: len(taken)] = taken
        tail[len(taken) - n_fade : len(taken)] *= fade[::-1]
        energies = np.empty(last - first + 2 * OUTSIDE_CELLS)
        ends_energies = _cell_energies(ends, self.sample_rate, 0, n_cells)
        energies[: OUTSIDE_CELLS + edge] = ends_energies[0, : OUTSIDE_CELLS + edge]
        energies[-(OUTSIDE_CELLS + edge) :] = ends_energies[1, MARGIN_CELLS:]
        energies[OUTSIDE_CELLS + edge : -(OUTSIDE_CELLS + edge)] = self._energies(
            clip_id, waveform, first + edge, last - edge
        )
        first_frame, end_frame = first // HOP_CELLS, -(-last // HOP_CELLS)
        skipped = first_frame * HOP_CELLS - BEFORE_CELLS - (first - OUTSIDE_CELLS)
        powers = _windowed(energies[skipped:], end_frame - first_frame, cell)
        return FramePowers(first_frame * HOP_CELLS * cell - start, HOP_CELLS * cell, powers)

    def _energies(self, clip_id: str, waveform: np.ndarray, first: int, end: int) -> np.ndarray:
        """Energy of the cells [first, end) of a clip."""
        cell = self._cell
        track = self._tracks.get(clip_id)
        if track is None:
            n_blocks = math.ceil(len(waveform) / (BLOCK_CELLS * cell))
            track = np.full(n_blocks * BLOCK_CELLS, np.nan, np.float32)
            self._tracks[clip_id] = track
            self._n_bytes += track.nbytes
            while self._n_bytes > self._max_bytes and len(self._tracks) > 1:
                self._n_bytes -= self._tracks.popitem(last=False)[1].nbytes
        else:
            self._tracks.move_to_end(clip_id)
        for block in range(first // BLOCK_CELLS, (end - 1) // BLOCK_CELLS + 1):
            place = block * BLOCK_CELLS
            if math.isnan(track[place]):
                track[place : place + BLOCK_CELLS] = _block_energies(waveform, self.sample_rate, block)
        return track[first:end]


def _block_energies(waveform: np.ndarray, sample_rate: int, block: int) -> np.ndarray:
    """(BLOCK_CELLS,) energy of the cells of a block of a clip, silence before and after the clip."""
    cell = cell_samples(sample_rate)
    n_cells = BLOCK_CELLS + 2 * MARGIN_CELLS
    begin = (block * BLOCK_CELLS - MARGIN_CELLS) * cell
    taken = waveform[max(begin, 0) : max(begin + n_cells * cell, 0)]
    segment = np.zeros((1, 1 << (n_cells * cell - 1).bit_length()), np.float32)
    segment[0, max(-begin, 0) : max(-begin, 0) + len(taken)] = taken
    return _cell_energies(segment, sample_rate, MARGIN_CELLS, MARGIN_CELLS + BLOCK_CELLS)[0]


def _cell_energies(segments: np.ndarray, sample_rate: int, first: int, end: int) -> np.ndarray:
    """(S, end - first) energy of the cells of A-weighted segments (S, N)."""
    cell = cell_samples(sample_rate)
    size = segments.shape[1]
    spectrum = np.fft.rfft(segments)
    spectrum *= _gain(size, sample_rate)
    cells = np.fft.irfft(spectrum, size)[:, first * cell : end * cell].reshape(len(segments), end - first, cell)
    return np.einsum("sct,sct->sc", cells, cells)


def _windowed(energies: np.ndarray, n_frames: int, cell: int) -> np.ndarray:
    """Mean square of the window of each frame; the first window begins with the first cell."""
    cumulative = np.zeros(len(energies) + 1)
    np.cumsum(energies, out=cumulative[1:])
    starts = np.arange(n_frames) * HOP_CELLS
    return np.maximum(cumulative[starts + WINDOW_CELLS] - cumulative[starts], 0.0) / (WINDOW_CELLS * cell)


@lru_cache(maxsize=16)
def _gain(size: int, sample_rate: int) -> np.ndarray:
    return (10 ** (a_weighting_db(np.fft.rfftfreq(size, 1 / sample_rate)) / 20)).astype(np.float32)
