"""Event lists out and in, one file per format."""

from flam.annotations.format import Format
from flam.annotations.registry import FORMATS, read_events, write_events

__all__ = ["FORMATS", "Format", "read_events", "write_events"]
