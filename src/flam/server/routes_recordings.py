"""Recordings and what a timeline shows of them: upload, progress, tiles, audio, events, export."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any
from urllib.parse import quote

import numpy as np
from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, StreamingResponse

from flam.server.analysis import row_edges_hz
from flam.server.dependencies import ServiceDep
from flam.server.errors import NotReady
from flam.server.schemas import (
    EventOut,
    EventsOut,
    ExportRequest,
    HeatRequest,
    RecordingOut,
    RecordingRef,
    RuleOut,
    What,
)
from flam.server.service import Service
from flam.server.store import N_ROWS, StoredRecording
from flam.server.wav import HEADER_BYTES, wav_bytes

router = APIRouter(prefix="/v1/recordings", tags=["recordings"])
Id = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
Level = Annotated[int, Path(ge=0, le=24)]
Tile = Annotated[int, Path(ge=0, le=10_000_000)]
Name = Annotated[str, Query(max_length=1000, description="File name; its suffix helps with formats without a header.")]
TILE = 256
# The most of a WAV file in one answer: a player asks for the next part when it needs it.
RANGE_BYTES = 4_000_000
POLL_S = 0.1
PROGRESS_S = 0.25
BYTES = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
BINARY: dict[int | str, dict[str, Any]] = {200: {"content": BYTES}}
UPLOAD = {"requestBody": {"required": True, "content": BYTES}}


def described(service: Service, recording: StoredRecording) -> RecordingOut:
    """A recording as JSON."""
    rate = recording.sample_rate
    return RecordingOut(
        id=recording.id,
        name=recording.name,
        state=recording.state,
        error=recording.error,
        problems=recording.problems[:20],
        duration_s=recording.duration_s,
        analysed_s=recording.analysed_s,
        sample_rate=rate,
        n_frames=len(recording.features),
        hop_s=service.detector.grid.hop_s,
        n_columns=len(recording.spectrogram),
        column_s=recording.column_s,
        n_rows=N_ROWS,
        row_edges_hz=row_edges_hz(rate).tolist() if rate else [],
        n_peaks=len(recording.peaks),
        peak_s=recording.peak_s,
    )


def open_reference(service: Service, ref: RecordingRef) -> StoredRecording:
    """The recording that a request names."""
    if ref.id is not None:
        return service.store.get(ref.id)
    return service.add_demo(ref.demo) if ref.demo is not None else service.add_path(str(ref.path))


@router.post("", openapi_extra=UPLOAD, status_code=201)
async def upload(request: Request, service: ServiceDep, name: Name = "recording") -> RecordingOut:
    """Send a recording as the body; it is analysed in the background and removed after an hour without use."""
    recording, n_bytes = await request.app.state.uploads.receive(request, name)
    request.app.state.metrics.uploaded.inc(n_bytes)
    return described(service, recording)


@router.post("/open")
def open_recording(ref: RecordingRef, service: ServiceDep) -> RecordingOut:
    """Open a bundled recording, or one under an allowed folder."""
    return described(service, open_reference(service, ref))


@router.get("/{id}")
def state(id: Id, service: ServiceDep) -> RecordingOut:
    """How far the analysis is."""
    return described(service, service.store.get(id))


@router.delete("/{id}", status_code=204)
def remove(id: Id, service: ServiceDep) -> None:
    """Cancel the analysis, and delete the upload and everything made from it."""
    service.store.remove(id)


@router.get("/{id}/progress", response_class=StreamingResponse, responses={200: {"content": {"text/event-stream": {}}}})
async def progress(id: Id, service: ServiceDep) -> StreamingResponse:
    """Server-sent events with the state of the analysis, until it ends."""
    recording = service.store.get(id)

    async def events() -> AsyncIterator[str]:
        last = None
        while True:
            is_last = recording.is_finished
            data = json.dumps(described(service, recording).model_dump())
            if data != last:
                yield f"data: {data}\n\n"
                last = data
            if is_last:
                return
            await asyncio.sleep(PROGRESS_S)

    return StreamingResponse(events(), media_type="text/event-stream", headers={"cache-control": "no-store"})


@router.get("/{id}/spectrogram/{level}/{tile}", response_class=Response, responses=BINARY)
def spectrogram_tile(id: Id, level: Level, tile: Tile, service: ServiceDep) -> Response:
    """256 columns from tile * 256, each the maximum of 2**level columns; uint8 rows of levels, lowest first."""
    recording = service.store.get(id)
    columns = recording.spectrogram.pooled(tile * TILE * 2**level, TILE, 2**level)
    return tile_response(recording, columns)


@router.get("/{id}/peaks/{level}/{tile}", response_class=Response, responses=BINARY)
def peaks_tile(id: Id, level: Level, tile: Tile, service: ServiceDep) -> Response:
    """256 pairs of int8, lowest and highest sample, each of 2**level peaks."""
    recording = service.store.get(id)
    size = 2**level
    rows = recording.peaks.read(tile * TILE * size, (tile + 1) * TILE * size)
    if len(rows) == 0:
        return tile_response(recording, rows)
    groups = np.arange(0, len(rows), size)
    lowest, highest = np.minimum.reduceat(rows[:, 0], groups), np.maximum.reduceat(rows[:, 1], groups)
    return tile_response(recording, np.stack([lowest, highest], axis=1))


def tile_response(recording: StoredRecording, values: np.ndarray) -> Response:
    """Bytes of a tile; only a finished recording's may be kept by the browser."""
    keep = "private, max-age=3600, immutable" if recording.state == "ready" else "no-store"
    return Response(values.tobytes(), media_type="application/octet-stream", headers={"cache-control": keep})


