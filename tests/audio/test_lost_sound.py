"""All sound of a recording is heard, or what is not heard is told: joined files, headers, tracks, channels."""

import io
import os
import struct
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from flam.audio import open_recording, read_audio
from flam.core import AudioError

RATE = 16_000


def tone(seconds=1.0, hz=440.0, rate=RATE):
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def encoded(waveform, format, rate=RATE, **options):
    buffer = io.BytesIO()
    soundfile.write(buffer, waveform, rate, format=format, **options)
    return buffer.getvalue()


def heard(path, **options):
    told = [], []
    waveform = read_audio(path, RATE, on_problem=told[0].append, on_note=told[1].append, **options)
    return waveform, *told


def rms(waveform):
    return float(np.sqrt(np.mean(np.square(waveform)))) if len(waveform) else 0.0


JOINED = [
    ("a.ogg", "OGG", {"subtype": "VORBIS"}),
    ("a.opus", "OGG", {"subtype": "OPUS"}),
    ("a.mp3", "MP3", {}),
    ("a.flac", "FLAC", {}),
    ("a.wav", "WAV", {}),
]


@pytest.mark.parametrize(("name", "format", "options"), JOINED)
@pytest.mark.parametrize("change", ["none", "same bytes", "rate", "stereo"])
def test_recordings_in_a_row_are_heard_to_the_last(tmp_path, name, format, options, change):
    rate = 48_000 if change == "rate" else RATE
    second = tone(1.5, 900.0, rate)
    if change == "stereo":
        second = np.stack([second, second], axis=1)
    parts = [encoded(tone(), format, **options), encoded(second, format, rate, **options)]
    if change == "same bytes":
        parts, second = [parts[0], parts[0]], tone()
    (tmp_path / name).write_bytes(b"".join(parts))
    waveform, problems, notes = heard(tmp_path / name)
    assert len(waveform) == pytest.approx(RATE * (1.0 + len(second) / rate), abs=1200)
    assert rms(waveform[RATE // 4 : RATE // 2]) == pytest.approx(0.212, rel=0.1)
    assert rms(waveform[round(1.4 * RATE) : round(1.7 * RATE)]) == pytest.approx(0.212, rel=0.1)
    assert not problems
    assert ["holds 2 recordings in a row" in note for note in notes] == [True]
    with open_recording(tmp_path / name) as recording:
        assert recording.n_samples == sum(len(block) for block in recording.blocks())
        rest = np.concatenate(list(recording.blocks(start_sample=20_000, block_samples=777)))
        whole = np.concatenate(list(recording.blocks()))
    np.testing.assert_allclose(rest, whole[20_000:], atol=1e-6)


def test_a_recording_in_a_row_that_is_damaged_is_told(tmp_path):
    whole = encoded(tone(), "FLAC")
    (tmp_path / "a.flac").write_bytes(whole + whole[:60])
    waveform, problems, _ = heard(tmp_path / "a.flac")
    assert len(waveform) >= RATE
    assert problems
    assert all("a.flac" in problem for problem in problems)


def patched(content, *changes):
    content = bytearray(content)
    for at, value in changes:
        content[at : at + len(value)] = value
    return bytes(content)


def unfinished():
    pcm = encoded(tone(), "WAV", subtype="PCM_16")
    for size in (0, 0xFFFF_FFFF, 0x7FFF_FFFF, 1000):
        yield f"riff-{size}.wav", patched(pcm, (4, struct.pack("<I", 36)), (40, struct.pack("<I", size)))
    yield "float.wav", patched(encoded(tone(), "WAV", subtype="FLOAT"), (76, bytes(4)))
    rf64 = encoded(tone(), "RF64", subtype="PCM_16")
    for size in (bytes(8), b"\xff" * 8):
        yield f"rf64-{size[0]}.wav", patched(rf64, (28, size))
    w64 = encoded(tone(), "W64", subtype="PCM_16")
    at = w64.index(b"data\xf3") + 16
    for size in (bytes(8), struct.pack("<q", 24), b"\xff" * 8):
        yield f"w64-{size[0]}.w64", patched(w64, (16, bytes(8)), (at, size))
    aiff = encoded(tone(), "AIFF", subtype="PCM_16")
    at = aiff.index(b"SSND") + 4
    for size in (bytes(4), struct.pack(">I", 8), b"\xff" * 4):
        yield f"aiff-{size[-1]}.aiff", patched(aiff, (4, bytes(4)), (22, bytes(4)), (at, size))
    caf = encoded(tone(), "CAF", subtype="PCM_16")
    at = caf.index(b"data") + 4
    for size in (bytes(8), b"\xff" * 8):
        yield f"caf-{size[0]}.caf", patched(caf, (at, size))
    yield "au-0.au", patched(encoded(tone(), "AU", subtype="PCM_16"), (8, bytes(4)))


@pytest.mark.parametrize(("name", "content"), list(unfinished()), ids=[name for name, _ in unfinished()])
def test_a_header_that_was_never_finished_loses_no_sample(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    waveform, problems, _ = heard(tmp_path / name)
    np.testing.assert_allclose(waveform[: 2 * RATE], tone(), atol=2e-4)
    assert not problems


def test_a_caf_that_was_cut_off_is_read_and_told(tmp_path):
    whole = encoded(tone(2.0), "CAF", subtype="PCM_24")
    (tmp_path / "a.caf").write_bytes(whole[: len(whole) // 2])
    waveform, problems, notes = heard(tmp_path / "a.caf")
    np.testing.assert_allclose(waveform, tone(2.0)[: len(waveform)], atol=1e-4)
    assert len(waveform) == pytest.approx(RATE, abs=2_000)
    assert not notes
    assert ["a.caf: was cut off" in problem for problem in problems] == [True]


@pytest.mark.parametrize(("factor", "is_told"), [(1.0, False), (100.0, False), (32768.0, True)])
def test_integers_that_were_not_divided_are_told(tmp_path, factor, is_told):
    soundfile.write(tmp_path / "a.wav", factor * tone(), RATE, subtype="FLOAT")
    waveform, problems, _ = heard(tmp_path / "a.wav")
    assert rms(waveform) == pytest.approx(0.212 * factor, rel=0.01)
    assert ["its samples reach 9830 where full scale is 1.0" in problem for problem in problems] == [True] * is_told


@pytest.mark.parametrize("tail", [b"LIST" + struct.pack("<I", 4) + b"INFO", bytes(9000), b"TAG" + bytes(125), b"\0"])
def test_what_is_no_sound_behind_the_samples_stays_unheard(tmp_path, tail):
    (tmp_path / "a.wav").write_bytes(encoded(tone(), "WAV", subtype="PCM_16") + tail)
    assert len(heard(tmp_path / "a.wav")[0]) == RATE


def test_a_wav_that_really_holds_nothing_stays_empty(tmp_path):
    (tmp_path / "a.wav").write_bytes(encoded(np.zeros(0), "WAV", subtype="PCM_16"))
    assert len(heard(tmp_path / "a.wav")[0]) == 0


def test_a_length_beyond_32_bits_is_found(tmp_path):
    path, n_bytes = tmp_path / "long.wav", (1 << 32) + 20_000
    header = patched(encoded(tone(), "WAV", subtype="PCM_16")[:44], (40, struct.pack("<I", n_bytes & 0xFFFF_FFFF)))
    with open(path, "wb") as file:  # sparse: no room on the disk is taken
        file.write(header)
        file.seek(44 + n_bytes - 2 * RATE)
        file.write((tone() * 32767).astype("<i2").tobytes())
    with open_recording(path) as recording:
        assert recording.n_samples == n_bytes // 2
        end = np.concatenate(list(recording.blocks(n_bytes // 2 - RATE)))
    np.testing.assert_allclose(end[:, 0], tone(), atol=1e-4)


def test_a_recording_that_grows_while_it_is_read_is_told(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(encoded(tone(), "WAV", subtype="PCM_16"))
    problems = []
    with open_recording(path, problems.append) as recording:
        for _ in recording.blocks():
            with open(path, "ab") as file:
                file.write(bytes(32_000))
    assert len(problems) == 1
    assert "grew from 32044 to 64044 bytes" in problems[0]
    assert "50% of it was not heard" in problems[0]


@pytest.mark.parametrize(
    ("format", "subtype"), [("WAV", "GSM610"), ("WAV", "G721_32"), ("AU", "G723_24"), ("AIFF", "DWVW_16")]
)
def test_formats_without_seeking_are_read_from_any_position(tmp_path, format, subtype):
    path = tmp_path / "a.audio"
    path.write_bytes(encoded(tone(), format, subtype=subtype))
    with open_recording(path) as recording:
        whole = np.concatenate(list(recording.blocks()))
        assert len(whole) >= RATE
        rest = np.concatenate(list(recording.blocks(start_sample=5_000, block_samples=1_000)))
    np.testing.assert_array_equal(rest, whole[5_000:])


@pytest.mark.parametrize("place", ["first frame", "middle"])
def test_a_damaged_flac_is_heard_around_the_damage(tmp_path, place):
    pytest.importorskip("av")
    noise = (0.1 * np.random.default_rng(0).standard_normal(5 * RATE)).astype(np.float32)
    content = bytearray(encoded(noise, "FLAC"))
    start = 100 if place == "first frame" else len(content) // 2
    content[start : start + 60] = b"\x55" * 60
    (tmp_path / "a.flac").write_bytes(content)
    waveform, problems, _ = heard(tmp_path / "a.flac")
    np.testing.assert_allclose(waveform[-2 * RATE :], noise[-2 * RATE :], atol=1e-4)
    assert len(waveform) == 5 * RATE
    assert problems
    assert all("a.flac" in problem and "bug" not in problem for problem in problems)


CHATTER = """
import sys
from flam.audio import read_audio
problems = []
read_audio(sys.argv[1], 16000, on_problem=problems.append)
print(len(problems), *problems)
"""


@pytest.mark.parametrize("damage", ["cut", "zeros", "noise"])
def test_the_mp3_decoder_prints_nothing_itself(tmp_path, damage):
    content = bytearray(encoded(0.1 * np.random.default_rng(0).standard_normal(3 * RATE), "MP3"))
    middle = len(content) // 2
    if damage == "cut":
        del content[middle:]
    else:
        content[middle : middle + 900] = bytes(900) if damage == "zeros" else os.urandom(900)
    (tmp_path / "a.mp3").write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-c", CHATTER, tmp_path / "a.mp3"], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert int(done.stdout.split()[0]) > 0
    assert "a.mp3: " in done.stdout


def two_tracks(path, first, second, second_rate=RATE):
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("pcm_s16le", rate=rate, layout="mono") for rate in (RATE, second_rate)]
        for stream, waveform, rate in zip(streams, (first, second), (RATE, second_rate), strict=True):
            frame = av.AudioFrame.from_ndarray((waveform[None] * 32767).astype(np.int16), format="s16", layout="mono")
            frame.sample_rate = rate
            for each in (frame, None):
                for packet in stream.encode(each):
                    container.mux(packet)


@pytest.mark.parametrize("second_rate", [RATE, 48_000])
def test_all_audio_tracks_are_heard(tmp_path, second_rate):
    two_tracks(tmp_path / "a.mkv", np.zeros(RATE, np.float32), tone(2.0, rate=second_rate), second_rate)
    waveform, problems, notes = heard(tmp_path / "a.mkv")
    assert len(waveform) == pytest.approx(2 * RATE, abs=10)
    assert rms(waveform) > 0.1
    assert not problems
    assert any("has 2 audio tracks" in note for note in notes)


def test_one_audio_track_can_be_chosen(tmp_path):
    two_tracks(tmp_path / "a.mkv", np.zeros(RATE, np.float32), tone())
    for track, level in ((1, 0.0), (2, 0.212)):
        with open_recording(tmp_path / "a.mkv", track=track) as recording:
            assert recording.n_channels == 1
            assert rms(np.concatenate(list(recording.blocks()))) == pytest.approx(level, abs=0.01)
    with pytest.raises(AudioError, match=r"has no audio track 3; choose 1\.\.2"):
        open_recording(tmp_path / "a.mkv", track=3)


def mixed(tmp_path, channels, **options):
    soundfile.write(tmp_path / "a.wav", np.stack(channels, axis=1), RATE, subtype="FLOAT")
    return heard(tmp_path / "a.wav", **options)


def test_inverted_channels_are_heard_and_told(tmp_path):
    waveform, problems, notes = mixed(tmp_path, [tone(3.0), -tone(3.0)])
    np.testing.assert_allclose(waveform, tone(3.0), atol=1e-6)
    assert not problems
    assert len(notes) == 1
    assert "a.wav: channels cancel in the mean from 0.0 s on" in notes[0]


def test_channels_inverted_from_a_time_on_and_of_unlike_level_are_heard(tmp_path):
    second = np.concatenate([tone(1.0), -0.8 * tone(2.0)])
    waveform, _, notes = mixed(tmp_path, [np.concatenate([tone(1.0), tone(2.0)]), second])
    assert rms(waveform[: RATE // 2]) == pytest.approx(0.212, rel=0.05)
    assert rms(waveform[-RATE:]) > 0.8 * 0.212
    assert "from 1.0 s on" in notes[0]


@pytest.mark.parametrize("n_channels", [3, 4, 8])
def test_one_live_channel_of_many_keeps_its_level(tmp_path, n_channels):
    noise = 1e-4 * np.random.default_rng(0).standard_normal((n_channels, 2 * RATE)).astype(np.float32)
    noise[1] += tone(2.0)
    waveform, _, notes = mixed(tmp_path, list(noise))
    assert rms(waveform) == pytest.approx(0.212, rel=0.05)
    assert f"the mean of {n_channels} channels is far weaker" in notes[0]


def test_a_channel_of_hum_does_not_hide_the_other(tmp_path):
    waveform, _, _ = mixed(tmp_path, [0.5 * tone(2.0, 50.0) / 0.3, tone(2.0, 1000.0)])
    assert np.abs(np.fft.rfft(waveform))[2000] / len(waveform) * 2 == pytest.approx(0.15, rel=0.05)


def test_ordinary_stereo_is_the_plain_mean_for_any_block_length(tmp_path):
    rng = np.random.default_rng(0)
    channels = [tone(2.0), tone(2.0, 600.0) + 0.05 * rng.standard_normal(2 * RATE).astype(np.float32)]
    plain, _, notes = mixed(tmp_path, channels)
    assert not notes
    np.testing.assert_array_equal(plain, mixed(tmp_path, channels, channel="mix")[0])


def test_the_mix_does_not_depend_on_the_blocks(tmp_path):
    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "a.wav", rng.standard_normal((3 * RATE, 5)) * [0.2, 0.01, 0.1, -0.1, 0], RATE)
    with open_recording(tmp_path / "a.wav") as recording:
        whole = np.concatenate(list(recording.mono_blocks(RATE, 1 << 20)))
        pieces = np.concatenate(list(recording.mono_blocks(RATE, 999)))
    np.testing.assert_array_equal(whole, pieces)


def test_a_channel_can_be_chosen(tmp_path):
    channels = [tone(1.0), tone(1.0, 600.0)]
    np.testing.assert_allclose(mixed(tmp_path, channels, channel=2)[0], channels[1], atol=1e-6)
    with pytest.raises(AudioError, match=r"has no channel 3; choose 1\.\.2"):
        mixed(tmp_path, channels, channel=3)


@pytest.mark.parametrize("kind", ["bytes", "BytesIO", "file", "offset", "pipe"])
def test_recordings_in_memory_and_open_files_are_read(tmp_path, kind):
    content = encoded(tone(), "FLAC")
    (tmp_path / "a.flac").write_bytes(b"x" * 7 + content if kind == "offset" else content)
    if kind == "bytes":
        waveform = heard(content)[0]
    elif kind == "BytesIO":
        waveform = heard(io.BytesIO(content))[0]
    elif kind == "pipe":
        read_end, write_end = os.pipe()
        os.write(write_end, content)  # a pipe holds 64 KiB
        os.close(write_end)
        with open(read_end, "rb") as file:
            waveform = heard(file)[0]
    else:
        with open(tmp_path / "a.flac", "rb") as file:
            file.read(7 if kind == "offset" else 0)
            waveform = heard(file)[0]
    np.testing.assert_allclose(waveform, tone(), atol=1e-4)


def test_a_video_in_memory_is_read(tmp_path):
    two_tracks(tmp_path / "a.mkv", tone(), tone())
    waveform = heard(io.BytesIO((tmp_path / "a.mkv").read_bytes()))[0]
    assert len(waveform) == RATE


def test_what_is_no_binary_file_says_so(tmp_path):
    (tmp_path / "a.wav").write_text("RIFF")
    with open(tmp_path / "a.wav") as file, pytest.raises(AudioError, match="is open for text; open it with mode 'rb'"):
        open_recording(file)
    with pytest.raises(AudioError, match="must be a path, bytes or a binary file object"):
        open_recording(3)
    with pytest.raises(AudioError, match="is empty, 0 bytes"):
        open_recording(b"")
