"""Effects applied to a sound before mixing: one file per effect, drawn in the plan, applied by the renderer."""

from flam.scenes.effects.chain import (
    Effects,
    EffectsConfig,
    Sometimes,
    apply_effects,
    change_time,
    draw_effects,
    in_room,
    source_seconds,
)
from flam.scenes.effects.codec import Codec, CodecConfig, apply_codec
from flam.scenes.effects.filter import Filter, FilterConfig, apply_filter, draw_filter, filter_size, transform_size
from flam.scenes.effects.room import Room, RoomConfig, RoomDrawer, recorded_response, reverberate, room_response
from flam.scenes.effects.stretch import change_speed, shift_pitch, stretch

__all__ = [
    "Codec",
    "CodecConfig",
    "Effects",
    "EffectsConfig",
    "Filter",
    "FilterConfig",
    "Room",
    "RoomConfig",
    "RoomDrawer",
    "Sometimes",
    "apply_codec",
    "apply_effects",
    "apply_filter",
    "change_speed",
    "change_time",
    "draw_effects",
    "draw_filter",
    "filter_size",
    "in_room",
    "recorded_response",
    "reverberate",
    "room_response",
    "shift_pitch",
    "source_seconds",
    "stretch",
    "transform_size",
]
