"""One request, one answer: detect, count and embed."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from flam.server.dependencies import ServiceDep
from flam.server.errors import NotReady
from flam.server.routes_recordings import POLL_S, UPLOAD, Name, events_out, open_reference
from flam.server.schemas import (
    AudioEmbedRequest,
    DetectRequest,
    EventOptions,
    EventsOut,
    Score,
    Seconds,
    Text,
    TextEmbedRequest,
    What,
)
from flam.server.service import Service, require_ready
from flam.server.store import StoredRecording

router = APIRouter(prefix="/v1", tags=["detect"])


class CountOut(BaseModel):
    """How often a prompt was found, and for how long in all."""

    prompt: str
    n_events: int
    total_s: float


class TextEmbedOut(BaseModel):
    """Features (K, D) of K texts; a score is the model's function of scale * cosine and bias."""

    features: list[list[float]]
    logit_scale: list[float]
    logit_bias: list[float]


class AudioEmbedOut(BaseModel):
    """Features (T, D) of the recording's frames, each of length 1 and ``hop_s`` seconds."""

    hop_s: float
    features: list[list[float]]


async def analysed(request: Request, service: Service, recording: StoredRecording) -> StoredRecording:
    """Wait until a recording is analysed; if the client leaves before, and nobody else waits, cancel it.

    Raises
    ------
    NotReady
        The analysis failed or was cancelled.
    """
    recording.n_users += 1
    try:
        while not recording.is_finished:
            await asyncio.sleep(POLL_S)
            if await request.is_disconnected():
                if recording.n_users == 1:
                    recording.cancel.set()
                raise NotReady("the client has left")
    finally:
        recording.n_users -= 1
    require_ready(recording)
    return recording


@router.post("/detect")
async def detect(what: DetectRequest, request: Request, service: ServiceDep) -> EventsOut:
    """Find sounds in a recording that the server has or may read."""
    service.require_prompts(what.query())
    recording = await run_in_threadpool(open_reference, service, what.recording)
    await analysed(request, service, recording)
    return await run_in_threadpool(events_out, service, recording, what)


@router.post("/detect/file", openapi_extra=UPLOAD)
async def detect_file(
    request: Request,
    service: ServiceDep,
    prompt: Annotated[list[Text], Query(min_length=1)],
    suppress: Annotated[list[Text], Query()] = [],  # noqa: B006 - FastAPI copies it
    name: Name = "recording",
    threshold: Score | None = None,
    min_duration_s: Seconds | None = None,
    merge_gap_s: Seconds | None = None,
) -> EventsOut:
    """Find sounds in the recording that is sent as the body; nothing of it is kept."""
    options = EventOptions(threshold=threshold, min_duration_s=min_duration_s, merge_gap_s=merge_gap_s)
    what = What(prompts=prompt, suppress=suppress, options=options)
    service.scorer.config(service.require_prompts(what.query()))
    recording, n_bytes = await request.app.state.uploads.receive(request, name)
    request.app.state.metrics.uploaded.inc(n_bytes)
    try:
        await analysed(request, service, recording)
        return await run_in_threadpool(events_out, service, recording, what)
    finally:
        if recording.n_users == 0 and recording.is_upload:
            await run_in_threadpool(service.store.discard, recording)


@router.post("/count")
async def count(what: DetectRequest, request: Request, service: ServiceDep) -> list[CountOut]:
    """How often each prompt was found in a recording."""
    found = await detect(what, request, service)
    n_events = Counter(event.prompt for event in found.events)
    total_s: Counter[str] = Counter()
    for event in found.events:
        total_s[event.prompt] += event.offset_s - event.onset_s  # type: ignore[assignment]
    return [
        CountOut(prompt=prompt, n_events=n_events[prompt], total_s=total_s[prompt]) for prompt in what.query().prompts
    ]


@router.post("/embed/text")
def embed_text(what: TextEmbedRequest, service: ServiceDep) -> TextEmbedOut:
    """Features of texts."""
    service.require_prompts(What(prompts=what.texts).query())
    texts = service.detector.embed_text(what.texts)
    return TextEmbedOut(
        features=np.asarray(texts.text_features).tolist(),
        logit_scale=np.asarray(texts.logit_scale).tolist(),
        logit_bias=np.asarray(texts.logit_bias).tolist(),
    )


@router.post("/embed/audio")
async def embed_audio(what: AudioEmbedRequest, request: Request, service: ServiceDep) -> AudioEmbedOut:
    """Features of a recording's frames."""
    recording = await run_in_threadpool(open_reference, service, what.recording)
    await analysed(request, service, recording)
    features = recording.features.read(0, len(recording.features))
    return AudioEmbedOut(hop_s=service.detector.grid.hop_s, features=features.tolist())
