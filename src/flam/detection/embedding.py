"""Running the audio tower over a recording of any length: windows in, one stream of frame embeddings out."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from flam.audio import Window, windows
from flam.core import ModelError, round_half_up
from flam.detection.config import DetectionConfig
from flam.detection.silence import frame_power
from flam.detection.source import AudioSource
from flam.detection.stitch import FramePiece, stitch
from flam.model.fast_htsat import DTYPES, Precision, fast_htsat
from flam.model.htsat import HTSAT
from flam.model.towers import TwoTowers

# Frames near both ends of an input at once are like nothing a model was trained on: short recordings are repeated.
SHORTEST_INPUT_S = 1.0

Progress = Callable[[int, int | None], None]


class FrameEmbedder:
    """The audio tower of a model, up to where the projection begins, for recordings of any length.

    Parameters
    ----------
    model : on the device where it is to run
    precision : see ``Detector``

    Raises
    ------
    ModelError : unknown precision, or a model whose window is not a whole number of frames
    """

    def __init__(self, model: TwoTowers, precision: Precision):
        if precision not in DTYPES:
            raise ModelError(f"unknown precision {precision!r}; choose one of {', '.join(DTYPES)}")
        encoder = model.audio_encoder
        self._device = model.log_temperature_inverse.device
        self._frame_samples = model.grid.hop_samples
        self._window_frames, remainder = divmod(encoder.window_samples, self._frame_samples)
        if remainder:
            raise ModelError(
                f"window of {encoder.window_samples} samples must be a multiple of the frame, "
                f"{self._frame_samples} samples; set the model's window_s"
            )
        shortest_frames = math.ceil(SHORTEST_INPUT_S * model.grid.rate_hz)
        self._shortest_frames = (
            min(shortest_frames, self._window_frames) if encoder.variable_length else self._window_frames
        )
        self._encoder: Callable[[Tensor], Tensor] = encoder
        self._dtype = DTYPES[precision]
        if isinstance(encoder, HTSAT) and self._device.type == "cpu":
            self._encoder = fast_htsat(encoder, precision)
            self._dtype = torch.float32  # the fast encoder has its own mix of types

    @torch.inference_mode()
    def stream(self, source: AudioSource, config: DetectionConfig, progress: Progress | None) -> Iterator[FramePiece]:
        """Frame embeddings, blended where windows overlap, each piece as soon as it is final.

        Returns
        -------
        iterator of FramePiece with (T, C + 1) values: the embedding, then the power of the frame's samples
        """
        overlap_frames = min(round_half_up(config.overlap * self._window_frames), self._window_frames // 2)
        hop_samples = (self._window_frames - overlap_frames) * self._frame_samples
        inputs = windows(source.blocks, self._window_frames * self._frame_samples, hop_samples)
        encoded = self._encode(inputs, config.batch_windows)
        for piece in stitch(encoded, self._window_frames, overlap_frames, self._frame_samples):
            if progress is not None:
                progress(piece.start_frame * self._frame_samples + piece.n_samples, source.n_samples)
            yield piece

    @torch.inference_mode()
    def _encode(self, inputs: Iterable[Window], batch_windows: int) -> Iterator[FramePiece]:
        for n_samples, equally_long in itertools.groupby(inputs, self._input_samples):
            while batch := list(itertools.islice(equally_long, batch_windows)):
                waveforms = torch.from_numpy(np.stack([window.waveform[:n_samples] for window in batch]))
                is_mixed = self._dtype != torch.float32
                with torch.autocast(self._device.type, self._dtype, enabled=is_mixed):
                    embeddings = self._encoder(waveforms.to(self._device)).float()
                for window, embedding in zip(batch, embeddings, strict=True):
                    power = torch.from_numpy(frame_power(window.waveform[: window.n_valid], self._frame_samples))
                    values = torch.cat([embedding[: len(power)], power[:, None].to(self._device)], dim=1)
                    yield FramePiece(window.start_sample // self._frame_samples, values, window.n_valid)

    def _input_samples(self, window: Window) -> int:
        """How much of a window the model gets to hear: no more filling than it needs."""
        n_frames = max(-(-window.n_valid // self._frame_samples), self._shortest_frames)
        return n_frames * self._frame_samples
