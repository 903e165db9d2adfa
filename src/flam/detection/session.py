"""The push form of the analysis: sound comes in blocks while it goes on, results go out as soon as they are final."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import numpy as np

from flam.audio.downmix import LiveMixer
from flam.audio.resample import Resampler
from flam.core import AudioError
from flam.detection.backends.base import Backend
from flam.detection.frames import encode_spans
from flam.detection.pieces import Piece, PieceMaker
from flam.detection.plan import FramePiece, Span, Stitcher, WindowCutter, WindowPlan
from flam.detection.source import mono_block

logger = logging.getLogger(__name__)


class Session:
    """One recording that is still going on; ``Detector.session`` makes it, and says what it gives.

    A session is used by one thread at a time. What it holds does not grow: a window of samples and of embeddings.

    Attributes
    ----------
    latency_s : float
        Most seconds from the moment a sound was pushed to its final scores.
    sample_rate : int
        Hz of the blocks.
    n_samples : int
        Samples that were pushed so far.
    """

    def __init__(
        self, backend: Backend, plan: WindowPlan, maker: PieceMaker, latency_s: float, sample_rate: int | None = None
    ):
        self.latency_s = latency_s
        self.sample_rate = backend.sample_rate if sample_rate is None else sample_rate
        self.n_samples = 0
        self._backend, self._maker = backend, maker
        self._mixer = LiveMixer(self.sample_rate, on_note=lambda note: logger.info("live sound: %s", note))
        self._resampler = Resampler(self.sample_rate, backend.sample_rate)
        self._cutter = WindowCutter(plan)
        self._stitcher = Stitcher(plan.window_frames, plan.overlap_frames, plan.frame_samples)
        self._is_finished = False

    def push(self, block: np.ndarray) -> list[Piece]:
        """Take the next samples.

        Parameters
        ----------
        block : numpy.ndarray
            (n,) or (n, channels) floating point, full scale 1.0, any n; channels become one as in recordings, see
            ``flam.audio.downmix.LiveMixer``, and where that is not their plain mean, it is logged as information.

        Returns
        -------
        list of Piece
            What became final, in order; often empty.

        Raises
        ------
        AudioError
            Samples of another shape or type, NaN or infinite, or a session that is finished.
        """
        if self._is_finished:
            raise AudioError("this session is finished; begin another one for further sound")
        mono = mono_block(block, self.n_samples, self._mixer)
        self.n_samples += len(mono)
        return self._analyse(self._cutter.push(self._resampler.push(mono)))

    def finish(self) -> list[Piece]:
        """End the recording.

        Returns
        -------
        list of Piece
            The rest; the last piece holds no frames, only the events that end with the recording.
        """
        if self._is_finished:
            return []
        self._is_finished = True
        pieces = self._analyse(self._cutter.push(self._resampler.finish()))
        pieces += self._analyse(self._cutter.finish())
        last = self._stitcher.finish()
        return [*pieces, *self._made([] if last is None else [last]), self._maker.finish()]

    def _analyse(self, spans: Iterable[Span]) -> list[Piece]:
        pieces: list[Piece] = []
        for span in spans:
            joined = self._stitcher.push(encode_spans(self._backend, [span])[0])
            pieces += self._made([] if joined is None else [joined])
        return pieces

    def _made(self, frames: Iterable[FramePiece]) -> list[Piece]:
        return [self._maker.push(piece) for piece in frames]
