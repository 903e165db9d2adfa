"""Containers read through FFmpeg: times are right whatever the encoder's delay, and damage stays where it is."""

import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile

from flam.audio import open_recording, read_audio
from flam.core import AudioError

RATE = 48_000
CLICKS = (12_000, 60_345)


def clicks(n_samples: int = 96_000, n_channels: int = 1) -> np.ndarray:
    waveform = np.zeros((n_samples, n_channels), np.float32)
    for position in CLICKS:
        waveform[position : position + 48] = 0.8
    return waveform


def encode(path: Path, codec: str, waveform: np.ndarray, first_pts: int = 0, with_video: bool = False) -> None:
    av = pytest.importorskip("av")
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[waveform.shape[1]]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE, layout=layout)
        if with_video:
            video = container.add_stream("mpeg4", rate=10)
            video.width = video.height = 64
            for index in range(20):
                frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
                frame.pts, frame.time_base = index, Fraction(1, 10)
                container.mux(video.encode(frame))
            container.mux(video.encode(None))
        for start in range(0, len(waveform), 1024):
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(waveform[start : start + 1024].T), format="fltp", layout=layout
            )
            frame.sample_rate, frame.pts, frame.time_base = RATE, first_pts + start, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def click_onset(waveform: np.ndarray, near: int) -> int:
    """First sample above half of the click's height within 50 ms of where it should be."""
    around = np.abs(waveform[near - 2400 : near + 2400])
    return near - 2400 + int(np.argmax(around > 0.4))


@pytest.mark.parametrize("name", ["a.m4a", "a.mp4", "a.mov", "a.mkv"])
def test_the_encoder_delay_of_aac_does_not_shift_times(tmp_path, name):
    encode(tmp_path / name, "aac", clicks())
    waveform = read_audio(tmp_path / name, RATE)
    assert 96_000 <= len(waveform) <= 96_000 + 1024
    for position in CLICKS:
        assert abs(click_onset(waveform, position) - position) <= 24, "within half a millisecond"


def test_opus_in_webm_keeps_times(tmp_path):
    encode(tmp_path / "a.webm", "libopus", clicks())
    waveform = read_audio(tmp_path / "a.webm", RATE)
    for position in CLICKS:
        assert abs(click_onset(waveform, position) - position) <= 24


def test_sound_that_starts_after_the_picture_keeps_its_place(tmp_path):
    encode(tmp_path / "a.mp4", "aac", clicks(), first_pts=24_000, with_video=True)
    waveform = read_audio(tmp_path / "a.mp4", RATE)
    assert np.abs(waveform[: 24_000 - 1024]).max() < 1e-3
    for position in CLICKS:
        assert abs(click_onset(waveform, position + 24_000) - position - 24_000) <= 48
    with open_recording(tmp_path / "a.mp4") as recording:
        for start in (1, 15_000, 23_000, 30_000, 70_000):
            samples = np.concatenate(list(recording.blocks(start)))[:, 0]
            np.testing.assert_allclose(samples, waveform[start:], atol=1e-6)


@pytest.mark.parametrize(("name", "codec"), [("a.m4a", "aac"), ("a.m4a", "alac"), ("a.mkv", "aac")])
def test_blocks_joined_and_from_the_middle_equal_the_whole(tmp_path, name, codec):
    # tones, since AAC replaces noise by noise of its decoder's own drawing
    phase = 2 * np.pi * np.arange(96_000)[:, None] / RATE * np.array([440, 1000])
    encode(tmp_path / name, codec, (0.3 * np.sin(phase) * np.linspace(0, 1, 96_000)[:, None]).astype(np.float32))
    with open_recording(tmp_path / name) as recording:
        assert (recording.sample_rate, recording.n_channels, recording.n_samples) == (RATE, 2, None)
        assert recording.duration_s == pytest.approx(2.0, abs=0.03)
        whole = np.concatenate(list(recording.blocks(block_samples=1 << 20)))
        pieces = list(recording.blocks(block_samples=10_007))
        assert {len(piece) for piece in pieces[:-1]} == {10_007}
        np.testing.assert_array_equal(np.concatenate(pieces), whole)
        for start in (1, 5_000, 50_000, len(whole) - 1):
            np.testing.assert_allclose(np.concatenate(list(recording.blocks(start))), whole[start:], atol=1e-6)
        assert not list(recording.blocks(len(whole)))


@pytest.mark.parametrize("codec", ["pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_f32le", "alac"])
def test_uncompressed_samples_come_back_as_they_were(tmp_path, codec):
    ramp = np.linspace(-0.9, 0.9, 9_600, dtype=np.float32)[:, None]
    encode(tmp_path / "a.mov", codec, np.repeat(ramp, 2, axis=1))
    with open_recording(tmp_path / "a.mov") as recording:
        samples = np.concatenate(list(recording.blocks()))
    np.testing.assert_allclose(samples, np.repeat(ramp, 2, axis=1), atol=2**-7 if codec == "pcm_u8" else 2**-15)


