"""Every format is read whole, in blocks and from the middle alike; what can't be read says why."""

import os
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from flam.audio import mono_blocks, open_recording, read_audio
from flam.core import AudioError

RATE = 48_000
FORMATS = [
    ("wav", "WAV", "PCM_U8", 2**-7),
    ("wav", "WAV", "PCM_16", 2**-15),
    ("wav", "WAV", "PCM_24", 2**-22),
    ("wav", "WAV", "FLOAT", 0.0),
    ("wav", "WAV", "DOUBLE", 0.0),
    ("flac", "FLAC", "PCM_16", 2**-15),
    ("aiff", "AIFF", "PCM_24", 2**-22),
    ("caf", "CAF", "PCM_16", 2**-15),
    ("w64", "W64", "PCM_16", 2**-15),
    ("ogg", "OGG", "VORBIS", 0.1),
    ("opus", "OGG", "OPUS", 0.1),
    ("mp3", "MP3", "MPEG_LAYER_III", 0.1),
]


def sweep(n_samples: int, n_channels: int = 1) -> np.ndarray:
    time_s = np.arange(n_samples)[:, None] / RATE
    return (0.4 * np.sin(2 * np.pi * (200 + 100 * np.arange(n_channels) + 800 * time_s) * time_s)).astype(np.float32)


def collect(blocks, n_channels: int) -> np.ndarray:
    return np.concatenate([np.zeros((0, n_channels), np.float32), *blocks])


@pytest.mark.parametrize(("suffix", "container", "subtype", "tolerance"), FORMATS)
def test_blocks_joined_are_the_whole_in_every_format(tmp_path, suffix, container, subtype, tolerance):
    path, written = tmp_path / f"a.{suffix}", sweep(30_000, 2)
    soundfile.write(path, written, RATE, format=container, subtype=subtype)
    with open_recording(path) as recording:
        assert (recording.sample_rate, recording.n_channels, recording.n_samples) == (RATE, 2, 30_000)
        assert recording.duration_s == 30_000 / RATE
        whole = collect(recording.blocks(block_samples=1 << 20), 2)
        pieces = list(recording.blocks(block_samples=7_001))
        from_middle = collect(recording.blocks(start_sample=12_345, block_samples=5_000), 2)
        assert not list(recording.blocks(start_sample=30_000))
    assert whole.dtype == np.float32
    assert [len(piece) for piece in pieces] == [7_001] * 4 + [1_996]
    np.testing.assert_array_equal(collect(pieces, 2), whole)
    np.testing.assert_array_equal(from_middle, whole[12_345:])
    np.testing.assert_allclose(whole, written, atol=tolerance)


def test_two_readings_of_one_recording_do_not_disturb_each_other(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, sweep(1000), RATE, subtype="FLOAT")
    with open_recording(path) as recording:
        pairs = list(zip(recording.blocks(block_samples=100), recording.blocks(500, block_samples=50), strict=True))
    np.testing.assert_array_equal(np.concatenate([first for first, _ in pairs]), sweep(1000))
    np.testing.assert_array_equal(np.concatenate([second for _, second in pairs]), sweep(1000)[500:])


def test_leaving_the_with_block_ends_unfinished_readings(tmp_path):
    soundfile.write(tmp_path / "a.wav", sweep(1000), RATE)
    with open_recording(tmp_path / "a.wav") as recording:
        reading = recording.blocks(block_samples=100)
        assert len(next(reading)) == 100
    assert not list(reading)


@pytest.mark.parametrize("n_channels", [1, 2, 12])
@pytest.mark.parametrize("n_samples", [0, 1, 999, 1000, 1001])
def test_mono_is_the_mean_of_the_channels(tmp_path, n_samples, n_channels):
    path, written = tmp_path / "a.wav", sweep(n_samples, n_channels)
    soundfile.write(path, written, RATE, subtype="FLOAT")
    mono = collect((block[:, None] for block in mono_blocks(path, RATE, block_samples=250, channel="mix")), 1)[:, 0]
    assert mono.shape == (n_samples,)
    np.testing.assert_allclose(mono, written.astype(np.float64).mean(axis=1), atol=1e-7)
    np.testing.assert_array_equal(read_audio(path, RATE, channel="mix"), mono)
    if n_channels <= 2:  # two unlike channels keep their sound in the mean
        np.testing.assert_array_equal(read_audio(path, RATE), mono)


