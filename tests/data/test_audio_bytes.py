"""A header in memory that claims more samples than any machine holds costs no memory; what is there is decoded."""

import struct
import tracemalloc

import numpy as np
import pytest

from flam.data.audio_bytes import decode_audio, encode_audio

WAVEFORM = np.random.default_rng(0).uniform(-0.5, 0.5, 4_800)


def claims_64_billion_samples():
    content = bytearray(encode_audio(WAVEFORM, 48_000, ".flac"))
    content[21] |= 0x0F  # the count of samples has 36 bits, across the middle of a byte
    content[22:26] = b"\xff" * 4
    return bytes(content)


def claims_two_gigabytes():
    content = bytearray(encode_audio(WAVEFORM, 48_000, ".wav"))
    place = content.index(b"data")
    content[place + 4 : place + 8] = struct.pack("<I", 0x7FFF_FFF0)
    content[4:8] = struct.pack("<I", 0x7FFF_FFFF)
    return bytes(content)


@pytest.mark.parametrize("make", [claims_64_billion_samples, claims_two_gigabytes])
def test_claim_costs_no_memory(make):
    content = make()
    tracemalloc.start()
    try:
        waveform, rate = decode_audio(content, "a")
        assert (len(waveform), rate) == (len(WAVEFORM), 48_000)
        assert tracemalloc.get_traced_memory()[1] < 2**25
    finally:
        tracemalloc.stop()
