"""HTS-AT: a Swin transformer over a log-mel spectrogram, with one embedding for each frame.

Chen et al., "HTS-AT: A Hierarchical Token-Semantic Audio Transformer for Sound Classification and Detection", ICASSP
2022 (arXiv 2202.00874). Shapes: B clips, N samples, F mel bands, T frames, H x W map of tokens, C embedding size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from flam.core import ModelError
from flam.model.logmel import LogMel, LogMelConfig
from flam.model.swin import SwinStage

FOLDED_WINDOW_SAMPLES = 480_000
FOLDED_LOGMEL_FRAMES = 1024
FOLDED_CHUNKS = 4
FINE_LOGMEL_FRAMES = 8


@dataclass(frozen=True)
class HTSATConfig:
    """Sizes of ``HTSAT``; the defaults are those of the paper's base model.

    Parameters
    ----------
    patch : int, default 4
        side of a patch: mel bands by log-mel frames
    embed_dim : int, default 128
        channels after the patch embedding; each further stage doubles them
    depths : tuple[int, ...], default (2, 2, 12, 2)
        number of blocks and of attention heads of each stage
    heads : tuple[int, ...], default (4, 8, 16, 32)
        number of blocks and of attention heads of each stage
    window : int, default 8
        side of an attention window, in tokens
    mlp_ratio : int, default 4
        width of a block's hidden layer, in multiples of its channels
    drop_path : float, default 0.1
        share of clips whose residual branch the last block skips in training; the first skips none
    layout : Literal['folded', 'unfolded'], default "folded"
        "folded" cuts 10 s into four chunks stacked along frequency, so every input has to last exactly 10 s; "unfolded"
        keeps time in one piece, of any length
    fine_frames : bool, default False
        adds detail from earlier stages to reach 12.5 frames a second; unfolded only
    window_s : float, default 10.24
        length of a window at inference, seconds; unfolded only, a folded one takes 10 s
    locality_aware : bool, default False
        the last block attends by values and has no MLP, as in MGA-CLAP
    """

    kind: Literal["htsat"] = "htsat"
    patch: int = 4
    embed_dim: int = 128
    depths: tuple[int, ...] = (2, 2, 12, 2)
    heads: tuple[int, ...] = (4, 8, 16, 32)
    window: int = 8
    mlp_ratio: int = 4
    drop_path: float = 0.1
    layout: Literal["folded", "unfolded"] = "folded"
    fine_frames: bool = False
    window_s: float = 10.24
    locality_aware: bool = False

    def __post_init__(self) -> None:
        if not self.depths or len(self.depths) != len(self.heads):
            raise ValueError(f"depths {self.depths} and heads {self.heads} must name the same stages, at least one")
        for dim, heads in zip(self.stage_dims, self.heads, strict=True):
            if dim % heads:
                raise ValueError(f"heads {self.heads} must divide the stages' channels {self.stage_dims}")
        if 64 % self.coarse_logmel_frames:
            raise ValueError(f"patch {self.patch} and {len(self.depths)} stages must divide the 64 mel bands evenly")
        if self.fine_frames and (self.layout != "unfolded" or not self.patch <= 8 < self.coarse_logmel_frames):
            raise ValueError(
                f"fine_frames must go with layout 'unfolded', patch <= 8 and more stages than reach 8 log-mel frames, "
                f"here {self.layout!r}, patch {self.patch} and {len(self.depths)} stages"
            )

    @property
    def stage_dims(self) -> tuple[int, ...]:
        """Channels of each stage."""
        return tuple(self.embed_dim * 2**stage for stage in range(len(self.depths)))

    @property
    def coarse_logmel_frames(self) -> int:
        """Log-mel frames that a token of the last stage spans."""
        return self.patch * 2 ** (len(self.depths) - 1)


HTSAT_CONFIGS: Mapping[str, HTSATConfig] = MappingProxyType(
    {
        "tiny": HTSATConfig(embed_dim=96, depths=(2, 2, 6, 2)),
        "base": HTSATConfig(),
        "large": HTSATConfig(embed_dim=256),
        "base-12hz": HTSATConfig(patch=2, embed_dim=192, depths=(2, 12, 2), heads=(8, 16, 32)),
        "tiny-unfolded": HTSATConfig(embed_dim=96, depths=(2, 2, 6, 2), layout="unfolded", fine_frames=True),
        "base-unfolded": HTSATConfig(layout="unfolded", fine_frames=True),
    }
)


class SpectrogramEncoder(nn.Module):
    """What surrounds the transformer, whichever way that is computed: lengths, the image it sees, the frames it gives.

    Its attributes are those of ``flam.model.towers.AudioEncoder``.
    """

    def __init__(self, config: HTSATConfig):
        super().__init__()
        self.config = config
        self.logmel = LogMel(LogMelConfig())
        self.sample_rate = self.logmel.config.sample_rate
        self.embed_dim = config.stage_dims[-1]
        self.variable_length = config.layout == "unfolded"
        if self.variable_length:
            logmel_frames = FINE_LOGMEL_FRAMES if config.fine_frames else config.coarse_logmel_frames
            self.frame_hop_samples = logmel_frames * self.logmel.config.hop_samples
            n_frames = round(config.window_s * self.sample_rate / self.frame_hop_samples)
            self.window_samples = n_frames * self.frame_hop_samples
        else:
            self.window_samples = FOLDED_WINDOW_SAMPLES
            self.frame_hop_samples = FOLDED_WINDOW_SAMPLES * config.coarse_logmel_frames // FOLDED_LOGMEL_FRAMES
        n_mels = self.logmel.config.n_mels
        self.bn0 = nn.BatchNorm1d(n_mels)
        self.details = nn.ModuleList(
            FrameDetail(config.stage_dims[stage], n_mels // (config.patch * 2**stage), self.embed_dim)
            for stage in reversed(range(len(config.depths) - 1))
            if config.fine_frames and config.patch * 2**stage >= FINE_LOGMEL_FRAMES
        )

    def forward(self, waveform: Tensor) -> Tensor:
        """Embed clips.

        Parameters
        ----------
        waveform : Tensor
            (B, N) float tensor, samples at 48 kHz; N is ``window_samples`` if folded, else a multiple of
            ``frame_hop_samples``

        Returns
        -------
        Tensor
            (B, T, C) float tensor, frame t covering samples [t, t + 1) * ``frame_hop_samples``

        Raises
        ------
        ModelError
            a length that the layout does not take
        """
        n_samples = waveform.shape[-1]
        if not self.variable_length and n_samples != self.window_samples:
            raise ModelError(
                f"clip of {n_samples} samples: this encoder takes exactly {self.window_samples}; pad with zeros or cut"
            )
        if n_samples == 0 or n_samples % self.frame_hop_samples:
            raise ModelError(
                f"clip of {n_samples} samples: this encoder takes multiples of {self.frame_hop_samples}; pad with zeros"
            )
        return self.encode_logmel(self.logmel(waveform))

    def encode_logmel(self, logmel_db: Tensor) -> Tensor:
        """(B, 1 + N / 480, F) log-mel in dB, as ``logmel`` gives it, to (B, T, C) frame embeddings."""
        return self.frames(*self.transform(self.image(logmel_db)))

    def image(self, logmel_db: Tensor) -> Tensor:
        """(B, frames, F) log-mel in dB to the normalised (B, rows, columns) image that is cut into patches."""
        bands = self.bn0(logmel_db.transpose(1, 2))
        if self.variable_length:
            # the centred transform gives one frame more than N / hop; the grid of frames has no place for it
            return bands[:, :, : bands.shape[2] // FINE_LOGMEL_FRAMES * FINE_LOGMEL_FRAMES]
        size = (bands.shape[1], FOLDED_LOGMEL_FRAMES)
        bands = functional.interpolate(bands[:, None], size, mode="bicubic", align_corners=True)
        return bands[:, 0].unflatten(2, (FOLDED_CHUNKS, -1)).transpose(1, 2).flatten(1, 2)

    def transform(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(B, rows, columns) image to the last map, normalised, and the (B, H, W, C) map of each stage."""
        raise NotImplementedError

    def frames(self, tokens: Tensor, maps: list[Tensor]) -> Tensor:
        """What ``transform`` gives, to (B, T, C) frame embeddings in order of time."""
        if not self.variable_length:
            return tokens.unflatten(1, (FOLDED_CHUNKS, -1)).mean(dim=2).flatten(1, 2)
        frames = tokens.mean(dim=1)
        for detail, earlier in zip(self.details, reversed(maps[:-1]), strict=False):
            frames = detail(frames, earlier)
        return frames


