"""Codec degradation: what mp3, Ogg Vorbis and Opus at low bit rates take away and add."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Literal

import numpy as np
import soundfile

from flam.core import AudioError
from flam.scenes.distributions import Distribution, Uniform, check_bounds, check_share

CodecName = Literal["mp3", "vorbis", "opus"]

# The nominal bit rates of Vorbis at quality 0, 0.1 ... 1, one channel at 40 to 50 kHz (libvorbis, setup_44u.h).
_VORBIS_KBPS = (48, 60, 70, 80, 86, 96, 110, 120, 140, 160, 240)
# An mp3 of less than 64 kbit/s has no room for the tag by which decoders cut off the delays of encoder and decoder.
_MP3_DELAY_SAMPLES = 576 + 529
# libsndfile crashes on long Vorbis streams that are written in one call.
_BLOCK_SAMPLES = 65_536


@dataclass(frozen=True)
class CodecConfig:
    """How codecs are drawn.

    Parameters
    ----------
    share : float, default 0.0
        part of the sounds that are encoded and decoded
    names : tuple[CodecName, ...], optional
        codecs to choose from, all alike
    kbps : Distribution, optional
        bit rate; mp3 takes the nearest that it has (32 to 320), vorbis 48 to 240, opus 6 to 256
    """

    share: float = 0.0
    names: tuple[CodecName, ...] = ("mp3", "vorbis", "opus")
    kbps: Distribution = Uniform((24.0, 96.0))

    def __post_init__(self) -> None:
        check_share("share", self.share)
        check_bounds("kbps", self.kbps, 1.0)
        if not self.names:
            raise ValueError("names holds no codec; name one, or set share to 0")


@dataclass(frozen=True)
class Codec:
    """A drawn codec.

    Parameters
    ----------
    name : CodecName
        mp3, vorbis or opus
    kbps : float
        bit rate of one channel
    """

    name: CodecName
    kbps: float


def draw_codec(rng: np.random.Generator, config: CodecConfig) -> Codec | None:
    """A codec for one sound, or None for a sound that stays as it is."""
    if rng.random() >= config.share:
        return None
    return Codec(config.names[rng.integers(len(config.names))], round(config.kbps.draw(rng), 1))


def apply_codec(waveform: np.ndarray, sample_rate: int, codec: Codec) -> np.ndarray:
    """Encode and decode in memory; the delay is taken out, so that every sound stays where it was.

    To the sample for mp3 and Vorbis; Opus below 64 kbit/s is off by 1 or 2 samples, below 12 kbit/s by 4.

    Parameters
    ----------
    waveform : np.ndarray
        (N,) float32 array within [-1, 1]; what lies beyond is clipped
    sample_rate : int
        Hz
    codec : Codec
        what to apply

    Returns
    -------
    np.ndarray
        (N,) float32 array

    Raises
    ------
    AudioError
        the codec does not take this sample rate

    Examples
    --------
    >>> len(apply_codec(np.zeros(4800, np.float32), 48000, Codec("opus", 24.0)))
    4800
    """
    if len(waveform) == 0:
        return waveform.copy()
    container, subtype = {
        "mp3": ("MP3", "MPEG_LAYER_III"),
        "vorbis": ("OGG", "VORBIS"),
        "opus": ("OGG", "OPUS"),
    }[codec.name]
    options = {"bitrate_mode": "CONSTANT"} if codec.name == "mp3" else {}
    file = io.BytesIO()
    try:
        with soundfile.SoundFile(
            file, "w", sample_rate, 1, subtype, format=container, compression_level=_compression(codec), **options
        ) as writer:
            for start in range(0, len(waveform), _BLOCK_SAMPLES):
                writer.write(waveform[start : start + _BLOCK_SAMPLES])
        file.seek(0)
        decoded, _ = soundfile.read(file, dtype="float32")
    except soundfile.LibsndfileError as error:
        raise AudioError(
            f"{codec.name} at {codec.kbps} kbit/s can't hold {len(waveform)} samples at {sample_rate} Hz ({error}); "
            "render at 48000 Hz or leave this codec out"
        ) from error
    if codec.name == "mp3" and len(decoded) > len(waveform):
        decoded = decoded[_MP3_DELAY_SAMPLES:]
    return np.pad(decoded, (0, max(len(waveform) - len(decoded), 0)))[: len(waveform)]


def _compression(codec: Codec) -> float:
    """The number from 0 (best) to 1 (smallest) by which libsndfile means this bit rate."""
    if codec.name == "mp3":
        level = (320 - codec.kbps) / (320 - 32)
    elif codec.name == "opus":
        level = (256 - codec.kbps) / (256 - 6)
    else:
        level = 1 - np.interp(codec.kbps, _VORBIS_KBPS, np.linspace(0, 1, len(_VORBIS_KBPS)))
    return float(min(max(level, 0.0), 0.999))
