"""Rendering: a scene plan becomes a waveform, its stems and its exact events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import soxr

from flam.core import Event, seconds_to_samples
from flam.synth.plan import Placement, ScenePlan

FADE_S = 0.01


class WaveformSource(Protocol):
    """Where the renderer takes clips from; a waveform bank is one."""

    sample_rate: int

    def waveform(self, clip_id: str) -> np.ndarray: ...

    def spans_s(self, clip_id: str) -> list[tuple[float, float]]: ...

    def level_db(self, clip_id: str) -> float: ...


@dataclass(frozen=True)
class RenderedScene:
    """A rendered plan.

    Parameters
    ----------
    waveform : (N,) float32, the sum of the stems
    stems : (S, N) float32, background first where there is one, then the events in plan order
    events : active spans of every labelled event; the background is not among them
    """

    waveform: np.ndarray
    stems: np.ndarray
    events: tuple[Event, ...]


def render(plan: ScenePlan, source: WaveformSource, labels: Mapping[str, str]) -> RenderedScene:
    """Mix a scene; every level is exact before one common gain, so that stems sum to the waveform.

    Parameters
    ----------
    plan : what to mix
    source : the clips
    labels : clip id to label; clips without a label sound but make no event
    """
    sample_rate = source.sample_rate
    n_samples = seconds_to_samples(plan.duration_s, sample_rate)
    placements = [*([] if plan.background is None else [plan.background]), *plan.events]
    stems = np.zeros((len(placements), n_samples), dtype=np.float32)
    events = []
    for stem, placement in zip(stems, placements, strict=True):
        part = _part(placement, source)
        start = seconds_to_samples(placement.onset_s, sample_rate)
        part = part[: n_samples - start]
        stem[start : start + len(part)] = part
        label = labels.get(placement.clip_id, "")
        if placement is not plan.background and label:
            end_s = placement.onset_s + len(part) / sample_rate
            events += [
                Event(onset_s, min(offset_s, end_s), label)
                for onset_s, offset_s in _active_in_scene(placement, source)
                if onset_s < end_s
            ]
    peak = float(np.abs(stems.sum(axis=0)).max(initial=0.0))
    if peak > 0:
        stems *= np.float32(10 ** (plan.peak_db / 20) / peak)
    return RenderedScene(stems.sum(axis=0), stems, tuple(sorted(events)))


def _part(placement: Placement, source: WaveformSource) -> np.ndarray:
    """The placed part of a clip at its level, repeated if the clip is shorter, faded at both ends."""
    sample_rate = source.sample_rate
    waveform = source.waveform(placement.clip_id)
    if placement.speed != 1.0:
        waveform = soxr.resample(waveform, sample_rate * placement.speed, sample_rate, quality="LQ")
    start = seconds_to_samples(placement.source_s, sample_rate)
    length = seconds_to_samples(placement.duration_s, sample_rate)
    part = np.resize(waveform[start:], length) if start + length > len(waveform) else waveform[start : start + length]
    part = part * np.float32(10 ** ((placement.level_db - source.level_db(placement.clip_id)) / 20))
    if placement.equaliser_db or placement.band_limit_hz is not None:
        part = _filtered(part, sample_rate, placement)
    fade = min(seconds_to_samples(FADE_S, sample_rate), len(part) // 2)
    ramp = np.linspace(0.0, 1.0, fade, endpoint=False, dtype=np.float32)
    part[:fade] *= ramp
    part[len(part) - fade :] *= ramp[::-1]
    return part


def _filtered(part: np.ndarray, sample_rate: int, placement: Placement) -> np.ndarray:
    """Equaliser and band limit as one gain over frequency; the power of the part is kept."""
    size = 1 << max(len(part) - 1, 1).bit_length()
    frequency_hz = np.fft.rfftfreq(size, 1 / sample_rate)
    gain_db = np.zeros_like(frequency_hz)
    if placement.equaliser_db:
        knots = np.linspace(np.log(50.0), np.log(20_000.0), len(placement.equaliser_db))
        gain_db += np.interp(np.log(np.maximum(frequency_hz, 1.0)), knots, placement.equaliser_db)
    gain = 10 ** (gain_db / 20)
    if placement.band_limit_hz is not None:
        gain /= np.sqrt(1 + (frequency_hz / placement.band_limit_hz) ** 16)
    filtered = np.fft.irfft(np.fft.rfft(part, size) * gain, size)[: len(part)].astype(np.float32)
    power, filtered_power = float(np.dot(part, part)), float(np.dot(filtered, filtered))
    return filtered * np.float32(np.sqrt(power / filtered_power)) if filtered_power > 0 else filtered


def _active_in_scene(placement: Placement, source: WaveformSource) -> list[tuple[float, float]]:
    """Active spans of the placed part on the scene's time axis."""
    shift_s = placement.onset_s - placement.source_s
    first_s, last_s = placement.onset_s, placement.onset_s + placement.duration_s
    moved = [
        (onset_s / placement.speed + shift_s, offset_s / placement.speed + shift_s)
        for onset_s, offset_s in source.spans_s(placement.clip_id)
    ]
    return [(max(on, first_s), min(off, last_s)) for on, off in moved if on < last_s and off > first_s]
