"""SpecAugment: stripes of time and bands of frequency are taken out of the log-mel (Park et al., arXiv 1904.08779)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class SpecAugmentConfig:
    """How much is taken out of each clip.

    Parameters
    ----------
    time_masks : int, default 0
        how many stripes of time, and the greatest width of one in log-mel frames
    time_frames : int, default 64
        how many stripes of time, and the greatest width of one in log-mel frames
    band_masks : int, default 2
        how many bands of frequency, and the greatest width of one in mel bands
    bands : int, default 8
        how many bands of frequency, and the greatest width of one in mel bands
    """

    time_masks: int = 0
    time_frames: int = 64
    band_masks: int = 2
    bands: int = 8

    def __post_init__(self) -> None:
        if min(self.time_masks, self.time_frames, self.band_masks, self.bands) < 0:
            raise ValueError("numbers and widths of masks must be 0 or greater")


def spec_augment(logmel_db: Tensor, config: SpecAugmentConfig) -> Tensor:
    """Mask a batch, each clip in other places; a masked cell takes the mean of its clip.

    Widths are uniform from 0 to the greatest, places uniform over what fits. Draws from torch's default generator.

    Parameters
    ----------
    logmel_db : Tensor
        (B, frames, F) float tensor

    Examples
    --------
    >>> spec_augment(torch.ones(2, 100, 64), SpecAugmentConfig()).shape
    torch.Size([2, 100, 64])
    """
    n_clips, n_frames, n_bands = logmel_db.shape
    masked = torch.zeros(n_clips, n_frames, n_bands, dtype=torch.bool, device=logmel_db.device)
    for _ in range(config.time_masks):
        masked |= _stripes(n_clips, n_frames, config.time_frames, logmel_db.device)[:, :, None]
    for _ in range(config.band_masks):
        masked |= _stripes(n_clips, n_bands, config.bands, logmel_db.device)[:, None, :]
    return torch.where(masked, logmel_db.mean(dim=(1, 2), keepdim=True), logmel_db)


def augment_in_training(logmel: nn.Module, config: SpecAugmentConfig) -> None:
    """Make a front end mask what it gives while it is in training mode; in evaluation nothing changes."""
    logmel.register_forward_hook(
        lambda module, inputs, output: spec_augment(output, config) if module.training else None
    )


def _stripes(n_clips: int, size: int, widest: int, device: torch.device) -> Tensor:
    """(B, size) bool tensor, one stripe in each row."""
    widths = torch.randint(0, min(widest, size) + 1, (n_clips, 1), device=device)
    starts = (torch.rand(n_clips, 1, device=device) * (size - widths + 1)).long()
    places = torch.arange(size, device=device)
    return (places >= starts) & (places < starts + widths)
