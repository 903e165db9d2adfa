"""Readers of recordings for ``benchmarks.fuzz``: containers, headers and metadata, damaged or not."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from benchmarks.fuzz_readers import Reader

RATE = 16_000
# suffix, and what libsndfile calls format and encoding
FORMATS = (
    *(("wav", "WAV", "PCM_16"), ("flac", "FLAC", "PCM_16"), ("ogg", "OGG", "VORBIS"), ("mp3", "MP3", "MPEG_LAYER_III")),
    *(("opus", "OGG", "OPUS"), ("rf64", "RF64", "PCM_24"), ("w64", "W64", "PCM_16"), ("aiff", "AIFF", "PCM_16")),
    *(("voc", "VOC", "PCM_16"), ("sph", "NIST", "PCM_16"), ("mat", "MAT5", "PCM_16"), ("avr", "AVR", "PCM_16")),
    *(("caf", "CAF", "FLOAT"), ("au", "AU", "ULAW"), ("gsm.wav", "WAV", "GSM610"), ("adpcm.wav", "WAV", "MS_ADPCM")),
)


def audio_readers() -> dict[str, Reader]:
    """Readers of recordings, by name."""
    found = {f"audio {suffix}": Reader(_audio(suffix, *form), _read_audio, False) for suffix, *form in FORMATS}
    found["audio joined"] = Reader(_joined, _read_audio, False)
    found["audio in memory"] = Reader(_audio("flac", "FLAC", "PCM_16"), _decode, False)
    found["start in metadata"] = Reader(_dated, _read_start, False)
    try:
        import av  # noqa: F401
    except ImportError:
        return found
    media = {f"media {suffix}": Reader(_media(suffix, codec), _read_audio, False) for suffix, codec in MEDIA}
    return found | media


MEDIA = (("m4a", "aac"), ("mkv", "ac3"), ("webm", "libopus"), ("mp4", "mp3"))


def _samples() -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, (RATE, 2)).astype(np.float32)


def _audio(suffix: str, format: str, subtype: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / f"a.{suffix}"
        samples = _samples()[:, :1] if subtype == "GSM610" else _samples()
        soundfile.write(path, samples, RATE, format=format, subtype=subtype)
        return path

    return make


def _joined(folder: Path) -> Path:
    path = _audio("ogg", "OGG", "VORBIS")(folder)
    path.write_bytes(path.read_bytes() * 2)
    return path


def _read_audio(path: Path) -> None:
    from flam.audio import open_recording

    with open_recording(path, lambda told: None) as recording:
        for _ in recording.mono_blocks():
            pass
        for _ in recording.blocks(start_sample=5_000):
            pass


def _decode(path: Path) -> None:
    from flam.data.audio_bytes import decode_audio

    decode_audio(path.read_bytes(), "a.flac")


def _dated(folder: Path) -> Path:
    """A short wav with the metadata of recorders."""
    path = folder / "a.wav"
    soundfile.write(path, _samples()[:10, :1], RATE, subtype="PCM_16")
    comment = b"Recorded at 19:04:00 06/12/2020 (UTC+2) by AudioMoth 24A04F085FDF28A5.\0\0"
    listed = b"INFO" + b"ICMT" + struct.pack("<I", len(comment)) + comment
    guano = b"GUANO|Version: 1.0\nTimestamp: 2020-12-06T19:04:00+02:00\n"
    bext = bytes(320) + b"2020-12-06" + b"19:04:00" + bytes(264)
    chunks = ((b"LIST", listed), (b"guan", guano + b" " * (len(guano) % 2)), (b"bext", bext))
    added = b"".join(name + struct.pack("<I", len(content)) + content for name, content in chunks)
    whole = path.read_bytes() + added
    path.write_bytes(whole[:4] + struct.pack("<I", len(whole) - 8) + whole[8:])
    return path


def _read_start(path: Path) -> None:
    from flam.audio import start_time

    start_time(path)


def _media(suffix: str, codec: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        import av

        path, rate = folder / f"a.{suffix}", 48_000
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=rate, layout="mono")
            samples = _samples()[:, :1].T
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout="mono")
            frame.sample_rate = rate
            resampler = av.AudioResampler(stream.format, "mono", rate, frame_size=stream.frame_size or 1_024)
            for each in (*resampler.resample(frame), *resampler.resample(None), None):
                for packet in stream.encode(each):
                    container.mux(packet)
        return path

    return make
