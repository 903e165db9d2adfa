"""Audio in and out - open, stream, resample, cut into windows, write, measure loudness."""

from flam.audio.cut import clip_name, cut_clips
from flam.audio.loudness import (
    a_weighted_levels_db,
    a_weighted_rms_db,
    a_weighting_db,
    active_spans_s,
    spans_of_levels_s,
)
from flam.audio.recording import Recording, mono_blocks, open_recording, read_audio
from flam.audio.resample import Window, resample, resample_blocks, resampled_length, windows
from flam.audio.start_time import parse_time_zone, start_time
from flam.audio.walk import RECORDING_SUFFIXES, find_recordings
from flam.audio.write import write_audio

__all__ = [
    "RECORDING_SUFFIXES",
    "Recording",
    "Window",
    "a_weighted_levels_db",
    "a_weighted_rms_db",
    "a_weighting_db",
    "active_spans_s",
    "clip_name",
    "cut_clips",
    "find_recordings",
    "mono_blocks",
    "open_recording",
    "parse_time_zone",
    "read_audio",
    "resample",
    "resample_blocks",
    "resampled_length",
    "spans_of_levels_s",
    "start_time",
    "windows",
    "write_audio",
]
