"""Whatever a user calls audio becomes the same samples; what can't be audio is refused in one line."""

import numpy as np
import pytest
import soundfile
import torch

from flam.audio import resample
from flam.core import AudioError
from flam.detection.source import audio_source


def samples(audio, sample_rate=48_000) -> np.ndarray:
    return np.concatenate(list(audio_source(audio, sample_rate).blocks))


def forms(stereo: np.ndarray, rate: int, path) -> dict:
    """One recording, (N, 2), in every form it may come in."""
    soundfile.write(path, stereo, rate, subtype="FLOAT")
    mono = stereo.mean(axis=1, dtype=np.float32)
    return {
        "path": path,
        "name": str(path),
        "columns": (stereo, rate),
        "rows": (stereo.T, rate),
        "mono": (mono, rate),
        "float64": (mono.astype(np.float64), rate),
        "tensor": (torch.from_numpy(stereo.T.copy()), rate),
        "iterator": (iter(np.array_split(mono, 7)), np.int64(rate)),
    }


@pytest.mark.parametrize("rate", [48_000, 44_100, 16_000])
@pytest.mark.parametrize("n_samples", [3, 4_410, 150_001])
def test_every_form_gives_the_same_samples(tmp_path, make_noise, rate, n_samples):
    stereo = np.stack([make_noise(n_samples, seed=1), make_noise(n_samples, seed=2)], axis=1)
    expected = resample(stereo.mean(axis=1, dtype=np.float32), rate, 48_000)
    for form, audio in forms(stereo, rate, tmp_path / "a.wav").items():
        source = audio_source(audio, 48_000)
        given = np.concatenate(list(source.blocks))
        assert given.dtype == np.float32, form
        np.testing.assert_allclose(given, expected, atol=1e-6, err_msg=form)
        assert source.n_samples == (None if form == "iterator" else len(given)), form


def test_an_array_alone_has_the_models_rate(make_noise):
    waveform = make_noise(100_000)
    np.testing.assert_array_equal(samples(waveform), waveform)
    np.testing.assert_array_equal(samples(torch.from_numpy(waveform).half()), waveform.astype(np.float16))


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        (np.zeros(0), "holds no sound"),
        (np.zeros((2, 0)), "with fewer channels than samples"),
        (iter([]), "holds no samples"),
        (iter([np.zeros(0)]), "holds no samples"),
        ((np.zeros(1), 1_000_000), "waveform of 1 samples at 1000000 Hz holds no sound"),
        (np.zeros(()), r"shape \(\)"),
        (np.zeros((3, 3)), "fewer channels than samples"),
        (np.zeros((2, 3, 4)), "give one recording at a time"),
        (np.zeros((100, 200)), "at most 64"),
        (np.zeros(5, np.int16), "divide 16-bit integers by 32768"),
        (torch.zeros(5, dtype=torch.int16), "divide 16-bit integers by 32768"),
        (np.zeros(5, complex), "must be floating point"),
        (iter([np.zeros(5, np.int16)]), "must be floating point"),
        (iter([np.zeros((5, 2))]), r"block of shape \(5, 2\)"),
        ([0.1, 0.2], "audio of type list"),
        (None, "audio of type NoneType"),
        ((np.zeros(5), 0), "sample rate in whole Hz above 0"),
        ((np.zeros(5), 44_100.5), "sample rate in whole Hz above 0"),
        ((48_000, np.zeros(5)), "swap its parts"),
        ((np.zeros(5),), "tuple of 1 values"),
        (np.array([0, 0, np.nan, 0]), "sample 2 of the waveform is nan"),
        (iter([np.zeros(5), np.array([0, np.inf])]), "sample 6 of the waveform is inf"),
        ("no/such/file.wav", "no such file"),
    ],
)
def test_what_is_no_audio_is_refused(audio, message):
    with pytest.raises(AudioError, match=message) as caught:
        samples(audio)
    assert "\n" not in str(caught.value)
