"""The web application: routes, gate, errors, page."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

import flam
from flam.core import FlamError
from flam.server import live, routes_detect, routes_recordings, routes_review, routes_search, routes_status
from flam.server.errors import Refused
from flam.server.reviews import Reviews
from flam.server.searching import ArchiveShelf
from flam.server.security import Gate
from flam.server.service import Service
from flam.server.store import StoredRecording
from flam.server.uploads import Uploads

logger = logging.getLogger(__name__)
ROUTERS = (
    routes_recordings.router,
    routes_detect.router,
    routes_search.router,
    routes_review.router,
    routes_status.router,
    live.router,
)


def create_app(service: Service, shelf: ArchiveShelf | None = None) -> FastAPI:
    """The application for a service, which is closed with it.

    Parameters
    ----------
    service : Service
        What carries out the requests.
    shelf : ArchiveShelf or None
        The archives that can be searched; None for none.

    Returns
    -------
    FastAPI
        An ASGI application; its OpenAPI document is at ``/v1/openapi.json``.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    app = FastAPI(
        title="FLAM",
        description="Find sounds by words: recordings in, events out.",
        version=flam.__version__,
        license_info={"name": "Apache-2.0"},
        lifespan=lifespan,
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.service, app.state.metrics, app.state.uploads = service, Metrics(), Uploads(service)
    app.state.shelf = ArchiveShelf((), service.detector) if shelf is None else shelf
    app.state.reviews, app.state.n_live = Reviews(service, app.state.shelf), 0
    service.analyser.on_finished = app.state.metrics.count_analysis
    for router in ROUTERS:
        app.include_router(router)
    app.mount("/", StaticFiles(directory=str(resources.files("flam") / "server" / "static"), html=True))
    app.add_exception_handler(FlamError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    metrics = app.state.metrics
    app.add_middleware(
        Gate, config=service.config, on_status=lambda status: metrics.responses.labels(str(status)).inc()
    )
    return app


async def _refused(request: Request, error: Exception) -> JSONResponse:
    status = error.status if isinstance(error, Refused) else 400
    logger.warning("refused %s %s: %d %s", request.method, ascii(request.url.path), status, ascii(str(error)))
    headers = {"retry-after": "30"} if status == 503 else None
    return JSONResponse({"detail": _text(error)}, status, headers)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if isinstance(part, (str, int)))
    logger.warning("refused %s %s: 422 %s", request.method, ascii(request.url.path), ascii(where))
    return JSONResponse({"detail": f"{ascii(where)[1:-1]}: {first['msg']}"}, 422)


def _text(error: Exception) -> str:
    """The message, as any JSON can hold it."""
    return str(error).encode("utf-8", "replace").decode()


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
