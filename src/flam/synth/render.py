"""Rendering: a scene plan becomes a waveform, its levels and its exact events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np

from flam.core import Event, seconds_to_samples
from flam.synth.boundaries import correct_spans
from flam.synth.effects import Effects, Filter, apply_effects, source_seconds
from flam.synth.levels import FramePowers, LevelTracks, active_power, frame_powers
from flam.synth.rendered import RenderedScene, StemLevels
from flam.synth.scene import Piece, Placement, ScenePlan

# A scene that would go beyond is scaled down to this peak.
HIGHEST_PEAK_DB = -0.1


class WaveformSource(Protocol):
    """Where the renderer takes clips from; a waveform bank is one. The arrays it gives are left as they are."""

    sample_rate: int

    def waveform(self, clip_id: str) -> np.ndarray: ...


@dataclass(frozen=True)
class _Part:
    """A piece made ready: its samples but for the gain, where it lies in the scene, and its frame powers.

    ``fade`` still has to be applied to the samples' ends; it is empty where that is done.
    """

    samples: np.ndarray
    start: int
    end: int
    fade: np.ndarray
    powers: FramePowers


class Renderer:
    """Renders plans, and remembers the levels of the clips that it used: the faster, the more scenes it renders.

    Parameters
    ----------
    source : the clips
    labels : clip id to label; clips without a label sound but make no event
    impulse_responses : folder of the recordings that plans name
    """

    def __init__(self, source: WaveformSource, labels: Mapping[str, str], impulse_responses: str | Path | None = None):
        self.source = source
        self.labels = labels
        self._impulse_responses = None if impulse_responses is None else Path(impulse_responses)
        self._tracks = LevelTracks(source.sample_rate)
        self._scratch = np.empty(0, np.float32)

    def render(self, plan: ScenePlan, stems: bool = False) -> RenderedScene:
        """Mix a scene; every level is exact before one common gain, so that stems sum to the waveform.

        Parameters
        ----------
        plan : what to mix
        stems : whether the sources are also given one by one

        Raises
        ------
        AudioError : a clip can't be read, or a codec does not take the sample rate
        ConfigError : the plan names impulse responses and no folder was given, or pyroomacoustics is not installed
        KeyError : the source does not have a clip
        """
        sample_rate = self.source.sample_rate
        n_samples = seconds_to_samples(plan.duration_s, sample_rate)
        waveform = np.zeros(n_samples, np.float32)
        placements = plan.placements
        kept = np.zeros((len(placements), n_samples), np.float32) if stems else None
        prepared = []
        for number, placement in enumerate(placements):
            parts = self._parts(placement, plan, n_samples)
            power = active_power(np.concatenate([part.powers.powers for part in parts])) if parts else 0.0
            gain = 10 ** (placement.level_db / 20) / np.sqrt(power) if power > 0 else 0.0
            energy = 0.0
            for part in parts:
                energy += self._add(part, gain, waveform, None if kept is None else kept[number])
            prepared.append((placement, parts, power * gain**2, gain, energy))
        scale = _scene_gain(waveform, plan.peak_db)
        if scale != 1.0:
            waveform *= np.float32(scale)
            if kept is not None:
                kept *= np.float32(scale)
        background_power = 10 ** (plan.background_db / 10)
        if plan.background is not None:
            background_power = prepared[0][2]
        levels, placed, events = [], [], []
        for placement, parts, power, gain, energy in prepared:
            length = sum(part.end - part.start for part in parts)
            is_background = placement is plan.background
            levels.append(
                StemLevels(
                    placement.clip_id,
                    level_db=_db(power * scale**2),
                    rms_db=_db(energy * scale**2 / max(length, 1)),
                    snr_db=None if is_background or not background_power else _db(power / background_power),
                )
            )
            label = self.labels.get(placement.clip_id, "")
            if label and not is_background and power > 0:
                placed += [Event(part.start / sample_rate, part.end / sample_rate, label) for part in parts]
                events += _heard(parts, gain * scale, plan, sample_rate, label)
        return RenderedScene(
            waveform=waveform,
            events=tuple(sorted(events)),
            placed=tuple(sorted(placed)),
            levels=tuple(levels),
            gain_db=20 * float(np.log10(scale)),
            sample_rate=sample_rate,
            stems=kept,
        )

    def _parts(self, placement: Placement, plan: ScenePlan, n_samples: int) -> list[_Part]:
        """The pieces made ready; pieces of equal sound are made once."""
        sample_rate = self.source.sample_rate
        clip = self.source.waveform(placement.clip_id)
        plain = placement.effects == Effects() and plan.filter is None
        made: dict[tuple[float, int], tuple[np.ndarray, np.ndarray, FramePowers]] = {}
        parts = []
        for piece in placement.pieces:
            start = seconds_to_samples(piece.onset_s, sample_rate)
            length = min(seconds_to_samples(piece.duration_s, sample_rate), n_samples - start)
            first = seconds_to_samples(piece.source_s, sample_rate)
            if plain:
                length = min(length, len(clip) - first)
            if length <= 0 or first >= len(clip):
                continue
            key = (piece.source_s, length)
            if key not in made:
                fade = _ramp(min(seconds_to_samples(plan.fade_s, sample_rate), length // 2))
                if plain:
                    powers = self._tracks.part_powers(placement.clip_id, clip, first, first + length, fade)
                    made[key] = (clip[first : first + length], fade, powers)
                else:
                    samples = self._processed(clip, piece, length, placement.effects, fade, plan.filter)
                    made[key] = (samples, _ramp(0), frame_powers(samples, length, sample_rate))
            samples, fade, powers = made[key]
            parts.append(_Part(samples, start, start + length, fade, powers))
        return parts

    def _processed(
        self, clip: np.ndarray, piece: Piece, length: int, effects: Effects, fade: np.ndarray, filter: Filter | None
    ) -> np.ndarray:
        sample_rate = self.source.sample_rate
        first = seconds_to_samples(piece.source_s, sample_rate)
        taken = seconds_to_samples(source_seconds(effects, length / sample_rate), sample_rate)
        faded = np.ones(length, np.float32)
        faded[: len(fade)] = fade
        faded[length - len(fade) :] = fade[::-1]
        part = clip[first : first + taken]
        return apply_effects(part, sample_rate, effects, faded, filter, self._impulse_responses)

    def _add(self, part: _Part, gain: float, waveform: np.ndarray, stem: np.ndarray | None) -> float:
        """Add a part to the mixture, and to its stem; gives its energy."""
        samples = part.samples[: len(waveform) - part.start]
        length, n_fade = len(samples), len(part.fade)
        if len(self._scratch) < length:
            self._scratch = np.empty(length, np.float32)
        scaled = self._scratch[:length]
        np.multiply(samples, np.float32(gain), out=scaled)
        scaled[:n_fade] *= part.fade
        scaled[length - n_fade :] *= part.fade[::-1]
        waveform[part.start : part.start + length] += scaled
        if stem is not None:
            stem[part.start : part.start + length] += scaled
        return float(np.dot(scaled, scaled))


def render(
    plan: ScenePlan,
    source: WaveformSource,
    labels: Mapping[str, str],
    stems: bool = False,
    impulse_responses: str | Path | None = None,
) -> RenderedScene:
    """Mix one scene; for many, a ``Renderer`` is faster.

    Parameters
    ----------
    plan, stems : as ``Renderer.render``
    source, labels, impulse_responses : as ``Renderer``

    >>> class Tone:
    ...     sample_rate = 48_000
    ...     def waveform(self, clip_id):
    ...         return np.sin(2 * np.pi * 1000 * np.arange(48_000) / 48_000).astype(np.float32)
    >>> plan = ScenePlan(2.0, None, (Placement("beep", (Piece(0.0, 0.5, 1.0),), level_db=-20.0),))
    >>> scene = render(plan, Tone(), {"beep": "a beep"})
    >>> [(event.onset_s, event.offset_s, event.prompt) for event in scene.events], round(scene.levels[0].level_db, 2)
    ([(0.5, 1.5, 'a beep')], -20.0)
    """
    return Renderer(source, labels, impulse_responses).render(plan, stems)


def _scene_gain(waveform: np.ndarray, peak_db: float | None) -> float:
    peak = max(float(waveform.max(initial=0.0)), -float(waveform.min(initial=0.0)))
    if peak == 0.0:
        return 1.0
    highest = 10 ** (HIGHEST_PEAK_DB / 20)
    if peak_db is None:
        return min(1.0, highest / peak)
    return 10 ** (peak_db / 20) / peak


def _heard(parts: list[_Part], gain: float, plan: ScenePlan, sample_rate: int, label: str) -> list[Event]:
    """The events of one source, corrected to where it can be heard at this gain."""
    rules = plan.boundaries
    least = 10 ** (rules.threshold_db / 10) / gain**2
    if rules.below_loudest_db is not None:
        loudest = max(float(part.powers.powers.max()) for part in parts)
        least = max(least, loudest * 10 ** (-rules.below_loudest_db / 10))
    active = [(start + part.start, end + part.start) for part in parts for start, end in part.powers.spans(least)]
    placed = [(part.start, part.end) for part in parts]
    spans = correct_spans(active, placed, sample_rate, rules)
    return [Event(start / sample_rate, end / sample_rate, label) for start, end in spans]


def _db(power: float) -> float:
    return 10 * float(np.log10(max(power, 1e-12)))


@lru_cache(maxsize=64)
def _ramp(n_samples: int) -> np.ndarray:
    """(n_samples,) rising gain; with its reverse it sums to 1, so that a looped sound keeps its level."""
    ramp = ((np.arange(n_samples) + 0.5) / max(n_samples, 1)).astype(np.float32)
    ramp.flags.writeable = False
    return ramp
