"""Clips whose bandwidth says nothing about their label: each gets a drawn one, by cutting off or by mirroring upwards.

A library's sample rates come with its labels: where one class was only ever recorded at 16 kHz and another only at
44.1 kHz, a model learns the recorder instead of the sound.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import scipy.fft

from flam.core.progress import Progress
from flam.library.bank import WaveformBank

BANDWIDTHS_HZ = (4_000.0, 5_500.0, 8_000.0, 11_025.0, 24_000.0)
SHARES = (0.08, 0.07, 0.3, 0.15, 0.4)
BIN_HZ = 250.0
HIGHEST_HZ = 20_000.0
SHORTEST_SAMPLES = 480
LOWEST_EDGE_HZ = 1_000.0  # a rumble is not continued to a hiss


def bandwidth_hz(power: np.ndarray, hz_per_bin: float, below_peak_db: float = 60.0) -> float:
    """Up to where a power spectrum holds anything within ``below_peak_db`` of its strongest 250 Hz.

    >>> bandwidth_hz(np.repeat([1.0, 1e-9], [80, 80]), 100.0)
    8000.0
    """
    step = max(int(BIN_HZ / hz_per_bin), 1)
    n_bands = max(len(power) // step, 1)
    bands = power[: n_bands * step].reshape(n_bands, -1).mean(axis=1)
    return float((np.flatnonzero(bands >= bands.max() * 10 ** (-below_peak_db / 10))[-1] + 1) * step * hz_per_bin)


def with_bandwidth(waveform: np.ndarray, sample_rate: int, target_hz: float, rng: np.random.Generator) -> np.ndarray:
    """Cut off what lies above ``target_hz``; where the sound ends well below, continue it upwards.

    The continuation is what lies below the edge, mirrored at it as by a resampler without a filter, so that it moves
    in time as the sound does; it falls by a drawn number of dB per octave.

    Parameters
    ----------
    waveform : (N,) float32 array
    target_hz : bandwidth to reach; at or above half the sample rate there is no limit

    Returns
    -------
    (N,) float32 array
    """
    size = scipy.fft.next_fast_len(len(waveform), real=True)
    spectrum = scipy.fft.rfft(waveform, size)
    hz_per_bin = sample_rate / size
    edge_hz = bandwidth_hz(np.abs(spectrum) ** 2, hz_per_bin)
    drop_db, slope_db = rng.uniform(0, 12), rng.uniform(3, 18)
    target_hz = min(target_hz, HIGHEST_HZ) if edge_hz < HIGHEST_HZ else target_hz
    if 0.9 * target_hz > edge_hz >= LOWEST_EDGE_HZ:
        first = edge = int(edge_hz / hz_per_bin)
        last = min(int(target_hz / hz_per_bin), len(spectrum))
        while edge < last:
            end = min(2 * edge, last)
            octaves = np.log2(np.arange(edge, end) / first)
            gain = 10 ** (-(drop_db + slope_db * octaves) / 20)
            spectrum[edge:end] = np.conj(spectrum[2 * edge - np.arange(edge, end)]) * gain.astype(np.float32)
            edge = end
    spectrum[int(target_hz / hz_per_bin) + 1 :] = 0
    return scipy.fft.irfft(spectrum, size)[: len(waveform)].astype(np.float32)


def build_variant(bank: WaveformBank, folder: str | Path, seed: int, progress: Progress | None = None) -> None:
    """Write a bank of the same clips, at the same places, each with a bandwidth drawn without regard to what it is."""
    folder = Path(folder)
    if (folder / "index.json").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    index = {clip_id: dict(entry) for clip_id, entry in bank.index.items()}
    with open(folder / "samples.i16.part", "wb") as file:
        for number, (clip_id, entry) in enumerate(index.items()):
            rng = np.random.Generator(np.random.PCG64([seed, number]))
            waveform = bank.waveform(clip_id)
            target_hz = float(rng.choice(BANDWIDTHS_HZ, p=SHARES))
            if len(waveform) >= SHORTEST_SAMPLES:
                waveform = with_bandwidth(waveform, bank.sample_rate, target_hz, rng)
            entry["scale"] = float(max(np.abs(waveform).max(), 1e-6)) / 32767
            file.write(np.round(waveform / np.float32(entry["scale"])).astype(np.int16).tobytes())
            if progress is not None:
                progress(number + 1, len(index))
    os.replace(folder / "samples.i16.part", folder / "samples.i16")
    (folder / "index.json").write_text(json.dumps(index), encoding="utf-8")
