"""A file that was cut off is told, whatever its container, as long as its header counts samples."""

import numpy as np
import pytest
import soundfile

from flam.audio import open_recording
from flam.core import AudioError

RATE = 8_000
CONTAINERS = [
    *[("WAV", "PCM_16"), ("WAV", "IMA_ADPCM"), ("WAVEX", "PCM_16"), ("RF64", "PCM_16"), ("RF64", "FLOAT")],
    *[("W64", "PCM_16"), ("W64", "GSM610"), ("AIFF", "PCM_16"), ("AIFF", "DWVW_16"), ("AU", "PCM_16"), ("AU", "ULAW")],
    *[("CAF", "PCM_16"), ("CAF", "ALAC_16"), ("FLAC", "PCM_16"), ("MP3", "MPEG_LAYER_III"), ("OGG", "VORBIS")],
    *[
        ("SVX", "PCM_16"),
        ("SVX", "PCM_S8"),
        ("VOC", "PCM_16"),
        ("VOC", "PCM_U8"),
        ("AVR", "PCM_16"),
        ("NIST", "PCM_16"),
    ],
    *[
        ("NIST", "ULAW"),
        ("MAT4", "PCM_16"),
        ("MAT5", "PCM_16"),
        ("MPC2K", "PCM_16"),
        ("SDS", "PCM_16"),
        ("WVE", "ALAW"),
    ],
]


def heard(path):
    told = []
    with open_recording(path, told.append, told.append) as recording:
        n_samples = sum(map(len, recording.blocks()))
    return n_samples, told


@pytest.mark.parametrize(("container", "subtype"), CONTAINERS)
def test_a_cut_is_told_and_nothing_is_told_of_a_whole_file(tmp_path, container, subtype):
    if container not in soundfile.available_formats():
        pytest.skip("another libsndfile")
    suffix = {"NIST": "sph"}.get(container, container.lower())
    whole, cut = tmp_path / f"whole.{suffix}", tmp_path / f"cut.{suffix}"
    noise = np.random.default_rng(0).normal(0, 0.1, 3 * RATE).astype(np.float32)
    soundfile.write(whole, noise, RATE, subtype=subtype, format=container)
    n_whole, told = heard(whole)
    assert n_whole >= len(noise)
    assert not told
    content = whole.read_bytes()
    cut.write_bytes(content[: len(content) * 6 // 10])
    n_cut, told = heard(cut)
    assert n_cut > 0.2 * len(noise)
    assert any(part in told[0] for part in ("of its samples are there", "that its header promises", "Ogg stream"))


@pytest.mark.parametrize("container", ["MAT5", "AVR", "MPC2K", "VOC", "NIST", "RF64", "W64"])
def test_channels_are_no_missing_samples(tmp_path, container):
    noise = np.random.default_rng(0).normal(0, 0.1, (RATE, 2))
    soundfile.write(tmp_path / "a.bin", noise, RATE, subtype="PCM_16", format=container)
    assert heard(tmp_path / "a.bin") == (RATE, [])


def test_a_sphere_file_in_another_coding_is_left_to_its_reader(tmp_path):
    soundfile.write(tmp_path / "a.sph", np.zeros(RATE), RATE, subtype="PCM_16", format="NIST")
    content = (tmp_path / "a.sph").read_bytes().replace(b"pcm\n", b"pcm,embedded-shorten-v2.00\n")
    (tmp_path / "a.sph").write_bytes(content[:5_000])
    try:
        told = heard(tmp_path / "a.sph")[1]
    except AudioError as error:
        told = [str(error)]
    assert not any("of its samples are there" in line for line in told)
