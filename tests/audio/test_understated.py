"""All sound is heard where a header counts less than the file holds, or counts a part only."""

import io
import struct

import numpy as np
import pytest
import soundfile

from flam.audio import open_recording

RATE = 8_000
NOISE = np.random.default_rng(0).normal(0, 0.1, 2 * RATE).astype(np.float32)
N_BYTES = 2 * len(NOISE)


def encoded(container, subtype="PCM_16"):
    file = io.BytesIO()
    soundfile.write(file, NOISE, RATE, subtype=subtype, format=container)
    return file.getvalue()


def patched(content, mark, behind, code, value):
    content = bytearray(content)
    struct.pack_into(code, content, content.index(mark) + behind, value)
    return bytes(content)


def half_flac():
    content = encoded("FLAC")
    return content[:21] + bytes([content[21] & 0xF0]) + struct.pack(">I", RATE) + content[26:]


def two_data_chunks():
    head, samples = encoded("WAV")[:36], encoded("WAV")[44:]
    halves = [samples[:RATE], samples[RATE:]]
    body = head + b"".join(b"data" + struct.pack("<I", len(half)) + half for half in halves)
    return body[:4] + struct.pack("<I", len(body) - 8) + body[8:]


def shorter_aiff(in_common):
    content = patched(encoded("AIFF"), b"SSND", 4, ">I", N_BYTES // 2 + 8)
    return patched(content, b"COMM", 10, ">I", RATE) if in_common else content


UNDERSTATED = {
    "au": lambda: patched(encoded("AU"), b".snd", 8, ">I", N_BYTES // 2),
    "aiff, in one place": lambda: shorter_aiff(False),
    "aiff, in both": lambda: shorter_aiff(True),
    "caf": lambda: patched(encoded("CAF"), b"data", 4, ">q", N_BYTES // 2 + 4),
    "flac": half_flac,
    "wav": lambda: patched(encoded("WAV"), b"data", 4, "<I", N_BYTES // 2),
    "wav of two data chunks": two_data_chunks,
    "rf64": lambda: patched(encoded("RF64"), b"ds64", 16, "<Q", N_BYTES // 2),
}


def heard(content):
    told = []
    with open_recording(content, told.append, told.append) as recording:
        return np.concatenate([*recording.blocks(), np.zeros((0, 1))])[:, 0], told


@pytest.mark.parametrize("name", UNDERSTATED)
def test_all_samples_are_heard_and_the_header_is_told(name):
    samples, told = heard(UNDERSTATED[name]())
    assert np.abs(samples - NOISE).max() < 1e-4
    assert "all of them are read" in told[0]


@pytest.mark.parametrize(
    ("container", "subtype"),
    [*((name, "PCM_16") for name in ("AU", "AIFF", "CAF", "FLAC", "WAV", "RF64")), ("CAF", "ALAC_16")],
)
def test_nothing_is_told_of_whole_files_and_zeros_behind_samples_are_none(container, subtype):
    samples, told = heard(encoded(container, subtype))
    assert told == []
    assert heard(encoded(container, subtype) + bytes(5_000))[0].shape == samples.shape


def test_a_wav_behind_some_filling_is_another_recording():
    samples, told = heard(encoded("WAV") + b"\0" * 37 + encoded("WAV"))
    assert np.abs(samples - np.concatenate([NOISE, NOISE])).max() < 1e-4
    assert "2 recordings in a row" in told[0]


def test_a_long_flac_of_two_channels(tmp_path):
    noise = np.random.default_rng(0).normal(0, 0.1, (40 * 48_000, 2))
    soundfile.write(tmp_path / "a.flac", noise, 48_000, subtype="PCM_24")
    content = (tmp_path / "a.flac").read_bytes()
    short = content[:22] + struct.pack(">I", 48_000) + content[26:]
    with open_recording(short, lambda line: None, lambda line: None) as recording:
        assert sum(map(len, recording.blocks())) == len(noise)
