"""What the server is and how it does: health, models, presets, formats, metrics."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

import flam
from flam.annotations import FORMATS
from flam.server.dependencies import ServiceDep
from flam.server.service import DEMOS

router = APIRouter(tags=["status"])


class HealthOut(BaseModel):
    """That the server answers."""

    status: str
    version: str


class ModelOut(BaseModel):
    """A model: the one in use, or one that could be."""

    name: str
    where: str
    licence: str
    summary: str
    is_loaded: bool


class SettingsOut(BaseModel):
    """What the page needs to know before it shows anything."""

    model: str
    model_id: str
    version: str
    threshold: float
    hop_s: float
    sample_rate: int
    formats: dict[str, str]
    demos: list[str]
    presets: dict[str, list[dict[str, Any]]]
    max_upload_mb: int
    max_duration_s: float
    max_prompts: int


@router.get("/v1/health")
def health() -> HealthOut:
    """That the server answers; needs no token."""
    return HealthOut(status="ok", version=flam.__version__)


@router.get("/v1/models")
def models(service: ServiceDep) -> list[ModelOut]:
    """The models this installation knows, and which one is loaded."""
    from flam.hub import hub

    return [
        ModelOut(
            name=model.name,
            where=str(model.where),
            licence=model.card.licence,
            summary=model.card.summary,
            is_loaded=model.name == service.model_name,
        )
        for model in hub.list_models()
    ]


@router.get("/v1/settings")
def settings(service: ServiceDep) -> SettingsOut:
    """Model, formats, presets and limits."""
    config, detector = service.config, service.detector
    return SettingsOut(
        model=service.model_name,
        model_id=service.model_id,
        version=flam.__version__,
        threshold=detector.config.threshold,
        hop_s=detector.grid.hop_s,
        sample_rate=detector.grid.sample_rate,
        formats={name: format.suffix for name, format in FORMATS.items()},
        demos=list(DEMOS),
        presets=service.presets,
        max_upload_mb=config.max_upload_mb,
        max_duration_s=config.max_duration_s,
        max_prompts=config.max_prompts,
    )


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def metrics(request: Request, service: ServiceDep) -> Response:
    """Counters in Prometheus' text format."""
    return Response(request.app.state.metrics.text(service), media_type="text/plain; version=0.0.4; charset=utf-8")
