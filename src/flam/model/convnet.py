"""A small convolutional audio encoder: 12.5 frames a second, any length, local context, fast on a plain CPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from flam.core import ModelError
from flam.model.logmel import LogMel, LogMelConfig

LOGMEL_FRAMES = 8  # of a frame


@dataclass(frozen=True)
class ConvEncoderConfig:
    """Sizes of ``ConvEncoder``.

    Parameters
    ----------
    stem_width : int, default 24
        channels after the first convolution
    widths : tuple[int, ...], optional
        channels of each residual block
    strides : tuple[tuple[int, int], ...], optional
        (time, frequency) stride of each residual block; with the stem's (2, 2) time must shrink by 8 in all
    embed_dim : int, default 512
        C, size of a frame embedding
    n_context_blocks : int, default 2
        depthwise blocks along time after the last map, and their kernel size
    context_frames : int, default 5
        depthwise blocks along time after the last map, and their kernel size
    window_s : float, default 10.24
        length of a window at inference, seconds; a multiple of 0.08
    """

    kind: Literal["conv"] = "conv"
    stem_width: int = 24
    widths: tuple[int, ...] = (48, 96, 96, 192, 192, 320)
    strides: tuple[tuple[int, int], ...] = ((2, 2), (2, 2), (1, 1), (1, 2), (1, 1), (1, 2))
    embed_dim: int = 512
    n_context_blocks: int = 2
    context_frames: int = 5
    window_s: float = 10.24

    def __post_init__(self) -> None:
        time_stride = 2
        for time, _ in self.strides:
            time_stride *= time
        if len(self.widths) != len(self.strides) or time_stride != 8:
            raise ValueError(
                f"widths {self.widths} and strides {self.strides} must pair up, time strides times 2 give 8"
            )


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions around a shortcut; the stride is taken by the first, and by averaging in the shortcut."""

    def __init__(self, n_in: int, n_out: int, stride: tuple[int, int]):
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(n_out)
        self.shortcut: nn.Module = nn.Identity()
        if n_in != n_out or stride != (1, 1):
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(stride), nn.Conv2d(n_in, n_out, 1, bias=False), nn.BatchNorm2d(n_out)
            )

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C_in, T, F) -> (B, C_out, T', F')"""
        inner = torch.relu(self.norm1(self.conv1(maps)))
        return torch.relu(self.norm2(self.conv2(inner)) + self.shortcut(maps))


class ContextBlock(nn.Module):
    """A depthwise convolution along time and a two-layer mix of channels, as a residual."""

    def __init__(self, n_channels: int, n_frames: int):
        super().__init__()
        self.depthwise = nn.Conv1d(n_channels, n_channels, n_frames, padding=n_frames // 2, groups=n_channels)
        self.norm = nn.LayerNorm(n_channels)
        self.mix = nn.Sequential(nn.Linear(n_channels, n_channels), nn.GELU(), nn.Linear(n_channels, n_channels))

    def forward(self, frames: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, C)"""
        return frames + self.mix(self.norm(self.depthwise(frames.transpose(1, 2)).transpose(1, 2)))


class ConvEncoder(nn.Module):
    """Log-mel, residual convolutions, context along time.

    Parameters
    ----------
    config : ConvEncoderConfig
        sizes

    Examples
    --------
    >>> encoder = ConvEncoder(ConvEncoderConfig()).eval()
    >>> encoder(torch.zeros(1, 8 * 3840)).shape
    torch.Size([1, 8, 512])
    """

    variable_length = True
    frame_hop_samples = 3840

    def __init__(self, config: ConvEncoderConfig):
        super().__init__()
        self.config = config
        self.embed_dim = config.embed_dim
        self.logmel = LogMel(LogMelConfig())
        n_mels = self.logmel.config.n_mels
        self.sample_rate = self.logmel.config.sample_rate
        self.window_samples = (
            round(config.window_s * self.sample_rate / self.frame_hop_samples) * self.frame_hop_samples
        )
        self.bn0 = nn.BatchNorm1d(n_mels)
        self.stem = nn.Sequential(
            nn.Conv2d(1, config.stem_width, 3, 2, 1, bias=False), nn.BatchNorm2d(config.stem_width), nn.ReLU()
        )
        blocks, n_in, n_bands = [], config.stem_width, n_mels // 2
        for n_out, stride in zip(config.widths, config.strides, strict=True):
            blocks.append(ResidualBlock(n_in, n_out, stride))
            n_in, n_bands = n_out, n_bands // stride[1]
        self.blocks = nn.Sequential(*blocks)
        self.join_bands = nn.Linear(n_in * n_bands, config.embed_dim)
        self.context = nn.Sequential(
            *(ContextBlock(config.embed_dim, config.context_frames) for _ in range(config.n_context_blocks))
        )
        self.norm = nn.LayerNorm(config.embed_dim)

    def forward(self, waveform: Tensor) -> Tensor:
        """(B, N) waveform, N a multiple of 3840, to (B, N / 3840, C) frame embeddings.

        Raises
        ------
        ModelError
            another length
        """
        n_samples = waveform.shape[1]
        if n_samples == 0 or n_samples % self.frame_hop_samples:
            raise ModelError(
                f"clip of {n_samples} samples: this encoder takes multiples of {self.frame_hop_samples}; pad with zeros"
            )
        return self.encode_logmel(self.logmel(waveform))

    @property
    def context_frames(self) -> int:
        """How many frames before and after a frame its embedding depends on."""
        # first and last input of output 0, from the last layer to the first
        first = -self.config.n_context_blocks * (self.config.context_frames // 2)
        last = -first
        for time_stride, _ in reversed(self.config.strides):
            first, last = first - 1, last + 1
            first, last = time_stride * first - 1, time_stride * last + 1
        first, last = 2 * first - 1, 2 * last + 1
        mel = self.logmel.config
        reach_samples = max(
            mel.n_fft // 2 - first * mel.hop_samples,
            last * mel.hop_samples + mel.n_fft // 2 - self.frame_hop_samples,
        )
        return -(-reach_samples // self.frame_hop_samples)

    def encode_logmel(self, logmel_db: Tensor) -> Tensor:
        """(B, 8 T or 8 T + 1, F) log-mel in dB to (B, T, C) frame embeddings."""
        # the centred transform gives one frame more than N / 480; the grid of frames has no place for it
        n_frames = logmel_db.shape[1] // LOGMEL_FRAMES * LOGMEL_FRAMES
        logmel_db = logmel_db[:, :n_frames]
        normalised = self.bn0(logmel_db.transpose(1, 2)).transpose(1, 2)
        maps = self.blocks(self.stem(normalised[:, None].contiguous(memory_format=torch.channels_last)))
        return self.norm(self.context(self.join_bands(maps.permute(0, 2, 1, 3).flatten(2))))