@router.post("/{id}/heatmap", response_class=Response, responses=BINARY)
def heat_tile(id: Id, what: HeatRequest, service: ServiceDep) -> Response:
    """256 frames of the heat map, each the highest score of 2**level frames: a row of uint8 logits for each prompt."""
    recording = service.store.get(id)
    values = service.scorer.heat(recording, service.require_prompts(what.query()), what.level, what.tile, TILE)
    return Response(
        values.tobytes(), media_type="application/octet-stream", headers={"x-columns": str(values.shape[1])}
    )


@router.post("/{id}/events")
def events(id: Id, what: What, service: ServiceDep) -> EventsOut:
    """Events of what was analysed so far; ``is_complete`` tells whether that is the whole recording."""
    return events_out(service, service.store.get(id), what)


def events_out(service: Service, recording: StoredRecording, what: What) -> EventsOut:
    """Events and the rules they follow."""
    query = what.query()
    is_complete = recording.state == "ready"
    found = service.events(recording, query)
    config = service.scorer.config(query)
    rules = {prompt: RuleOut(**vars(config.rule(prompt))) for prompt in query.prompts}
    return EventsOut(
        recording=recording.name,
        duration_s=recording.analysed_s,
        is_complete=is_complete,
        events=[EventOut.of(event) for event in found],
        rules=rules,
    )


@router.post("/{id}/export", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def export(id: Id, what: ExportRequest, service: ServiceDep) -> Response:
    """Events as a file, in any format of ``flam detect``."""
    recording = service.store.get(id)
    text, suffix = service.export(recording, what.query(), what.format)
    return file_response(text, f"{recording.name.rpartition('.')[0] or recording.name}{suffix}")


def file_response(text: str, name: str) -> Response:
    """A text to save."""
    disposition = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
    return Response(
        text.encode("utf-8", "replace"),
        media_type="text/plain; charset=utf-8",
        headers={"content-disposition": disposition},
    )


@router.get("/{id}/audio.wav", response_class=Response, responses={200: {"content": {"audio/wav": {}}}, 206: {}})
async def audio(id: Id, service: ServiceDep, range: Annotated[str | None, Header()] = None) -> Response:
    """The recording as mono 16-bit WAV, by ranges, each decoded when it is asked for."""
    recording = service.store.get(id)
    if not recording.n_samples:
        raise NotReady(f"{recording.name}: its length is not known yet; wait for the analysis")
    total = HEADER_BYTES + 2 * recording.n_samples
    span = _span(range, total)
    if span is None:
        return JSONResponse(
            {"detail": f"range {range!r} is not within {total} bytes"}, 416, {"content-range": f"bytes */{total}"}
        )
    first, last = span
    parts = wav_bytes(recording.path, recording.sample_rate, recording.n_samples, first, last)
    start = await run_in_threadpool(next, parts)  # what can't be read fails before the status is sent
    headers = {"accept-ranges": "bytes", "content-length": str(last - first + 1), "cache-control": "no-store"}
    if range is not None:
        headers["content-range"] = f"bytes {first}-{last}/{total}"

    async def body() -> AsyncIterator[bytes]:
        yield start
        while (part := await run_in_threadpool(next, parts, None)) is not None:
            yield part

    return StreamingResponse(body(), 200 if range is None else 206, headers, "audio/wav")


def _span(range: str | None, total: int) -> tuple[int, int] | None:
    """First and last byte of a Range header; None where it can't be satisfied.

    Examples
    --------
    >>> _span("bytes=0-99", 1000), _span("bytes=-10", 1000), _span("bytes=1000-", 1000), _span(None, 10)
    ((0, 99), (990, 999), None, (0, 9))
    """
    if range is None:
        return 0, total - 1
    unit, _, spans = range.partition("=")
    begin, dash, end = spans.partition("-")
    if unit.strip() != "bytes" or not dash or "," in spans or not (begin + end).strip().isdecimal():
        return None
    if not begin.strip():
        first, last = max(0, total - int(end)), total - 1
    else:
        first, last = int(begin), int(end) if end.strip() else total - 1
    last = min(last, total - 1, first + RANGE_BYTES - 1)
    return (first, last) if 0 <= first <= last else None
