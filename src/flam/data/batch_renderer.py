"""Rendering many scenes at once on a device: the scenes of ``flam.scenes.render``, for training at a higher rate.

The processor decides what sounds where; the device copies, filters, weighs and mixes. Effects that are not filters are
left to the processor: speed, stretch and pitch are resampled there and finished on the device, what a codec or a room
changes is finished there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from flam.audio.levels import HOP_CELLS, FramePowers, cell_samples
from flam.core import ConfigError, Event, seconds_to_samples
from flam.data.batch_effects import batch_powers, filtered, n_frames, weighing_begin, weighing_samples
from flam.library.bank import WaveformBank
from flam.scenes.effects import Effects, Filter, change_time, filter_size, transform_size
from flam.scenes.render import (
    Cut,
    PlacedPowers,
    Renderer,
    cuts,
    heard_events,
    is_plain,
    power_and_gain,
    samples_taken,
    scene_gain,
)
from flam.scenes.scene import Placement, ScenePlan

# A bank that would take more of the device's free memory stays in the host's.
LARGEST_SHARE = 0.5
# Samples that are transformed at once; a transform needs about 20 bytes for each.
AT_ONCE = 2**24


@dataclass(frozen=True)
class RenderedBatch:
    """Rendered plans.

    Parameters
    ----------
    waveform : Tensor
        (B, N) float32 tensor on the renderer's device
    events : tuple[tuple[Event, ...], ...]
        for each scene, where labelled events can be heard, as ``RenderedScene.events``
    gain_db : tuple[float, ...]
        (B,) by which each scene was scaled as a whole
    """

    waveform: Tensor
    events: tuple[tuple[Event, ...], ...]
    gain_db: tuple[float, ...]


@dataclass
class _Sound:
    """A part of a clip on its way into a scene.

    Parameters
    ----------
    clip_id : str
        what is taken of the bank, unless ``made`` has it
    first, n_taken : int
        what is taken of the bank, unless ``made`` has it
    made : np.ndarray | None, optional
        (M,) samples that the processor made
    length, n_fade, phase : int
        in the scene, in samples; phase as of ``frame_powers``
    filters : tuple[Filter, ...], default ()
        still to be applied
    samples : Tensor, optional
        (M,) tensor on the device, times ``scale``
    powers : FramePowers | None, optional
        None until it is weighed
    """

    clip_id: str
    first: int
    n_taken: int
    length: int
    n_fade: int
    phase: int
    filters: tuple[Filter, ...] = ()
    made: np.ndarray | None = None
    samples: Tensor = field(default_factory=lambda: torch.empty(0))
    scale: float = 1.0
    powers: FramePowers | None = None


@dataclass(frozen=True)
class _Source:
    """A source of a scene: its pieces by their start in the scene."""

    scene: int
    placement: Placement
    pieces: list[tuple[int, _Sound]]

    def placed(self) -> list[PlacedPowers]:
        """What is known of the pieces once they are weighed."""
        return [
            PlacedPowers(start, start + sound.length, sound.powers)
            for start, sound in self.pieces
            if sound.powers is not None
        ]


class BatchRenderer:
    """Renders plans in batches; its scenes are those of a ``Renderer`` to within 1e-4 of full scale.

    Equal batches give equal scenes on one device. A batch of B scenes needs about 4 bytes on the device for each
    sample of each piece, next to ``AT_ONCE`` and the bank.

    Parameters
    ----------
    bank : WaveformBank
        the clips
    labels : Mapping[str, str]
        clip id to label; clips without a label sound but make no event
    device : torch.device | str
        where scenes are mixed
    impulse_responses : str | Path | None, optional
        folder of the recordings that plans name
    resident : bool | None, optional
        whether the bank lives on the device; None if it takes no more than half of a GPU's free memory
    """

    def __init__(
        self,
        bank: WaveformBank,
        labels: Mapping[str, str],
        device: torch.device | str,
        impulse_responses: str | Path | None = None,
        resident: bool | None = None,
    ):
        self.labels, self.device = labels, torch.device(device)
        self._sample_rate = bank.sample_rate
        self._renderer = Renderer(bank, labels, impulse_responses)
        self._bank = DeviceBank(bank, self.device, resident)

    @torch.no_grad()
    def render(self, plans: Sequence[ScenePlan]) -> RenderedBatch:
        """Mix scenes of equal length.

        Parameters
        ----------
        plans : Sequence[ScenePlan]
            what to mix, B of them

        Raises
        ------
        ConfigError
            there is no plan, or they differ in length; else as ``Renderer.render``
        """
        durations_s = {plan.duration_s for plan in plans}
        if len(durations_s) != 1:
            raise ConfigError(f"a batch needs scenes of one length, not {sorted(durations_s)} s; render them apart")
        n_samples = seconds_to_samples(durations_s.pop(), self._sample_rate)
        sources = [
            _Source(scene, placement, self._pieces(placement, plan))
            for scene, plan in enumerate(plans)
            for placement in plan.placements
        ]
        self._make_ready(list({id(sound): sound for source in sources for _, sound in source.pieces}.values()))
        waveform = torch.zeros(len(plans), n_samples, device=self.device)
        gains = []
        for source in sources:
            _, gain = power_and_gain(source.placed(), source.placement.level_db)
            gains.append(gain)
            for start, sound in source.pieces:
                target = waveform[source.scene, start : start + len(sound.samples)]
                target.add_(sound.samples[: len(target)], alpha=gain)
        peaks = waveform.abs().amax(dim=1).tolist()
        scales = [scene_gain(peak, plan.peak_db) for peak, plan in zip(peaks, plans, strict=True)]
        waveform *= torch.tensor(scales, device=self.device)[:, None]
        events: list[list[Event]] = [[] for _ in plans]
        for source, gain in zip(sources, gains, strict=True):
            plan, label = plans[source.scene], self.labels.get(source.placement.clip_id, "")
            if label and gain > 0 and source.placement is not plan.background:
                gain *= scales[source.scene]
                events[source.scene] += heard_events(source.placed(), gain, plan, self._sample_rate, label)
        return RenderedBatch(
            waveform,
            tuple(tuple(sorted(scene_events)) for scene_events in events),
            tuple(20 * float(np.log10(scale)) for scale in scales),
        )

    def _pieces(self, placement: Placement, plan: ScenePlan) -> list[tuple[int, _Sound]]:
        """The pieces of a source; pieces of equal sound share it."""
        effects, clip_id = placement.effects, placement.clip_id
        if effects.codec is not None or effects.room is not None or effects.impulse_response:
            return [
                (part.start, _Sound(clip_id, 0, 0, part.end - part.start, 0, 0, made=part.samples, powers=part.powers))
                for part in self._renderer.parts(placement, plan)
            ]
        n_clip = self._bank.bank.n_samples(clip_id)
        sounds: dict[tuple[int, int], _Sound] = {}
        pieces = []
        for cut in cuts(placement, plan, n_clip, self._sample_rate):
            key = (cut.first, cut.length)
            if key not in sounds:
                sounds[key] = self._sound(clip_id, cut, effects, plan, is_plain(placement, plan))
            pieces.append((cut.start, sounds[key]))
        return pieces

    def _sound(self, clip_id: str, cut: Cut, effects: Effects, plan: ScenePlan, plain: bool) -> _Sound:
        bank, rate = self._bank.bank, self._sample_rate
        n_taken = cut.length if plain else samples_taken(cut, effects, rate)
        n_taken = min(n_taken, bank.n_samples(clip_id) - cut.first)
        made = None
        if (effects.speed, effects.stretch, effects.pitch_semitones) != (1.0, 1.0, 0.0):
            made = change_time(bank.waveform(clip_id)[cut.first : cut.first + n_taken], rate, effects)
        return _Sound(
            clip_id,
            cut.first,
            n_taken,
            cut.length,
            cut.n_fade,
            phase=cut.first % (HOP_CELLS * cell_samples(rate)) if plain else 0,
            filters=tuple(filter for filter in (effects.filter, plan.filter) if filter is not None),
            made=made,
        )

    def _make_ready(self, sounds: Sequence[_Sound]) -> None:
        """Bring sounds to the device, filter, fade and weigh them."""
        made = [(sound, sound.made) for sound in sounds if sound.made is not None]
        for (sound, _), samples in zip(made, sent([array for _, array in made], self.device), strict=True):
            sound.samples = samples
        taken = [sound for sound in sounds if sound.made is None]
        places = [(sound.clip_id, sound.first, sound.n_taken) for sound in taken]
        for sound, samples in zip(taken, self._bank.parts(places), strict=True):
            sound.samples, sound.scale = samples, float(self._bank.bank.scale(sound.clip_id))
        unfinished = [sound for sound in sounds if sound.powers is None]
        for (size, *_), some in _groups([sound for sound in unfinished if sound.filters], _filter_key):
            self._filter(some, size)
        weighed = [
            (some, self._fade_and_weigh(some, size))
            for (size,), some in _groups(unfinished, lambda sound: (self._row_size(sound),))
        ]
        for some, powers in weighed:
            hop = HOP_CELLS * cell_samples(self._sample_rate)
            for sound, row in zip(some, powers.cpu().numpy(), strict=True):
                count = n_frames(sound.phase, sound.length, self._sample_rate)
                sound.powers = FramePowers(-sound.phase, hop, row[:count])

    def _row_size(self, sound: _Sound) -> int:
        return transform_size(weighing_samples(sound.phase, sound.length, self._sample_rate))

    def _filter(self, sounds: Sequence[_Sound], size: int) -> None:
        rows = torch.zeros(len(sounds), size, device=self.device)
        for row, sound in zip(rows, sounds, strict=True):
            row[: len(sound.samples)] = sound.samples
        rows *= self._column([sound.scale for sound in sounds])
        inside = self._places(size) < self._column([len(sound.samples) for sound in sounds], torch.int32)
        for filters in zip(*(sound.filters for sound in sounds), strict=True):
            rows = filtered(rows, filters, self._sample_rate) * inside
        for row, sound in zip(rows, sounds, strict=True):
            sound.samples, sound.scale = row[: len(sound.samples)], 1.0

    def _fade_and_weigh(self, sounds: Sequence[_Sound], size: int) -> Tensor:
        """(P, T) frame powers."""
        rows = torch.zeros(len(sounds), size, device=self.device)
        begins = [weighing_begin(sound.phase, self._sample_rate) for sound in sounds]
        for row, begin, sound in zip(rows, begins, sounds, strict=True):
            samples = sound.samples[: sound.length]
            row[begin : begin + len(samples)] = samples
        from_start = self._places(size) - self._column(begins, torch.int32)
        to_end = self._column([sound.length - 1 for sound in sounds], torch.int32) - from_start
        # half a sample for no fade makes the ramp 1 from the first sample on
        n_fade = self._column([max(sound.n_fade, 0.5) for sound in sounds])
        rows *= ((torch.minimum(from_start, to_end) + 0.5) / n_fade).clamp_(0.0, 1.0)
        rows *= self._column([sound.scale for sound in sounds])
        for row, begin, sound in zip(rows, begins, sounds, strict=True):
            sound.samples, sound.scale = row[begin : begin + sound.length], 1.0
        return batch_powers(rows, self._sample_rate)

    def _column(self, values: Sequence[float], dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.tensor(values, dtype=dtype, device=self.device)[:, None]

    def _places(self, size: int) -> Tensor:
        return torch.arange(size, dtype=torch.int32, device=self.device)


def _filter_key(sound: _Sound) -> tuple[int, ...]:
    return filter_size(len(sound.samples)), *(len(filter.gain_db) for filter in sound.filters)


def _groups(
    sounds: Sequence[_Sound], key: Callable[[_Sound], tuple[int, ...]]
) -> Iterator[tuple[tuple[int, ...], list[_Sound]]]:
    """Sounds of equal keys, no more than can be transformed at once; a key begins with the size of the transform."""
    groups: dict[tuple[int, ...], list[_Sound]] = defaultdict(list)
    for sound in sounds:
        groups[key(sound)].append(sound)
    for found, members in groups.items():
        count = max(AT_ONCE // found[0], 1)
        for first in range(0, len(members), count):
            yield found, members[first : first + count]


class DeviceBank:
    """A bank whose parts can be had on a device.

    Parameters
    ----------
    bank : WaveformBank
        the clips, 16-bit
    device : torch.device
        where the parts are wanted
    resident : bool | None, optional
        whether all samples live there; None to decide by what memory is free. Otherwise the parts of a batch are
        gathered in pinned memory of the host and sent together
    """

    def __init__(self, bank: WaveformBank, device: torch.device, resident: bool | None = None):
        self.bank, self.device = bank, device
        if resident is None:
            resident = (
                device.type == "cuda" and bank.samples.nbytes <= LARGEST_SHARE * torch.cuda.mem_get_info(device)[0]
            )
        self._resident = torch.tensor(bank.samples, device=device) if resident else None

    def parts(self, places: Sequence[tuple[str, int, int]]) -> list[Tensor]:
        """Parts of clips as they lie in the bank.

        Parameters
        ----------
        places : Sequence[tuple[str, int, int]]
            (clip id, first sample, number of samples) of each part, within its clip

        Returns
        -------
        list[Tensor]
            for each part an (N,) int16 tensor on the device, not to be changed; times ``bank.scale`` it is the waveform
        """
        spans = [(self.bank.start(clip_id) + first, length) for clip_id, first, length in places]
        if self._resident is not None:
            return [self._resident[start : start + length] for start, length in spans]
        return sent([self.bank.samples[start : start + length] for start, length in spans], self.device)


def sent(arrays: Sequence[np.ndarray], device: torch.device) -> list[Tensor]:
    """Copies of arrays of one type on a device, sent together.

    Examples
    --------
    >>> sent([np.zeros(2, np.int16), np.ones(1, np.int16)], torch.device("cpu"))
    [tensor([0, 0], dtype=torch.int16), tensor([1], dtype=torch.int16)]
    """
    if not arrays:
        return []
    lengths = [len(array) for array in arrays]
    dtype = torch.from_numpy(np.empty(0, arrays[0].dtype)).dtype
    gathered = torch.empty(sum(lengths), dtype=dtype, pin_memory=device.type == "cuda")
    np.concatenate(arrays, out=gathered.numpy())
    return list(gathered.to(device, non_blocking=True).split(lengths))