def test_mono_at_its_own_rate_is_bit_exact(tmp_path):
    path, written = tmp_path / "a.wav", sweep(70_000)
    soundfile.write(path, written, RATE, subtype="FLOAT")
    np.testing.assert_array_equal(read_audio(path, RATE), written[:, 0])


@pytest.mark.parametrize("file_rate", [8_000, 44_100, 192_000])
def test_a_click_stays_where_it_is_at_any_rate(tmp_path, file_rate):
    path, written = tmp_path / "a.flac", np.zeros((file_rate, 2), np.float32)
    written[file_rate // 2] = 0.9
    soundfile.write(path, written, file_rate)
    waveform = read_audio(path, RATE)
    assert len(waveform) == RATE
    assert np.argmax(np.abs(waveform)) == RATE // 2


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_sample_that_is_no_number_is_named(tmp_path, value):
    written = sweep(9_000, 2)
    written[4_800, 1] = value
    soundfile.write(tmp_path / "a.wav", written, RATE, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"a\.wav: sample 4800 \(0\.100 s\) of channel 2 is -?(nan|inf); .*; export"):
        list(mono_blocks(tmp_path / "a.wav", RATE, block_samples=1_000))


def truncate(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "aiff", "au"])
def test_a_truncated_file_is_read_to_its_end_and_reported(tmp_path, suffix):
    path, problems = tmp_path / f"a.{suffix}", []
    noise = 0.1 * np.random.default_rng(0).standard_normal((90_000, 1))
    soundfile.write(path, noise, RATE)
    whole = read_audio(path, RATE)
    truncate(path, 0.5)
    waveform = read_audio(path, RATE, on_problem=problems.append)
    assert 0.4 * 90_000 < len(waveform) < 0.55 * 90_000
    n_sure = len(waveform) - 2_000  # the last frame of a lossy codec needs its successor
    np.testing.assert_array_equal(waveform[:n_sure], whole[:n_sure])
    assert len(problems) == 1
    assert f"ends at {len(waveform) / RATE:.3f} s of 1.875 s that its header promises" in problems[0]


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
@pytest.mark.parametrize("n_lost", [1, 100, 5_000])
def test_a_truncated_ogg_is_reported_though_it_promises_no_length(tmp_path, subtype, n_lost):
    path, problems = tmp_path / "a.ogg", []
    noise = 0.1 * np.random.default_rng(0).standard_normal(150_000)
    soundfile.write(path, noise, 48_000, subtype=subtype)
    whole = read_audio(path, 48_000, on_problem=problems.append)
    assert problems == []
    path.write_bytes(path.read_bytes()[:-n_lost])
    waveform = read_audio(path, 48_000, on_problem=problems.append)
    assert 0 < len(waveform) < len(whole)
    assert problems == [
        f"{path}: ends at {len(waveform) / 48_000:.3f} s without the mark that ends an Ogg stream, so more may have "
        "followed; copy or export it again"
    ]


def move_ogg_end(path: Path, n_samples: int) -> None:
    """Let the last page say that it ends later: bytes 6 to 13 count samples, 22 to 25 hold a checksum (RFC 3533)."""
    content = bytearray(path.read_bytes())
    start = content.rfind(b"OggS")
    end_sample = int.from_bytes(content[start + 6 : start + 14], "little")
    content[start + 6 : start + 14] = (end_sample + n_samples).to_bytes(8, "little")
    content[start + 22 : start + 26] = bytes(4)
    checksum = 0
    for byte in content[start:]:
        checksum ^= byte << 24
        for _ in range(8):
            checksum = (checksum << 1 ^ (0x04C1_1DB7 if checksum >> 31 else 0)) & 0xFFFF_FFFF
    content[start + 22 : start + 26] = checksum.to_bytes(4, "little")
    path.write_bytes(content)


@pytest.mark.parametrize(("n_missing", "n_problems"), [(488, 0), (20_000, 1)])
def test_an_ogg_may_round_its_end_but_not_lose_a_packet(tmp_path, n_missing, n_problems):
    path, problems = tmp_path / "a.ogg", []
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(100_000), 48_000)
    move_ogg_end(path, n_missing)
    assert soundfile.info(path).frames == 100_000 + n_missing
    assert len(read_audio(path, 48_000, on_problem=problems.append)) < 100_000 + n_missing
    assert len(problems) == n_problems


