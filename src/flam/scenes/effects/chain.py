"""The effects of one sound, in the order in which they are applied."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from flam.core import ConfigError
from flam.scenes.distributions import Constant, Distribution, Uniform, check_bounds, check_share
from flam.scenes.effects.codec import Codec, CodecConfig, apply_codec, draw_codec
from flam.scenes.effects.filter import Filter, FilterConfig, apply_filter, draw_filter
from flam.scenes.effects.room import Room, recorded_response, reverberate, room_response
from flam.scenes.effects.stretch import change_speed, shift_pitch, stretch


@dataclass(frozen=True)
class Sometimes:
    """A quantity that is drawn for a part of the sounds and left alone for the others.

    Parameters
    ----------
    share : float, default 0.0
        part of the sounds
    value : Distribution, optional
        what is drawn for them
    """

    share: float = 0.0
    value: Distribution = Constant(1.0)

    def __post_init__(self) -> None:
        check_share("share", self.share)

    def draw(self, rng: np.random.Generator, otherwise: float) -> float:
        """The drawn number, or ``otherwise``."""
        return round(self.value.draw(rng), 5) if rng.random() < self.share else otherwise


@dataclass(frozen=True)
class EffectsConfig:
    """How the effects of sounds are drawn; all are off unless asked for.

    Parameters
    ----------
    speed : Sometimes, optional
        faster or slower as a tape, pitch and length together; not for backgrounds
    stretch : Sometimes, optional
        length afterwards over length before, at the same pitch; not for backgrounds
    pitch_semitones : Sometimes, optional
        change of pitch at the same length; not for backgrounds
    filter : FilterConfig, optional
        equaliser and band limit
    codec : CodecConfig, optional
        lossy compression
    """

    speed: Sometimes = Sometimes(0.0, Uniform((0.85, 1.18)))
    stretch: Sometimes = Sometimes(0.0, Uniform((0.8, 1.25)))
    pitch_semitones: Sometimes = Sometimes(0.0, Uniform((-3.0, 3.0)))
    filter: FilterConfig = field(default_factory=FilterConfig)
    codec: CodecConfig = field(default_factory=CodecConfig)

    def __post_init__(self) -> None:
        check_bounds("speed", self.speed.value, 0.25, 4.0)
        check_bounds("stretch", self.stretch.value, 0.25, 4.0)
        check_bounds("pitch_semitones", self.pitch_semitones.value, -24.0, 24.0)


@dataclass(frozen=True)
class Effects:
    """The drawn effects of one sound, in the order in which they are applied.

    Parameters
    ----------
    speed : float, default 1.0
        playback speed as of a tape
    stretch : float, default 1.0
        length afterwards over length before
    pitch_semitones : float, default 0.0
        change of pitch
    filter : Filter | None, optional
        None for none
    codec : Codec | None, optional
        None for none
    room : Room | None, optional
        a computed reverberation
    impulse_response : str, default ""
        the recording of one, named relative to the recipe's folder; empty for none
    """

    speed: float = 1.0
    stretch: float = 1.0
    pitch_semitones: float = 0.0
    filter: Filter | None = None
    codec: Codec | None = None
    room: Room | None = None
    impulse_response: str = ""


def draw_effects(rng: np.random.Generator, config: EffectsConfig, background: bool = False) -> Effects:
    """The effects of one sound, all but its room."""
    speed = factor = 1.0
    semitones = 0.0
    if not background:
        speed = config.speed.draw(rng, 1.0)
        factor = config.stretch.draw(rng, 1.0)
        semitones = config.pitch_semitones.draw(rng, 0.0)
    return Effects(speed, factor, semitones, draw_filter(rng, config.filter), draw_codec(rng, config.codec))


def in_room(effects: Effects, room: Room | str) -> Effects:
    """The effects with a computed room, or with the recorded response of this name."""
    return replace(effects, impulse_response=room) if isinstance(room, str) else replace(effects, room=room)


def source_seconds(effects: Effects, duration_s: float) -> float:
    """How much of a clip a part of this length in the scene takes.

    Examples
    --------
    >>> source_seconds(Effects(speed=2.0, stretch=4.0), 1.0)
    0.5
    """
    return duration_s * effects.speed / effects.stretch


def change_time(waveform: np.ndarray, sample_rate: int, effects: Effects) -> np.ndarray:
    """The first of the effects: speed, stretch and pitch.

    Examples
    --------
    >>> len(change_time(np.zeros(4800, np.float32), 48000, Effects(stretch=2.0)))
    9600
    """
    if effects.speed != 1.0:
        waveform = change_speed(waveform, sample_rate, effects.speed)
    if effects.stretch != 1.0:
        waveform = stretch(waveform, sample_rate, effects.stretch)
    if effects.pitch_semitones != 0.0:
        waveform = shift_pitch(waveform, sample_rate, effects.pitch_semitones)
    return waveform


def apply_effects(
    waveform: np.ndarray,
    sample_rate: int,
    effects: Effects,
    fade: np.ndarray,
    scene_filter: Filter | None = None,
    impulse_responses: Path | None = None,
) -> np.ndarray:
    """Process a part of a clip.

    Parameters
    ----------
    waveform : np.ndarray
        (M,) float32 array, as much of the clip as ``source_seconds`` says
    sample_rate : int
        Hz
    effects : Effects
        what to apply
    fade : np.ndarray
        (N,) float32 gain of the part; the reverberation of what it lets pass is kept whole
    scene_filter : Filter | None, optional
        a filter that the whole scene has
    impulse_responses : Path | None, optional
        folder of the recorded responses

    Returns
    -------
    np.ndarray
        (N + tail,) float32 array; the tail is the reverberation's

    Raises
    ------
    ConfigError
        the plan names an impulse response but no folder was given
    AudioError
        the response can't be read, or the codec does not take the sample rate

    Examples
    --------
    >>> apply_effects(np.ones(48000, np.float32), 48000, Effects(speed=2.0), np.ones(24000, np.float32)).shape
    (24000,)
    """
    waveform = change_time(waveform, sample_rate, effects)
    for filter in (effects.filter, scene_filter):
        if filter is not None:
            waveform = apply_filter(waveform, sample_rate, filter)
    if effects.codec is not None:
        waveform = apply_codec(waveform, sample_rate, effects.codec)
    n_samples = min(len(waveform), len(fade))  # a change of speed may end a sample early or late
    faded = np.zeros(len(fade), np.float32)
    np.multiply(waveform[:n_samples], fade[:n_samples], out=faded[:n_samples])
    if effects.room is not None:
        return reverberate(faded, room_response(effects.room, sample_rate))
    if effects.impulse_response:
        if impulse_responses is None:
            raise ConfigError(
                f"the plan uses the impulse response {effects.impulse_response!r}; tell the renderer its folder"
            )
        return reverberate(faded, recorded_response(impulse_responses / effects.impulse_response, sample_rate))
    return faded
