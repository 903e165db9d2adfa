"""The Swin transformer's parts: attention inside windows that shift from block to block, and merging of patches.

Liu et al., "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows", ICCV 2021 (arXiv 2103.14030).
Shapes: B clips, H x W map of tokens (rows are frequency, columns are time), C channels, M windows of S tokens.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

MASKED = -100.0


@dataclass(frozen=True)
class WindowGrid:
    """How a map of tokens is cut into windows, after rolling it by the shift; what does not fill a window is padded.

    Examples
    --------
    >>> grid = WindowGrid.fit(height=4, width=20, window=8, shifted=True)
    >>> grid.window, grid.shift, grid.padded
    ((4, 8), (0, 4), (4, 24))
    """

    height: int
    width: int
    window: tuple[int, int]
    shift: tuple[int, int]

    @classmethod
    def fit(cls, height: int, width: int, window: int, shifted: bool) -> WindowGrid:
        """Windows no larger than the map, shifted by half a window along the axes that hold more than one."""
        height, width = int(height), int(width)  # while a model is traced for export, sizes are tensors
        rows, columns = min(window, height), min(window, width)
        shift = (rows // 2 if height > rows else 0, columns // 2 if width > columns else 0)
        return cls(height, width, (rows, columns), shift if shifted else (0, 0))

    @property
    def padded(self) -> tuple[int, int]:
        """Height and width rounded up to whole windows."""
        rows, columns = self.window
        return -(-self.height // rows) * rows, -(-self.width // columns) * columns

    def split(self, tokens: Tensor) -> Tensor:
        """(B, H, W, C) map to (B, M, S, C) windows."""
        (height, width), (rows, columns) = self.padded, self.window
        if (height, width) != (self.height, self.width):
            tokens = functional.pad(tokens, (0, 0, 0, width - self.width, 0, height - self.height))
        if any(self.shift):
            tokens = tokens.roll((-self.shift[0], -self.shift[1]), (1, 2))
        tokens = tokens.unflatten(2, (width // columns, columns)).unflatten(1, (height // rows, rows))
        return tokens.transpose(2, 3).flatten(1, 2).flatten(2, 3)

    def join(self, windows: Tensor) -> Tensor:
        """(B, M, S, C) windows back to the (B, H, W, C) map: the reverse of ``split``."""
        (height, width), (rows, columns) = self.padded, self.window
        tokens = windows.unflatten(2, (rows, columns)).unflatten(1, (height // rows, width // columns))
        tokens = tokens.transpose(2, 3).flatten(3, 4).flatten(1, 2)
        if any(self.shift):
            tokens = tokens.roll(self.shift, (1, 2))
        return tokens[:, : self.height, : self.width]

    def mask(self, device: torch.device) -> Tensor | None:
        """(M, S, S) float tensor, -100 between tokens that rolling or padding brought together; None if all are 0."""
        return _mask(self, device)

    def position_bias(self, table: Tensor, table_window: int) -> Tensor:
        """(heads, S, S) bias out of a ((2 w - 1)^2, heads) table for windows of w = ``table_window`` tokens a side.

        Windows smaller than that use the middle of the table.
        """
        size = self.window[0] * self.window[1]
        index = _bias_index(self.window, table_window, table.device)
        return table[index].view(size, size, -1).permute(2, 0, 1)


@functools.lru_cache(maxsize=64)
@torch.inference_mode(False)
def _mask(grid: WindowGrid, device: torch.device) -> Tensor | None:
    if not any(grid.shift) and grid.padded == (grid.height, grid.width):
        return None
    regions = []
    for length, padded, shift in zip((grid.height, grid.width), grid.padded, grid.shift, strict=True):
        position = torch.arange(padded)
        rolled_around, padding = position >= padded - shift, position.roll(-shift) >= length
        regions.append(rolled_around + 2 * padding)
    region = regions[0][:, None] * 4 + regions[1]
    plain = WindowGrid(*grid.padded, grid.window, (0, 0))
    windows = plain.split(region[None, :, :, None])[0, :, :, 0]
    different = windows[:, :, None] != windows[:, None, :]
    return different.to(torch.float32).mul_(MASKED).to(device)


@functools.lru_cache(maxsize=64)
@torch.inference_mode(False)
def _bias_index(window: tuple[int, int], table_window: int, device: torch.device) -> Tensor:
    row, column = torch.meshgrid(torch.arange(window[0]), torch.arange(window[1]), indexing="ij")
    row, column = row.flatten(), column.flatten()
    row_offset = row[:, None] - row + table_window - 1
    column_offset = column[:, None] - column + table_window - 1
    return (row_offset * (2 * table_window - 1) + column_offset).flatten().to(device)


class WindowAttention(nn.Module):
    """Multi-head attention among the tokens of a window, with a learned bias for each relative position.

    Parameters
    ----------
    dim, heads, window : int
        channels C, attention heads, side of a window
    by_value : bool, default False
        a token looks for those whose values are like its own; queries and keys are not used
    """

    def __init__(self, dim: int, heads: int, window: int, by_value: bool = False):
        super().__init__()
        self.heads = heads
        self.window = window
        self.by_value = by_value
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.relative_position_bias_table = nn.Parameter(torch.empty((2 * window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def forward(self, windows: Tensor, grid: WindowGrid) -> Tensor:
        """(B, M, S, C) -> (B, M, S, C)"""
        qkv = self.qkv(windows).unflatten(-1, (3, self.heads, -1)).unbind(3)
        query, key, value = (part.transpose(2, 3).flatten(0, 2) for part in qkv)  # each (B M heads, S, C / heads)
        if self.by_value:
            query = key = value
        scores = torch.bmm(query * query.shape[-1] ** -0.5, key.transpose(1, 2))
        per_clip = (-1, int(windows.shape[1]), self.heads)
        scores = scores.unflatten(0, per_clip)
        weights = (scores + self._bias(grid).to(scores.dtype)).softmax(dim=-1)
        mixed = torch.bmm(weights.flatten(0, 2), value).unflatten(0, per_clip)
        return self.proj(mixed.transpose(2, 3).flatten(-2))

    def _bias(self, grid: WindowGrid) -> Tensor:
        """(heads, S, S) position bias, or (M, heads, S, S) with the mask."""
        bias = grid.position_bias(self.relative_position_bias_table, self.window)
        mask = grid.mask(bias.device)
        return bias if mask is None else bias + mask[:, None]


class MLP(nn.Module):
    """Two linear layers around an exact GELU."""

    def __init__(self, dim: int, ratio: int):
        super().__init__()
        self.fc1 = nn.Linear(dim, ratio * dim)
        self.fc2 = nn.Linear(ratio * dim, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """(..., C) -> (..., C)"""
        return self.fc2(functional.gelu(self.fc1(tokens)))


class DropPath(nn.Module):
    """In training, skips a residual branch for a random share of the clips and scales it up for the others."""

    def __init__(self, probability: float):
        super().__init__()
        self.probability = probability

    def forward(self, branch: Tensor) -> Tensor:
        """(B, ...) -> (B, ...)"""
        if not self.training or self.probability == 0.0:
            return branch
        keep = 1.0 - self.probability
        kept = torch.empty(len(branch), *[1] * (branch.ndim - 1), device=branch.device).bernoulli_(keep)
        return branch * (kept / keep).to(branch.dtype)


class SwinBlock(nn.Module):
    """Attention inside windows, then an MLP, both as residuals after a LayerNorm.

    A locality-aware block (MGA-CLAP, arXiv 2408.07919) attends by values and has no MLP.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        window: int,
        mlp_ratio: int,
        drop_path: float,
        shifted: bool,
        locality_aware: bool = False,
    ):
        super().__init__()
        self.window = window
        self.shifted = shifted
        self.norm1 = nn.LayerNorm(dim)
        self.attn = WindowAttention(dim, heads, window, by_value=locality_aware)
        self.norm2 = None if locality_aware else nn.LayerNorm(dim)
        self.mlp = None if locality_aware else MLP(dim, mlp_ratio)
        self.drop_path = DropPath(drop_path)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, H, W, C) -> (B, H, W, C)"""
        grid = WindowGrid.fit(tokens.shape[1], tokens.shape[2], self.window, self.shifted)
        mixed = grid.join(self.attn(grid.split(self.norm1(tokens)), grid))
        tokens = tokens + self.drop_path(mixed)
        if self.mlp is None or self.norm2 is None:
            return tokens
        return tokens + self.drop_path(self.mlp(self.norm2(tokens)))


class PatchMerging(nn.Module):
    """Joins 2 x 2 tokens into one of twice the channels; an odd edge is padded with zeros."""

    def __init__(self, dim: int):
        super().__init__()
        self.norm = nn.LayerNorm(4 * dim)
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, H, W, C) -> (B, ceil(H / 2), ceil(W / 2), 2 C)"""
        return self.reduction(self.norm(join_quarters(tokens)))


