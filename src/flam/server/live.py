"""Live sound over a WebSocket: samples in; scores, onsets and events out."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, WebSocket
from fastapi.concurrency import run_in_threadpool
from pydantic import Field, ValidationError
from starlette.websockets import WebSocketDisconnect

from flam.core import FlamError
from flam.detection.pieces import Piece
from flam.server.errors import Refused
from flam.server.schemas import EventOut, What

router = APIRouter(tags=["live"])
logger = logging.getLogger(__name__)

INVALID, OVERLOADED, ENDED = 1008, 1013, 1000


class LiveRequest(What):
    """The first message: what to listen for, and at what rate samples follow.

    Every further binary message holds little-endian float32 samples, mono, full scale 1.0; the text ``finish`` ends
    the recording.
    """

    sample_rate: Annotated[int, Field(ge=1_000, le=384_000)]
    latency_s: Annotated[float, Field(gt=0, le=60, allow_inf_nan=False)] | None = None


@router.websocket("/v1/live")
async def live(socket: WebSocket) -> None:
    """Listen: JSON messages ``started``, ``scores``, ``onset``, ``event``, ``finished`` and ``error``."""
    await socket.accept()
    metrics, config = socket.app.state.metrics, socket.app.state.service.config
    if socket.app.state.n_live >= config.max_live:
        await _end(socket, OVERLOADED, f"{config.max_live} live sessions are open, the most this server takes")
        return
    socket.app.state.n_live += 1
    metrics.live.inc()
    try:
        await _listen(socket)
    except (FlamError, ValueError, TimeoutError, KeyError) as error:
        reason = str(error) if isinstance(error, FlamError) else _reason(error)
        logger.warning("refused live session: %s", ascii(reason))
        await _end(socket, INVALID, reason)
    except WebSocketDisconnect:
        pass
    finally:
        socket.app.state.n_live -= 1
        metrics.live.dec()


async def _listen(socket: WebSocket) -> None:
    service = socket.app.state.service
    first = await asyncio.wait_for(socket.receive_text(), service.config.stall_s)
    request = LiveRequest.model_validate_json(first)
    query = service.require_prompts(request.query())
    session = service.detector.session(
        query.entries.without_thresholds(),  # those are in the settled configuration
        query.suppress,
        sample_rate=request.sample_rate,
        latency_s=request.latency_s,
        config=service.scorer.config(query),
    )
    hop_s = service.detector.grid.hop_s
    await _send(socket, {"type": "started", "latency_s": session.latency_s, "hop_s": hop_s})
    while True:
        message = await asyncio.wait_for(socket.receive(), service.config.stall_s)
        if message["type"] == "websocket.disconnect":
            return
        if message.get("bytes") is not None:
            pieces = await run_in_threadpool(session.push, _samples(message["bytes"]))
        elif message.get("text") == "finish":
            pieces = await run_in_threadpool(session.finish)
        else:
            raise Refused("messages after the first hold float32 samples, or the text finish")
        for piece in pieces:
            for answer in _answers(piece, hop_s):
                await _send(socket, answer)
        if message.get("text") == "finish":
            await _send(socket, {"type": "finished"})
            await socket.close(ENDED)
            return


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "nothing arrived for too long"
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    return "the first message must be text, the others binary"


def _samples(data: bytes) -> np.ndarray:
    if len(data) % 4:
        raise Refused(f"message of {len(data)} bytes is no whole number of float32 samples")
    return np.frombuffer(data, "<f4")


def _answers(piece: Piece, hop_s: float) -> list[dict[str, Any]]:
    answers: list[dict[str, Any]] = []
    if len(piece.scores.scores):
        scores = np.round(piece.scores.scores.astype(np.float64), 4).tolist()
        answers.append({"type": "scores", "start_s": piece.start_frame * hop_s, "scores": scores})
    answers += [{"type": "onset", "onset_s": onset.onset_s, "prompt": onset.prompt} for onset in piece.onsets]
    answers += [{"type": "event", **EventOut.of(event).model_dump()} for event in piece.events]
    return answers


async def _send(socket: WebSocket, message: dict[str, Any]) -> None:
    await socket.send_text(json.dumps(message))


async def _end(socket: WebSocket, code: int, reason: str) -> None:
    try:
        await _send(socket, {"type": "error", "detail": reason})
        await socket.close(code)
    except RuntimeError:
        pass  # the client has left already
