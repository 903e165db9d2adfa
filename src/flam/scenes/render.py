"""Rendering: a scene plan becomes a waveform, its levels and its exact events."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from flam.audio.levels import FramePowers, LevelTracks, active_power, frame_powers
from flam.core import Event, seconds_to_samples
from flam.library.stores import ClipStore
from flam.scenes.effects import Effects, Filter, apply_effects, source_seconds
from flam.scenes.rendered import RenderedScene, StemLevels
from flam.scenes.scene import Placement, ScenePlan, correct_spans

# A scene that would go beyond is scaled down to this peak.
HIGHEST_PEAK_DB = -0.1


@dataclass(frozen=True)
class Cut:
    """A piece in samples: where it lies in the scene, where it begins in its clip, and how long its fades are."""

    start: int
    length: int
    first: int
    n_fade: int


@dataclass(frozen=True)
class PlacedPowers:
    """Where a piece lies in the scene, samples, and its frame powers before the gain."""

    start: int
    end: int
    powers: FramePowers


@dataclass(frozen=True)
class Part(PlacedPowers):
    """A piece made ready: its samples but for the gain.

    ``fade`` still has to be applied to the samples' ends; it is empty where that is done.
    """

    samples: np.ndarray
    fade: np.ndarray


class Renderer:
    """Renders plans, and remembers the levels of the clips that it used: the faster, the more scenes it renders.

    Parameters
    ----------
    source : ClipStore
        the clips
    labels : Mapping[str, str]
        clip id to label; clips without a label sound but make no event
    impulse_responses : str | Path | None, optional
        folder of the recordings that plans name
    """

    def __init__(self, source: ClipStore, labels: Mapping[str, str], impulse_responses: str | Path | None = None):
        self.source = source
        self.labels = labels
        self._impulse_responses = None if impulse_responses is None else Path(impulse_responses)
        self._tracks = LevelTracks(source.sample_rate)
        self._scratch = np.empty(0, np.float32)

    def render(self, plan: ScenePlan, stems: bool = False) -> RenderedScene:
        """Mix a scene; every level is exact before one common gain, so that stems sum to the waveform.

        Parameters
        ----------
        plan : ScenePlan
            what to mix
        stems : bool, default False
            whether the sources are also given one by one

        Raises
        ------
        AudioError
            a clip can't be read, or a codec does not take the sample rate
        ConfigError
            the plan names impulse responses and no folder was given, or pyroomacoustics is not installed
        KeyError
            the source does not have a clip
        """
        sample_rate = self.source.sample_rate
        n_samples = seconds_to_samples(plan.duration_s, sample_rate)
        waveform = np.zeros(n_samples, np.float32)
        placements = plan.placements
        kept = np.zeros((len(placements), n_samples), np.float32) if stems else None
        prepared = []
        for number, placement in enumerate(placements):
            parts = self.parts(placement, plan)
            power, gain = power_and_gain(parts, placement.level_db)
            energy = 0.0
            for part in parts:
                energy += self._add(part, gain, waveform, None if kept is None else kept[number])
            prepared.append((placement, parts, power * gain**2, gain, energy))
        peak = max(float(waveform.max(initial=0.0)), -float(waveform.min(initial=0.0)))
        scale = scene_gain(peak, plan.peak_db)
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
                events += heard_events(parts, gain * scale, plan, sample_rate, label)
        return RenderedScene(
            waveform=waveform,
            events=tuple(sorted(events)),
            placed=tuple(sorted(placed)),
            levels=tuple(levels),
            gain_db=20 * float(np.log10(scale)),
            sample_rate=sample_rate,
            stems=kept,
        )

    def parts(self, placement: Placement, plan: ScenePlan) -> list[Part]:
        """The pieces of a source made ready; pieces of equal sound are made once.

        Raises
        ------
        as ``render``
        """
        sample_rate = self.source.sample_rate
        clip = self.source.waveform(placement.clip_id)
        plain = is_plain(placement, plan)
        made: dict[tuple[int, int], tuple[np.ndarray, np.ndarray, FramePowers]] = {}
        parts = []
        for cut in cuts(placement, plan, len(clip), sample_rate):
            first, length = key = cut.first, cut.length
            if key not in made:
                fade = _ramp(cut.n_fade)
                if plain:
                    powers = self._tracks.part_powers(placement.clip_id, clip, first, first + length, fade)
                    made[key] = (clip[first : first + length], fade, powers)
                else:
                    samples = self._processed(clip, cut, placement.effects, plan.filter)
                    made[key] = (samples, _ramp(0), frame_powers(samples, length, sample_rate))
            samples, fade, powers = made[key]
            parts.append(Part(cut.start, cut.start + length, powers, samples, fade))
        return parts

    def _processed(self, clip: np.ndarray, cut: Cut, effects: Effects, filter: Filter | None) -> np.ndarray:
        sample_rate = self.source.sample_rate
        fade = _ramp(cut.n_fade)
        faded = np.ones(cut.length, np.float32)
        faded[: len(fade)] = fade
        faded[cut.length - len(fade) :] = fade[::-1]
        part = clip[cut.first : cut.first + samples_taken(cut, effects, sample_rate)]
        return apply_effects(part, sample_rate, effects, faded, filter, self._impulse_responses)

    def _add(self, part: Part, gain: float, waveform: np.ndarray, stem: np.ndarray | None) -> float:
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
    source: ClipStore,
    labels: Mapping[str, str],
    stems: bool = False,
    impulse_responses: str | Path | None = None,
) -> RenderedScene:
    """Mix one scene; for many, a ``Renderer`` is faster.

    Parameters
    ----------
    plan : ScenePlan
        as ``Renderer.render``
    stems : bool, default False
        as ``Renderer.render``
    source : ClipStore
        as ``Renderer``
    labels : Mapping[str, str]
        as ``Renderer``
    impulse_responses : str | Path | None, optional
        as ``Renderer``

    Examples
    --------
    >>> from flam.scenes.scene import Piece
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