def join_quarters(tokens: Tensor) -> Tensor:
    """(B, H, W, C) map to (B, ceil(H / 2), ceil(W / 2), 4 C): upper left, lower left, upper right, lower right."""
    if tokens.shape[1] % 2 or tokens.shape[2] % 2:
        tokens = functional.pad(tokens, (0, 0, 0, tokens.shape[2] % 2, 0, tokens.shape[1] % 2))
    return torch.cat([tokens[:, row::2, column::2] for column in range(2) for row in range(2)], dim=-1)


class SwinStage(nn.Module):
    """Blocks at one resolution, every second one shifted, and the way to the next resolution."""

    def __init__(
        self,
        dim: int,
        heads: int,
        window: int,
        mlp_ratio: int,
        drop_paths: list[float],
        has_downsample: bool,
        ends_locality_aware: bool = False,
    ):
        super().__init__()
        self.blocks = nn.Sequential(
            *(
                SwinBlock(
                    dim,
                    heads,
                    window,
                    mlp_ratio,
                    drop_path,
                    shifted=index % 2 == 1,
                    locality_aware=ends_locality_aware and index == len(drop_paths) - 1,
                )
                for index, drop_path in enumerate(drop_paths)
            )
        )
        self.downsample = PatchMerging(dim) if has_downsample else None

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """(B, H, W, C) to the map of the same shape, and to the tokens that the next stage starts from."""
        tokens = self.blocks(tokens)
        return tokens, tokens if self.downsample is None else self.downsample(tokens)
