"""What the server counts, as Prometheus reads it."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from flam.server.service import Service
from flam.server.store import StoredRecording


class Metrics:
    """Counters of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.responses = Counter("flam_responses", "Responses by status.", ["status"], registry=self.registry)
        self.uploaded = Counter("flam_uploaded_bytes", "Bytes received as recordings.", registry=self.registry)
        self.analyses = Counter("flam_analyses", "Analyses by outcome.", ["outcome"], registry=self.registry)
        self.audio = Counter("flam_analysed_audio_seconds", "Seconds of audio analysed.", registry=self.registry)
        self.stored = Gauge("flam_stored_recordings", "Recordings held.", registry=self.registry)
        self.stored_bytes = Gauge("flam_stored_bytes", "Disk space of uploads and analyses.", registry=self.registry)
        self.waiting = Gauge("flam_waiting_recordings", "Recordings that wait for analysis.", registry=self.registry)
        self.live = Gauge("flam_live_sessions", "Live sessions open.", registry=self.registry)

    def count_analysis(self, recording: StoredRecording) -> None:
        """Count an analysis that ended."""
        self.analyses.labels(recording.state).inc()
        self.audio.inc(recording.analysed_s)

    def text(self, service: Service) -> bytes:
        """All metrics in Prometheus' text format."""
        recordings = list(service.store)
        self.stored.set(len(recordings))
        self.stored_bytes.set(sum(recording.n_bytes() for recording in recordings))
        self.waiting.set(service.analyser.n_waiting)
        return generate_latest(self.registry)
