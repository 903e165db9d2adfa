"""Many short clips in one call: their windows go through the model together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from flam.core import Event, FlamError
from flam.core.progress import Progress
from flam.detection.backends.base import Backend
from flam.detection.config import with_overrides
from flam.detection.frames import encode_spans
from flam.detection.pieces import PieceMaker
from flam.detection.plan import FramePiece, Span, WindowCutter, WindowPlan, plan_windows, stitch
from flam.detection.question import ask
from flam.detection.source import Audio, audio_source

if TYPE_CHECKING:
    from flam.detection.detector import Detector

WINDOWS_TOGETHER = 16


def detect_clips(
    detector: Detector,
    clips: Sequence[Audio],
    prompts: Sequence[str],
    suppress: Sequence[str] = (),
    on_error: Callable[[int, FlamError], None] | None = None,
    progress: Progress | None = None,
    windows_together: int = WINDOWS_TOGETHER,
    **overrides: Any,
) -> list[list[Event]]:
    """Find the events of many clips, windows of equal length encoded together across clips.

    Each clip gives the events that ``Detector.detect`` gives for it alone; thresholds and prompts are settled once.

    Parameters
    ----------
    detector : Detector
        What listens.
    clips : sequence of Audio
        Paths, bytes, open files, or arrays with or without their sample rate, as for ``Detector``.
    prompts, suppress : sequence of str
        As for ``Detector.stream``.
    on_error : callable, optional
        Called with the number of a clip that can't be used and what is wrong with it; the clip then has no events.
        None raises instead.
    progress : callable, optional
        Called with (clips done, clips in all).
    windows_together : int
        Windows that the model gets at once.
    **overrides
        Fields of ``DetectionConfig``.

    Returns
    -------
    list of list of Event
        One list for each clip, in their order, events by onset.

    Raises
    ------
    AudioError
        A clip that can't be used, where ``on_error`` is None.
    ModelError, ConfigError
        As ``Detector.stream``.

    Examples
    --------
    >>> import numpy as np
    >>> import flam
    >>> detect_clips(flam.load("flam-mini"), [(np.zeros(16_000), 16_000), (np.zeros(800), 16_000)], ["rain"])
    [[], []]
    """
    backend = detector.backend
    config = with_overrides(detector.config, overrides)
    unique = prompts if isinstance(prompts, str) else list(dict.fromkeys(prompts))
    question = ask(detector.embed_text, unique, suppress, config)
    plan = plan_windows(backend, config)
    found: list[list[Event]] = [[] for _ in clips]
    complete = _encoded_together(backend, clips, plan, windows_together, on_error)
    for n_done, (number, frames) in enumerate(complete, start=1):
        stitched = stitch(frames, plan.window_frames, plan.overlap_frames, plan.frame_samples)
        pieces = PieceMaker(backend, question).stream(stitched)
        found[number] = sorted(event for piece in pieces for event in piece.events)
        if progress is not None:
            progress(n_done, len(clips))
    return found


def _encoded_together(
    backend: Backend,
    clips: Sequence[Audio],
    plan: WindowPlan,
    windows_together: int,
    on_error: Callable[[int, FlamError], None] | None,
) -> Iterator[tuple[int, list[FramePiece]]]:
    """The encoded spans of each clip, in the order in which clips become complete."""
    waiting: dict[int, list[tuple[int, int, Span]]] = {}  # by length of the input: clip, place in it, span
    encoded: dict[int, list[FramePiece | None]] = {}

    def encode(n_samples: int) -> Iterator[tuple[int, list[FramePiece]]]:
        batch = waiting.pop(n_samples)
        for (number, place, _), piece in zip(batch, encode_spans(backend, [span for *_, span in batch]), strict=True):
            encoded[number][place] = piece
        for number in dict.fromkeys(number for number, *_ in batch):
            complete = [piece for piece in encoded[number] if piece is not None]
            if len(complete) == len(encoded[number]):
                del encoded[number]
                yield number, complete

    for number, clip in enumerate(clips):
        try:
            spans = _spans(clip, backend.sample_rate, plan)
        except FlamError as error:
            if on_error is None:
                raise
            on_error(number, error)
            continue
        encoded[number] = [None] * len(spans)
        for place, span in enumerate(spans):
            n_samples = len(span.waveform)
            waiting.setdefault(n_samples, []).append((number, place, span))
            if len(waiting[n_samples]) == windows_together:
                yield from encode(n_samples)
    for n_samples in list(waiting):
        yield from encode(n_samples)


def _spans(clip: Audio, sample_rate: int, plan: WindowPlan) -> list[Span]:
    cutter = WindowCutter(plan)
    spans = [span for block in audio_source(clip, sample_rate).blocks for span in cutter.push(block)]
    return [*spans, *cutter.finish()]
