"""What is written is read back; what can't be written leaves nothing behind."""

import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from flam.audio import read_audio, write_audio
from flam.audio.write import write_problem
from flam.core import OutputError

RATE = 48_000


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-0.9, 0.9, shape).astype(np.float32)


@pytest.mark.parametrize("n_samples", [1, 65_535, 65_536, 65_537])
@pytest.mark.parametrize(("suffix", "tolerance"), [(".wav", 0), (".flac", 2**-23)])
def test_written_equals_read_back(tmp_path, suffix, tolerance, n_samples):
    path, waveform = tmp_path / f"a{suffix}", noise(n_samples)
    write_audio(path, waveform, RATE)
    np.testing.assert_allclose(read_audio(path, RATE), waveform, atol=tolerance)
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("suffix", [".ogg", ".opus"])
@pytest.mark.slow
def test_a_minute_and_more_of_lossy_audio_keeps_its_length_and_tone(tmp_path, suffix):
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(70 * RATE) / RATE)
    write_audio(tmp_path / f"a{suffix}", tone, RATE)
    back = read_audio(tmp_path / f"a{suffix}", RATE)
    assert len(back) == len(tone)
    assert np.sqrt(np.mean((back - tone) ** 2)) < 0.02


@pytest.mark.parametrize("suffix", [".ogg", ".opus"])
def test_one_sample_of_lossy_audio(tmp_path, suffix):
    write_audio(tmp_path / f"a{suffix}", noise(1), RATE)
    assert len(read_audio(tmp_path / f"a{suffix}", RATE)) == 1


def test_no_samples_fit_only_a_wav(tmp_path):
    write_audio(tmp_path / "a.wav", noise(0), RATE)
    assert read_audio(tmp_path / "a.wav", RATE).shape == (0,)
    with pytest.raises(OutputError, match="at least one; write"):
        write_audio(tmp_path / "a.flac", noise(0), RATE)


def test_channels_and_subtype_are_kept(tmp_path):
    write_audio(tmp_path / "a.WAV", noise(1000, 3), 44_100, subtype="PCM_16")
    info = soundfile.info(tmp_path / "a.WAV")
    assert (info.samplerate, info.channels, info.frames, info.subtype) == (44_100, 3, 1000, "PCM_16")


def test_an_existing_file_is_replaced_or_left_alone(tmp_path):
    path = tmp_path / "a.flac"
    write_audio(path, noise(100), RATE)
    write_audio(path, noise(50), RATE)
    assert soundfile.info(path).frames == 50
    with pytest.raises(OutputError):
        write_audio(path, 2 * noise(100), RATE)
    assert soundfile.info(path).frames == 50


def test_what_cannot_be_written_says_why_and_leaves_nothing(tmp_path):
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "file").touch()
    for name, waveform, rate, rule in [
        ("a.mp9", noise(10), RATE, "is not one of .wav"),
        ("folder.wav", noise(10), RATE, "is a folder"),
        ("none/a.wav", noise(10), RATE, "does not exist"),
        ("file/a.wav", noise(10), RATE, "does not exist"),
        ("a.wav", np.array([0.0, np.nan]), RATE, "must be finite"),
        ("a.flac", np.array([0.0, 1.5]), RATE, "peak 1.500 must not exceed"),
        ("a.wav", noise(2, 2, 2), RATE, "must be"),
        ("a.opus", noise(10), 44_100, "can't be written"),
        ("a.wav", noise(10), 0, "can't be written"),
        ("a.flac", noise(10), RATE, "can't be written"),
    ]:
        subtype = "VORBIS" if rule == "can't be written" and name == "a.flac" else None
        with pytest.raises(OutputError, match=rule) as caught:
            write_audio(tmp_path / name, waveform, rate, subtype)
        assert "\n" not in str(caught.value)
        assert "; " in str(caught.value), "a remedy follows the rule"
    assert sorted(os.listdir(tmp_path)) == ["file", "folder.wav"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_says_so(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="can't be written"):
        write_audio(tmp_path / "a.wav", noise(10), RATE)
    tmp_path.chmod(0o700)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on file size")
@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg"])
def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path, suffix):
    code = f"""
import resource, signal
import numpy as np
from flam.audio import write_audio
from flam.core import OutputError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    write_audio({str(tmp_path / f"a{suffix}")!r}, np.random.default_rng(0).uniform(-.9, .9, 480_000), 48_000)
except OutputError as error:
    print(error)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "free space" in run.stdout
    assert os.listdir(tmp_path) == []


def test_a_full_disk_is_named_where_libsndfile_does_not(tmp_path, monkeypatch):
    error = soundfile.LibsndfileError(2)  # "System error."
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=1_000))
    assert write_problem(error, tmp_path / "a.wav") == "No space left on device"
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=10**9))
    assert write_problem(error, tmp_path / "a.wav") == "System error"
