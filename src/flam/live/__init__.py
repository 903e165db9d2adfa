"""Listening while it happens: from a live input to events, clips and messages."""

from flam.live.clock import WallClock
from flam.live.monitor import LiveConfig, LiveMonitor, LiveNotice

__all__ = ["LiveConfig", "LiveMonitor", "LiveNotice", "WallClock"]
