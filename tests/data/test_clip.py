"""A crop of a file is the crop of the whole."""

import numpy as np
import pytest
import soundfile

from flam.audio import read_audio
from flam.core import AudioError
from flam.data.clip import Sound, crop, cut_sounds, read_crop


def noise(n, seed=0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, n)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3"])
def test_part_of_a_file_is_part_of_the_whole(tmp_path, name):
    soundfile.write(tmp_path / name, noise(60_000), 16_000)
    whole = read_audio(tmp_path / name, 16_000)
    starts = set()
    for seed in range(4):
        cut = read_crop(tmp_path / name, 8_000, 16_000, np.random.default_rng(seed))
        start = round(cut.start_s * 16_000)
        starts.add(start)
        assert np.abs(cut.waveform - whole[start : start + 8_000]).max() < 1e-3
    assert len(starts) == 4


def test_part_of_a_file_at_another_rate(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.sin(np.arange(88_200) * 0.05), 44_100)
    whole = read_audio(tmp_path / "a.wav", 48_000)
    cut = read_crop(tmp_path / "a.wav", 24_000, 48_000, np.random.default_rng(1))
    assert cut.waveform.shape == (24_000,)
    moments_s = cut.start_s + np.arange(24_000) / 48_000
    expected = np.interp(moments_s, np.arange(len(whole)) / 48_000, whole)
    assert np.abs(cut.waveform - expected)[200:-200].max() < 2e-3  # the resampler rings at the cut


def test_what_is_shorter_ends_in_silence(tmp_path):
    soundfile.write(tmp_path / "a.wav", noise(100), 48_000, subtype="FLOAT")
    cut = read_crop(tmp_path / "a.wav", 300, 48_000, np.random.default_rng(0))
    assert cut.start_s == 0
    assert np.array_equal(cut.waveform, crop(noise(100).astype(np.float32), 300, 48_000, np.random.default_rng(0))[0])
    assert np.array_equal(cut.waveform[100:], np.zeros(200))


def test_a_file_that_is_cut_off_is_refused(tmp_path):
    soundfile.write(tmp_path / "a.flac", noise(48_000), 48_000)
    data = (tmp_path / "a.flac").read_bytes()
    (tmp_path / "a.flac").write_bytes(data[: len(data) // 2])
    with pytest.raises(AudioError, match=r"a\.flac"):
        read_crop(tmp_path / "a.flac", 48_000, 48_000, np.random.default_rng(0))


def test_sounds_move_with_the_crop():
    sounds = [
        Sound("rain", ("it rains",), ((0.0, 10.0),)),
        Sound("dog", (), ((1.0, 2.0), (3.5, 4.5), (8.0, 9.0))),
        Sound("gone", (), ((0.0, 3.0), (7.0, 8.0))),
    ]
    assert cut_sounds(sounds, 3.0, 4.0) == (
        Sound("rain", ("it rains",), ((0.0, 4.0),)),
        Sound("dog", (), ((0.5, 1.5),)),
    )
