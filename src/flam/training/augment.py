"""Augmentation of log-mel spectrograms: SpecAugment (Park et al., arXiv 1904.08779), and other recorders and rooms.

Degradation is what a recorder does to band powers, drawn anew each time a scene is used, independently of
its labels; what needs samples (codecs, clipping, telephones) is in the pool.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from flam.audio.logmel import LogMelConfig, mel_band_centres_hz
from flam.model.logmel import POWER_FLOOR

FLOOR_DB = 10 * np.log10(POWER_FLOOR)
CENTRES_HZ = mel_band_centres_hz(LogMelConfig())


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


def degraded(logmel: Tensor, rng: np.random.Generator) -> Tensor:
    """(B, T, F) log-mel in dB as another recorder would have given it.

    Two thirds of the scenes have their bands moved and stretched; all get a smooth colour; one in eight the steep ends
    of a telephone or a small loudspeaker; a sixth some reverberation; a half noise of some colour, 6 to 50 dB below the
    scene; 35 % a band limit as a brick wall; all another level; then masks of up to 6 bands.
    """
    n_scenes, n_frames, n_mels = logmel.shape
    moved = rng.random(n_scenes) < 2 / 3
    logmel[moved] = warped_bands(logmel[moved], rng.uniform(-2, 2, moved.sum()), rng.uniform(0.92, 1.08, moved.sum()))
    power = torch.pow(10.0, logmel / 10)
    for scene in np.flatnonzero(rng.random(n_scenes) < 1 / 6).tolist():
        power[scene] = with_tail(power[scene], rng.uniform(0.1, 0.6), rng.uniform(3, 15))
    power *= torch.from_numpy(10 ** (_colours_db(n_scenes, n_mels, rng) / 10).astype(np.float32))[:, None]
    limited = rng.random(n_scenes) < 0.35
    noisy = rng.random(n_scenes) < 0.5
    keeps_noise = rng.random(n_scenes) < 0.5  # the recorder's own noise, above the limit of what it got
    limits = _below_limit(limited, n_mels, rng)
    noise = torch.from_numpy(_noise(power.mean(dim=(1, 2)).numpy(), noisy, (n_frames, n_mels), rng))
    after = torch.from_numpy(keeps_noise)[:, None, None]
    power = torch.where(after, power * limits + noise, (power + noise) * limits)
    level = 10 ** (rng.uniform(-22, 8, (n_scenes, 1, 1)) / 10)
    logmel = 10 * torch.log10((power * torch.from_numpy(level.astype(np.float32))).clamp(min=POWER_FLOOR))
    for scene in range(n_scenes):
        width = int(rng.integers(0, 7))
        start = int(rng.integers(0, n_mels - width + 1))
        logmel[scene, :, start : start + width] = logmel[scene].mean()
    return logmel


def with_tail(power: Tensor, reverberation_s: float, direct_db: float, hop_s: float = 0.01) -> Tensor:
    """(T, F) band powers with an exponential tail that falls by 60 dB in ``reverberation_s``; treble fades faster.

    Examples
    --------
    >>> with_tail(torch.tensor([[1.0], [0.0], [0.0]]), 0.3, 0.0).flatten().diff().sign().tolist()
    [-1.0, -1.0]
    """
    n_taps = max(int(reverberation_s / hop_s), 1)
    n_mels = power.shape[1]
    seconds = reverberation_s * torch.linspace(1.0, 0.6, n_mels)
    taps = torch.pow(10.0, -6 * hop_s * torch.arange(1, n_taps + 1)[:, None] / seconds)
    taps *= 10 ** (-direct_db / 10) / taps.sum(dim=0)
    kernel = torch.cat([torch.ones(1, n_mels), taps]).flip(0).T[:, None]
    padded = torch.nn.functional.pad(power.T[None], (n_taps, 0))
    return torch.nn.functional.conv1d(padded, kernel, groups=n_mels)[0].T


def limited_to(logmel: Tensor, limit_hz: float) -> Tensor:
    """(..., F) log-mel without anything in the bands above a frequency, as a brick wall leaves it.

    Examples
    --------
    >>> limited_to(torch.zeros(1, 64), 8000.0)[0, [0, 63]].tolist()
    [0.0, -100.0]
    """
    return logmel.masked_fill(torch.from_numpy(limit_hz < CENTRES_HZ), FLOOR_DB)


def _colours_db(n_scenes: int, n_mels: int, rng: np.random.Generator) -> np.ndarray:
    bands, knots = np.arange(n_mels), np.linspace(0, n_mels - 1, 6)
    colours_db = np.stack([np.interp(bands, knots, gains_db) for gains_db in rng.normal(0, 4, (n_scenes, 6))])
    octaves = np.log2(CENTRES_HZ)
    for scene in np.flatnonzero(rng.random(n_scenes) < 1 / 8):
        low, high = np.log2(rng.uniform(150, 500)), np.log2(rng.uniform(3000, 7000))
        slope_db = rng.uniform(6, 24)
        colours_db[scene] -= slope_db * (np.maximum(low - octaves, 0) + np.maximum(octaves - high, 0))
    return np.asarray(colours_db)


def _below_limit(limited: np.ndarray, n_mels: int, rng: np.random.Generator) -> Tensor:
    """(B, 1, F) 1 below the drawn limit of a scene, 0 above; those not limited keep all."""
    limits_hz = np.where(rng.random(len(limited)) < 0.7, rng.choice([4e3, 5.5e3, 6e3, 8e3, 8e3, 11e3], len(limited)), 0)
    limits_hz = np.where(limits_hz > 0, limits_hz, np.exp(rng.uniform(np.log(3e3), np.log(12e3), len(limited))))
    limits_hz[~limited] = np.inf
    return torch.from_numpy((limits_hz[:, None, None] >= CENTRES_HZ[:n_mels]).astype(np.float32))


def _noise(powers: np.ndarray, noisy: np.ndarray, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """(B, T, F) noise powers of a drawn colour, 0 for scenes without; fluctuating as those of so narrow bands do."""
    n_frames, n_mels = shape
    noise = np.zeros((len(powers), n_frames, n_mels), np.float32)
    for scene in np.flatnonzero(noisy):
        colour_db = rng.uniform(-6, 1) * np.log2(CENTRES_HZ / 1000)
        band = 10 ** (colour_db / 10)
        level = powers[scene] * 10 ** (-rng.uniform(6, 50) / 10) / band.mean()
        fluctuation = np.exp(0.5 * rng.standard_normal((n_frames, n_mels), np.float32))
        noise[scene] = (level * band).astype(np.float32) * fluctuation
    return noise


def warped_bands(logmel: Tensor, shift: np.ndarray, stretch: np.ndarray) -> Tensor:
    """(B, T, F) log-mel as it would be of a higher or larger source: band f is read from ``(f - shift) / stretch``.

    Parameters
    ----------
    shift : np.ndarray
        (B,) bands
    stretch : np.ndarray
        (B,) about the middle band

    Examples
    --------
    >>> warped_bands(torch.arange(4.0).view(1, 1, 4), np.array([1.0]), np.array([1.0])).tolist()
    [[[0.0, 0.0, 1.0, 2.0]]]
    """
    last = logmel.shape[2] - 1
    bands = (np.arange(last + 1) - last / 2 - shift[:, None]) / stretch[:, None] + last / 2
    places = torch.from_numpy(np.clip(bands, 0, last).astype(np.float32))
    low = places.floor().long().clamp(max=last - 1)
    weight = (places - low)[:, None]
    low = low[:, None].expand(-1, logmel.shape[1], -1)
    return torch.lerp(logmel.gather(2, low), logmel.gather(2, low + 1), weight)
