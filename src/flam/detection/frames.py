"""Running the audio tower over a recording of any length: samples in, one stream of frame embeddings out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from flam.core.progress import Progress
from flam.detection.backends.base import Backend
from flam.detection.plan import FramePiece, Span, WindowCutter, WindowPlan, stitch
from flam.detection.source import MonoBlocks

GPU_BATCH_WINDOWS = 4


def frame_power(waveform: np.ndarray, frame_samples: int) -> np.ndarray:
    """Mean square of each frame after its mean is taken off, because a constant offset is no sound.

    Parameters
    ----------
    waveform : np.ndarray
        (N,) float array
    frame_samples : int
        samples of a frame; the last frame may hold fewer

    Returns
    -------
    np.ndarray
        (ceil(N / frame_samples),) float32 array; 0 for digital silence

    Examples
    --------
    >>> frame_power(np.array([1.0, -1.0, 0.5, 0.5, 3.0]), 2).tolist()
    [1.0, 0.0, 0.0]
    """
    starts = np.arange(0, len(waveform), frame_samples)
    if not len(starts):
        return np.zeros(0, np.float32)
    counts = np.minimum(frame_samples, len(waveform) - starts)
    mean = np.add.reduceat(waveform, starts, dtype=np.float64) / counts
    centred = waveform - np.repeat(mean, counts)
    return (np.add.reduceat(np.square(centred), starts, dtype=np.float64) / counts).astype(np.float32)


def power_of_db(level_db: float) -> float:
    """Mean square at a level in dB relative to full scale.

    Examples
    --------
    >>> power_of_db(-20)
    0.01
    """
    return 10.0 ** (level_db / 10)


def stream_frames(
    backend: Backend,
    source: MonoBlocks,
    plan: WindowPlan,
    batch_windows: int | None = None,
    progress: Progress | None = None,
) -> Iterator[FramePiece]:
    """Embed a recording; reading it and joining its windows goes on while the model computes.

    Parameters
    ----------
    backend : Backend
        The model.
    source : MonoBlocks
        The recording.
    plan : WindowPlan
        How it is cut.
    batch_windows : int, optional
        Windows that the model gets at once; None is 1 on a processor and 4 elsewhere.
    progress : callable, optional
        Called with the samples that are done, and those of the whole recording or None.

    Returns
    -------
    iterator of FramePiece
        Blended where windows overlap, each as soon as it is final, with (T, C + 1) values: the embedding, then the
        power of the frame's samples.
    """
    if batch_windows is None:
        batch_windows = 1 if backend.device == "cpu" else GPU_BATCH_WINDOWS
    encoded = _encoded(backend, source, plan, batch_windows)
    for piece in stitch(encoded, plan.window_frames, plan.overlap_frames, plan.frame_samples):
        if progress is not None:
            progress(piece.start_frame * plan.frame_samples + piece.n_samples, source.n_samples)
        yield piece


def encode_spans(backend: Backend, spans: Sequence[Span]) -> list[FramePiece]:
    """Embed spans whose inputs are equally long, with the power of each frame as the last column."""
    pieces = []
    for span, embeddings in zip(spans, backend.encode(np.stack([span.waveform for span in spans])), strict=True):
        start = span.skipped_frames * backend.grid.hop_samples
        power = frame_power(span.waveform[start : start + span.n_samples], backend.grid.hop_samples)
        frames = embeddings[span.skipped_frames : span.skipped_frames + len(power)]
        pieces.append(FramePiece(span.start_frame, np.concatenate([frames, power[:, None]], axis=1), span.n_samples))
    return pieces


def _encoded(backend: Backend, source: MonoBlocks, plan: WindowPlan, batch_windows: int) -> Iterator[FramePiece]:
    if plan.delay_frames is not None:  # who asks for low latency must not wait for another thread
        for span in _spans(source, plan):
            if span is not None:
                yield from encode_spans(backend, [span])
        return
    pool = ThreadPoolExecutor(backend.n_parallel, thread_name_prefix="flam")
    running: deque[Future[list[FramePiece]]] = deque()
    batch: list[Span] = []
    try:
        for span in _spans(source, plan):
            if batch and span is not None and len(span.waveform) != len(batch[0].waveform):
                running.append(pool.submit(encode_spans, backend, batch))
                batch = []
            if span is not None:
                batch.append(span)
            if len(batch) == batch_windows:
                running.append(pool.submit(encode_spans, backend, batch))
                batch = []
            # one batch more than can be computed at once, so that none has to wait for reading
            while running and (running[0].done() or len(running) > backend.n_parallel + 1):
                yield from running.popleft().result()
        if batch:
            running.append(pool.submit(encode_spans, backend, batch))
        while running:
            yield from running.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _spans(source: MonoBlocks, plan: WindowPlan) -> Iterator[Span | None]:
    """The spans of a recording, and None after every block that was read, when results may be ready."""
    cutter = WindowCutter(plan)
    for block in source.blocks:
        yield from cutter.push(block)
        yield None
    yield from cutter.finish()