def test_six_channels_are_averaged(tmp_path):
    waveform = np.zeros((9_600, 6), np.float32)
    waveform[:, 0] = 0.6
    encode(tmp_path / "a.mov", "pcm_f32le", waveform)
    np.testing.assert_allclose(read_audio(tmp_path / "a.mov", RATE), 0.1, atol=1e-6)


def test_a_truncated_container_is_read_to_its_end_and_reported(tmp_path):
    noise = 0.1 * np.random.default_rng(0).standard_normal((96_000, 1)).astype(np.float32)
    encode(tmp_path / "a.mkv", "pcm_s16le", noise)
    content, problems = (tmp_path / "a.mkv").read_bytes(), []
    (tmp_path / "a.mkv").write_bytes(content[: len(content) // 2])
    waveform = read_audio(tmp_path / "a.mkv", RATE, on_problem=problems.append)
    assert 40_000 < len(waveform) < 50_000
    np.testing.assert_allclose(waveform, noise[: len(waveform), 0], atol=2**-15)
    assert any("that its header promises" in problem for problem in problems)


@pytest.mark.parametrize("n_damaged_bytes", [100, 300])
def test_a_damaged_stretch_leaves_later_times_right(tmp_path, n_damaged_bytes):
    encode(tmp_path / "a.m4a", "aac", clicks() + 0.1 * np.sin(np.arange(96_000) / 10)[:, None].astype(np.float32))
    content, problems = bytearray((tmp_path / "a.m4a").read_bytes()), []
    start = content.find(b"mdat") + 4 + len(content) // 4
    content[start : start + n_damaged_bytes] = b"\xff" * n_damaged_bytes
    (tmp_path / "a.m4a").write_bytes(content)
    waveform = read_audio(tmp_path / "a.m4a", RATE, on_problem=problems.append)
    assert abs(click_onset(waveform, CLICKS[1]) - CLICKS[1]) <= 48
    assert any("damaged" in problem for problem in problems)


def test_an_mp3_without_a_length_header_is_read_to_its_end(tmp_path):
    mp3_with_tail(tmp_path / "a.mp3")
    problems = []
    with open_recording(tmp_path / "a.mp3", problems.append) as recording:
        n_samples = sum(len(block) for block in recording.blocks())
        assert recording.n_samples == n_samples
    assert n_samples == pytest.approx(2 * 5 * RATE, abs=4 * 1152)
    assert not problems


def test_the_length_header_of_an_mp3_is_found_behind_a_tag(tmp_path):
    soundfile.write(tmp_path / "a.mp3", np.zeros(RATE), RATE, bitrate_mode="VARIABLE")
    tag = b"ID3\x04\0\0" + bytes([0, 0, 20_000 >> 7, 20_000 & 127]) + bytes(20_000)
    (tmp_path / "a.mp3").write_bytes(tag + (tmp_path / "a.mp3").read_bytes())
    with open_recording(tmp_path / "a.mp3") as recording:
        assert recording.n_samples == sum(len(block) for block in recording.blocks()) == RATE


def test_an_mp3_without_a_length_header_needs_no_pyav(tmp_path, monkeypatch):
    mp3_with_tail(tmp_path / "a.mp3")
    problems = []
    monkeypatch.setitem(sys.modules, "av", None)
    waveform = read_audio(tmp_path / "a.mp3", RATE, on_problem=problems.append)
    assert len(waveform) == pytest.approx(2 * 5 * RATE, abs=4 * 1152)
    assert not problems


def mp3_with_tail(path: Path) -> None:
    """A loud bit rate, then a low one, and no header: the length that the first frames suggest is too short."""
    noise = 0.1 * np.random.default_rng(0).standard_normal(5 * RATE)
    content = b""
    for compression in (0.0, 0.99):
        soundfile.write(path, noise, RATE, bitrate_mode="CONSTANT", compression_level=compression)
        part = path.read_bytes()
        header = max(part[:2000].find(b"Info"), part[:2000].find(b"Xing"))
        content += part if header < 0 else part[part.find(part[:2], header) :]
    path.write_bytes(content)


def test_a_picture_without_sound_says_so(tmp_path):
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        video = container.add_stream("mpeg4", rate=10)
        video.width = video.height = 64
        container.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")))
        container.mux(video.encode(None))
    with pytest.raises(AudioError, match="no audio stream"):
        open_recording(tmp_path / "a.mp4")


def test_a_playlist_reaches_nothing(tmp_path):
    pytest.importorskip("av")
    (tmp_path / "a.m4a").write_text("#EXTM3U\n#EXTINF:10,\nhttp://localhost:9/secret.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(AudioError):
        read_audio(tmp_path / "a.m4a", RATE)


def test_without_pyav_the_remedy_is_named(tmp_path, monkeypatch):
    (tmp_path / "a.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(100))
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(AudioError, match=r'pip install "flam-audio\[media\]"'):
        open_recording(tmp_path / "a.m4a")


def test_plain_formats_need_no_pyav(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    soundfile.write(tmp_path / "a.wav", np.zeros(10), RATE)
    assert len(read_audio(tmp_path / "a.wav", RATE)) == 10
