"""A bank gives back what the files hold, and agrees with the library's table."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from flam.audio import read_audio
from flam.core import ConfigError
from flam.library.bank import WaveformBank
from flam.library.scan import scan_library
from flam.library.source_library import SourceClip

RATE = 48_000


@pytest.fixture
def clips(tmp_path):
    rng = np.random.default_rng(0)
    waves = {
        "plain": rng.normal(0, 0.1, RATE),
        "loud": rng.normal(0, 1.5, RATE // 2),  # beyond full scale, as lossy codecs give it
        "quiet": np.concatenate([np.zeros(RATE // 4), rng.normal(0, 0.002, RATE)]),
        "silent": np.zeros(RATE),
    }
    for name, wave in waves.items():
        soundfile.write(tmp_path / f"{name}.wav", wave.astype(np.float32), RATE, subtype="FLOAT")
    (tmp_path / "broken.wav").write_bytes(b"RIFF????")
    names = [*waves, "broken"]
    return [SourceClip(n, tmp_path / f"{n}.wav", n, "", "event", n, "", "made", "CC0") for n in names]


def test_clips_come_back_to_16_bits_of_their_own_peak(clips, tmp_path):
    told = []
    left_out = WaveformBank.build(clips, tmp_path / "bank", progress=lambda *numbers: told.append(numbers))
    assert left_out == ["silent", "broken"]
    assert told[-1] == (5, 5)
    bank = WaveformBank(tmp_path / "bank")
    assert "silent" not in bank
    for clip in clips[:3]:
        stored = read_audio(clip.path)
        assert np.abs(bank.waveform(clip.clip_id) - stored).max() <= np.abs(stored).max() / 65_000


def test_bank_and_table_tell_the_same(clips, tmp_path):
    WaveformBank.build(clips, tmp_path / "bank")
    bank = WaveformBank(tmp_path / "bank")
    library = scan_library([clip.path for clip in clips[:3]], tmp_path / "library.csv")
    for clip in clips[:3]:
        name = clip.clip_id
        assert bank.n_samples(name) == library.n_samples(name)
        assert bank.spans_s(name) == library.spans_s(name)
        assert bank.level_db(name) == pytest.approx(library.level_db(name), abs=0.001)


def test_a_bank_of_before_is_still_read(tmp_path):
    samples = np.array([0, 16_384, -32_768], np.int16)
    samples.tofile(tmp_path / "samples.i16")
    index = {"a": {"start": 0, "n_samples": 3, "spans_s": [[0.0, 0.1]], "level_db": -3.0}}
    (tmp_path / "index.json").write_text(json.dumps(index))
    assert WaveformBank(tmp_path).waveform("a").tolist() == [0.0, 0.5, -1.0]


def test_an_unfinished_bank_is_no_bank(clips, tmp_path):
    folder = tmp_path / "bank"
    WaveformBank.build(clips[:1], folder)

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        WaveformBank.build(clips, folder, progress=stop)
    assert "plain" in WaveformBank(folder)  # the earlier one is whole
    samples = folder / "samples.i16"
    samples.write_bytes(samples.read_bytes()[:-2])
    with pytest.raises(ConfigError, match="make the bank again"):
        WaveformBank(folder)
    with pytest.raises(ConfigError, match="not a waveform bank"):
        WaveformBank(tmp_path)


def test_a_bank_of_nothing_is_empty(clips, tmp_path):
    assert WaveformBank.build([clips[3], replace(clips[0], path=Path("gone.wav"))], tmp_path / "b") == [
        "silent",
        "plain",
    ]
    assert "plain" not in WaveformBank(tmp_path / "b")