def test_a_truncated_file_is_logged_when_nobody_asked_to_be_told(tmp_path, caplog):
    soundfile.write(tmp_path / "a.wav", sweep(9_000), RATE)
    truncate(tmp_path / "a.wav", 0.5)
    read_audio(tmp_path / "a.wav", RATE)
    assert "that its header promises" in caplog.text


def test_a_sound_file_reports_no_problem(tmp_path, caplog):
    for suffix in ("wav", "flac", "ogg", "mp3"):
        soundfile.write(tmp_path / f"a.{suffix}", sweep(9_000), RATE)
        read_audio(tmp_path / f"a.{suffix}", RATE)
    assert not caplog.records


def test_a_header_that_promises_samples_and_holds_none_is_an_error(tmp_path):
    soundfile.write(tmp_path / "a.wav", sweep(9_000), RATE)
    (tmp_path / "a.wav").write_bytes((tmp_path / "a.wav").read_bytes()[:44])
    with pytest.raises(AudioError, match="holds none of the samples"):
        read_audio(tmp_path / "a.wav", RATE)


def test_a_wav_written_into_a_pipe_is_whole(tmp_path):
    soundfile.write(tmp_path / "a.wav", sweep(9_000), RATE)
    content, problems = bytearray((tmp_path / "a.wav").read_bytes()), []
    content[4:8] = content[40:44] = b"\xff\xff\xff\xff"
    (tmp_path / "a.wav").write_bytes(content)
    assert len(read_audio(tmp_path / "a.wav", RATE, on_problem=problems.append)) == 9_000
    assert not problems


def test_a_flac_of_unknown_length_is_whole_from_any_position(tmp_path):
    soundfile.write(tmp_path / "a.flac", sweep(150_000), RATE)
    whole, problems = read_audio(tmp_path / "a.flac", RATE), []
    content = bytearray((tmp_path / "a.flac").read_bytes())
    packed = struct.unpack(">Q", content[18:26])[0]
    content[18:26] = struct.pack(">Q", packed >> 36 << 36)  # the lower 36 bits count the samples; 0 is "unknown"
    (tmp_path / "a.flac").write_bytes(content)
    with open_recording(tmp_path / "a.flac", problems.append) as recording:
        assert recording.n_samples is None
        assert recording.duration_s is None
        for start in (0, 100_001, 149_999, 150_000):
            np.testing.assert_array_equal(collect(recording.blocks(start), 1)[:, 0], whole[start:])
    assert not problems


def test_what_is_no_recording_says_why(tmp_path):
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("this is a shopping list\n" * 50)
    (tmp_path / "samples.raw").write_bytes(bytes(1000))
    for name, rule in [
        ("", "is a folder"),
        ("none.wav", "no such file"),
        ("empty.wav", "is empty, 0 bytes"),
        ("text.wav", "finds (no )?audio in it"),
        ("samples.raw", "without a header"),
        ("a\0b.wav", "can't be opened"),
        ("x" * 300 + ".wav", "can't be opened"),
    ]:
        with pytest.raises(AudioError, match=rule) as caught:
            open_recording(tmp_path / name)
        assert "\n" not in str(caught.value)
        assert "; " in str(caught.value), "a remedy follows the rule"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_says_so(tmp_path):
    soundfile.write(tmp_path / "a.wav", sweep(10), RATE)
    (tmp_path / "a.wav").chmod(0)
    with pytest.raises(AudioError, match="permissions"):
        open_recording(tmp_path / "a.wav")


def test_an_absurd_sample_rate_is_refused(tmp_path):
    soundfile.write(tmp_path / "a.wav", sweep(10), 1)
    with pytest.raises(AudioError, match="sample rate 1 Hz is not within"):
        open_recording(tmp_path / "a.wav")


@pytest.mark.parametrize(("start_sample", "block_samples"), [(-1, 10), (0, 0)])
def test_impossible_positions_are_refused(tmp_path, start_sample, block_samples):
    soundfile.write(tmp_path / "a.wav", sweep(10), RATE)
    with open_recording(tmp_path / "a.wav") as recording, pytest.raises(AudioError, match="must be at least"):
        next(recording.blocks(start_sample, block_samples))