def is_plain(placement: Placement, plan: ScenePlan) -> bool:
    """Whether a source sounds as its clip does, but for gain and fades."""
    return placement.effects == Effects() and plan.filter is None


def cuts(placement: Placement, plan: ScenePlan, n_clip: int, sample_rate: int) -> list[Cut]:
    """The pieces of a source in samples, without those of which nothing is left in the scene or in the clip.

    Parameters
    ----------
    placement : Placement
        the source and its scene
    plan : ScenePlan
        the source and its scene
    n_clip : int
        samples of the clip
    sample_rate : int
        Hz
    """
    plain = is_plain(placement, plan)
    n_scene = seconds_to_samples(plan.duration_s, sample_rate)
    found = []
    for piece in placement.pieces:
        start = seconds_to_samples(piece.onset_s, sample_rate)
        length = min(seconds_to_samples(piece.duration_s, sample_rate), n_scene - start)
        first = seconds_to_samples(piece.source_s, sample_rate)
        if plain:
            length = min(length, n_clip - first)
        if length > 0 and first < n_clip:
            n_fade = min(seconds_to_samples(plan.fade_s, sample_rate), length // 2)
            found.append(Cut(start, length, first, n_fade))
    return found


def samples_taken(cut: Cut, effects: Effects, sample_rate: int) -> int:
    """How many samples of its clip a piece takes; the clip may end earlier."""
    return seconds_to_samples(source_seconds(effects, cut.length / sample_rate), sample_rate)


def power_and_gain(parts: Sequence[PlacedPowers], level_db: float) -> tuple[float, float]:
    """The active power of a source, and the gain that brings it to a level; both 0 for silence."""
    power = active_power(np.concatenate([part.powers.powers for part in parts])) if parts else 0.0
    return power, 10 ** (level_db / 20) / math.sqrt(power) if power > 0 else 0.0


def scene_gain(peak: float, peak_db: float | None) -> float:
    """By which a scene is scaled as a whole.

    Parameters
    ----------
    peak : float
        largest absolute sample
    peak_db : float | None
        where the peak is to be; None to scale only a scene that would clip

    Examples
    --------
    >>> scene_gain(0.5, None), round(scene_gain(2.0, -20.0), 3)
    (1.0, 0.05)
    """
    if peak == 0.0:
        return 1.0
    highest = 10 ** (HIGHEST_PEAK_DB / 20)
    if peak_db is None:
        return min(1.0, highest / peak)
    return 10 ** (peak_db / 20) / peak


def heard_events(
    parts: Sequence[PlacedPowers], gain: float, plan: ScenePlan, sample_rate: int, label: str
) -> list[Event]:
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