class HTSAT(SpectrogramEncoder):
    """Log-mel, patches, Swin stages, mean over frequency.

    Examples
    --------
    >>> encoder = HTSAT(HTSATConfig(embed_dim=8, depths=(1, 1, 1, 1), heads=(1, 1, 1, 1), layout="unfolded")).eval()
    >>> encoder(torch.zeros(1, 5 * encoder.frame_hop_samples)).shape
    torch.Size([1, 5, 64])
    """

    def __init__(self, config: HTSATConfig):
        super().__init__(config)
        self.patch_embed = PatchEmbed(config.patch, config.embed_dim)
        drop_paths = torch.linspace(0, config.drop_path, sum(config.depths)).split(list(config.depths))
        stages = zip(config.stage_dims, config.heads, drop_paths, strict=True)
        self.layers = nn.ModuleList(
            SwinStage(
                dim,
                heads,
                config.window,
                config.mlp_ratio,
                rates.tolist(),
                has_downsample=dim < self.embed_dim,
                ends_locality_aware=config.locality_aware and dim == self.embed_dim,
            )
            for dim, heads, rates in stages
        )
        self.norm = nn.LayerNorm(self.embed_dim)
        self.apply(_initialise)

    def transform(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(B, rows, columns) image to the last map, normalised, and the (B, H, W, C) map of each stage."""
        tokens, maps = self.patch_embed(image), []
        for stage in self.layers:
            stage_map, tokens = stage(tokens)
            maps.append(stage_map)
        return self.norm(tokens), maps


class PatchEmbed(nn.Module):
    """Square patches of the image, each through one linear map and a LayerNorm."""

    def __init__(self, patch: int, embed_dim: int):
        super().__init__()
        self.proj = nn.Conv2d(1, embed_dim, patch, stride=patch)
        self.norm = nn.LayerNorm(embed_dim)

    def forward(self, image: Tensor) -> Tensor:
        """(B, rows, columns) -> (B, H, W, C)"""
        return self.norm(self.proj(image[:, None]).permute(0, 2, 3, 1))


class FrameDetail(nn.Module):
    """Doubles the frame rate: what an earlier stage knows tells two halves of a frame apart, and leaves their mean."""

    def __init__(self, map_dim: int, map_rows: int, embed_dim: int):
        super().__init__()
        self.norm = nn.LayerNorm(map_dim)
        self.proj = nn.Linear(map_rows * map_dim, embed_dim)

    def forward(self, frames: Tensor, earlier: Tensor) -> Tensor:
        """(B, ceil(W / 2), C) frames and an earlier (B, H, W, c) map -> (B, W, C) frames"""
        width = earlier.shape[2]
        detail = self.proj(self.norm(earlier).transpose(1, 2).flatten(2))
        pairs = functional.pad(detail, (0, 0, 0, width % 2), mode="replicate").unflatten(1, (-1, 2))
        return (frames[:, :, None] + pairs - pairs.mean(dim=2, keepdim=True)).flatten(1, 2)[:, :width]


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
