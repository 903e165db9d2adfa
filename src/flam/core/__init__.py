"""Events, frame scores, the time axis, errors and configuration."""

from flam.core.config import from_mapping, load_yaml, save_yaml, to_mapping
from flam.core.documents import parse_json, parse_yaml
from flam.core.errors import AnnotationError, AudioError, ConfigError, FlamError, ModelError, OutputError
from flam.core.events import Event, RecordingEvents, spans_by_prompt
from flam.core.files import atomic_path, atomic_text, file_sha256, output_lock, read_text
from flam.core.scores import FrameScores, ScoreMethod
from flam.core.timegrid import TimeGrid, round_half_up, seconds_to_samples

__all__ = [
    "AnnotationError",
    "AudioError",
    "ConfigError",
    "Event",
    "FlamError",
    "FrameScores",
    "ModelError",
    "OutputError",
    "RecordingEvents",
    "ScoreMethod",
    "TimeGrid",
    "atomic_path",
    "atomic_text",
    "file_sha256",
    "from_mapping",
    "load_yaml",
    "output_lock",
    "parse_json",
    "parse_yaml",
    "read_text",
    "round_half_up",
    "save_yaml",
    "seconds_to_samples",
    "spans_by_prompt",
    "to_mapping",
]
