"""Channels of live sound become one by the rule of recordings: none is lost, and what was chosen is told at once."""

import io
import json
import logging
import sys

import numpy as np
import pytest
import soundfile

from flam.audio.downmix import LEAST_SAMPLES, LiveMixer, mono_stream
from flam.audio.live import MicrophoneInput, NetworkInput, PcmInput
from flam.core import AudioError, ConfigError
from flam.detection import Detector
from flam.testing import LevelBackend

RATE = 16_000


def tone(seconds=1.0, hz=440.0):
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def pcm(*channels):
    return np.round(np.stack(channels, axis=1) * 32767).astype("<i2").tobytes()


def mixed(channels, n_block=1_600, **options):
    notes = []
    mixer = LiveMixer(RATE, on_note=notes.append, **options)
    whole = np.stack(channels, axis=1)
    blocks = [mixer.mix(whole[start : start + n_block]) for start in range(0, len(whole), n_block)]
    return np.concatenate(blocks), notes


def rms(waveform):
    return float(np.sqrt(np.mean(np.square(waveform))))


@pytest.mark.parametrize("n_block", [7, 320, 1_600, 20_000])
@pytest.mark.slow
def test_inverted_channels_are_heard_and_told_once(n_block):
    waveform, notes = mixed([tone(2.0), -tone(2.0)], n_block)
    settled = 0 if n_block >= LEAST_SAMPLES else LEAST_SAMPLES + 200
    np.testing.assert_allclose(waveform[settled:], tone(2.0)[settled:], atol=1e-6)
    assert len(notes) == 1
    assert notes[0].startswith("channels cancel in the mean from 0.0 s on")


@pytest.mark.parametrize("n_channels", [3, 4, 8])
def test_one_live_channel_of_many_keeps_its_level(n_channels):
    noise = 1e-4 * np.random.default_rng(0).standard_normal((n_channels, 2 * RATE)).astype(np.float32)
    noise[1] += tone(2.0)
    waveform, notes = mixed(list(noise))
    assert rms(waveform) == pytest.approx(0.212, rel=0.05)
    assert [f"the mean of {n_channels} channels is far weaker" in note for note in notes] == [True]


def test_channels_that_are_inverted_later_are_told_then():
    waveform, notes = mixed([tone(3.0), np.concatenate([tone(1.0), -tone(2.0)])])
    assert rms(waveform[-RATE:]) == pytest.approx(0.212, rel=0.01)
    assert len(notes) == 1
    assert rms(waveform[RATE : 2 * RATE]) > 0.7 * 0.212  # what is lost until half a second tells


def test_ordinary_stereo_is_the_plain_mean_as_in_recordings():
    channels = [tone(2.0), tone(2.0, 600.0)]
    waveform, notes = mixed(channels, 777)
    assert not notes
    np.testing.assert_array_equal(waveform, np.concatenate(list(mono_stream([np.stack(channels, axis=1)], RATE))))


def test_plain_mean_and_one_channel_can_be_chosen():
    channels = [tone(), -tone(), tone(1.0, 600.0)]
    np.testing.assert_allclose(mixed(channels, channel="mix")[0], np.mean(channels, axis=0), atol=1e-7)
    np.testing.assert_array_equal(mixed(channels, channel=3)[0], channels[2])
    with pytest.raises(AudioError, match=r"channel 4 is not there, the recording has 3; choose 1\.\.3"):
        mixed(channels, channel=4)


def test_pushed_channels_give_the_events_of_the_recording(caplog):
    detector = Detector(LevelBackend())
    loud = np.concatenate([0.01 * tone(2.0), tone(2.0), 0.01 * tone(2.0)])
    channels = np.stack([loud, -loud], axis=1)
    expected = detector.detect((channels, RATE), ["loud"], median_s=0.1)
    session = detector.session(["loud"], sample_rate=RATE, median_s=0.1)
    with caplog.at_level(logging.INFO, "flam"):
        pieces = [
            piece for start in range(0, len(channels), 500) for piece in session.push(channels[start : start + 500])
        ]
    events = [event for piece in [*pieces, *session.finish()] for event in piece.events]
    assert len(expected) == 1
    assert [(event.onset_s, event.offset_s) for event in events] == [(e.onset_s, e.offset_s) for e in expected]
    assert [record.getMessage() for record in caplog.records if "cancel" in record.getMessage()]


def test_standard_input_says_what_it_chose_with_its_name():
    notes = []
    opened = PcmInput(io.BytesIO(pcm(tone(), -tone())), RATE, n_channels=2, on_note=notes.append).open()
    np.testing.assert_allclose(np.concatenate(list(opened.blocks)), tone(), atol=1e-4)
    assert len(notes) == 1
    assert notes[0].startswith("standard input: channels cancel")
    with pytest.raises(ConfigError, match=r"has no channel 3; choose 1\.\.2"):
        PcmInput(io.BytesIO(), RATE, n_channels=2, channel=3)


def test_microphone_opens_the_channel_that_is_wanted(monkeypatch):
    options = {}

    class Sound:
        PortAudioError = OSError

        def query_devices(self, kind=None):
            device = {"name": "Array", "index": 0, "max_input_channels": 4, "default_samplerate": 16_000.0}
            return [device] if kind is None else device

        def InputStream(self, **given):
            options.update(given)

    monkeypatch.setitem(sys.modules, "sounddevice", Sound())
    monkeypatch.setattr("flam.audio.live.require_extra", lambda *arguments: None)
    notes = []
    for channel, expected in (("auto", 2), (4, 4)):
        MicrophoneInput("", channel, notes.append).open()
        assert options["channels"] == expected
    assert notes == ["default microphone: has 4 channels, of which the first 2 are heard; choose another"]
    with pytest.raises(AudioError, match=r"has no channel 5; choose 1\.\.4"):
        MicrophoneInput("", 5).open()


def two_tracks(path):
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("pcm_s16le", rate=RATE, layout="mono") for _ in range(2)]
        for stream, waveform in zip(streams, (0 * tone(), tone()), strict=True):
            frame = av.AudioFrame.from_ndarray((waveform[None] * 32767).astype(np.int16), format="s16", layout="mono")
            frame.sample_rate = RATE
            for each in (frame, None):
                for packet in stream.encode(each):
                    container.mux(packet)


def test_address_keeps_channels_and_tells_of_further_tracks(tmp_path):
    pytest.importorskip("av")
    soundfile.write(tmp_path / "a.wav", np.stack([tone(), -tone()], axis=1), RATE)
    notes = []
    opened = NetworkInput(str(tmp_path / "a.wav"), on_note=notes.append).open()
    np.testing.assert_allclose(np.concatenate(list(opened.blocks)), tone(), atol=1e-4)
    assert ["channels cancel" in note for note in notes] == [True]
    two_tracks(tmp_path / "a.mkv")
    notes.clear()
    first = np.concatenate(list(NetworkInput(str(tmp_path / "a.mkv"), on_note=notes.append).open().blocks))
    assert ["has 2 audio tracks, of which the first is heard" in note for note in notes] == [True]
    second = np.concatenate(list(NetworkInput(str(tmp_path / "a.mkv"), track=2).open().blocks))
    assert (rms(first), rms(second)) == pytest.approx((0.0, 0.212), abs=0.01)
    for options, message in (({"track": 3}, "no audio track 3"), ({"channel": 2}, "no channel 2")):
        with pytest.raises(AudioError, match=message):
            NetworkInput(str(tmp_path / "a.mkv"), **options).open()


def listened(run, monkeypatch, *options):
    quiet = 0.001 * tone(2.0)
    loud = np.concatenate([quiet, tone(2.0), quiet])
    content = pcm(loud, -loud, quiet.repeat(3)[: len(loud)])
    monkeypatch.setattr(sys, "stdin", type("Stdin", (), {"buffer": io.BytesIO(content)})())
    return run("listen", "-", "--rate", RATE, "--channels", 3, "-p", "loud", "--threshold", 0.5, *options)


def test_listen_hears_channels_that_cancel_and_says_so(run, stub, monkeypatch):
    told = listened(run, monkeypatch)
    kinds = [json.loads(line)["kind"] for line in told.out.splitlines()]
    assert (told.code, kinds) == (0, ["connected", "onset", "offset", "ended"])
    assert "note: standard input: channels cancel in the mean" in told.err


@pytest.mark.parametrize(("channel", "n_onsets"), [("1", 1), ("3", 0)])
def test_listen_takes_the_channel_that_is_chosen(run, stub, monkeypatch, channel, n_onsets):
    told = listened(run, monkeypatch, "--channel", channel, "-q")
    assert (told.code, told.err) == (0, "")
    assert told.out.count('"onset"') == n_onsets


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--channel", "4"), "has no channel 4; choose 1..3"),
        (("--channel", "left"), "--channel left is not auto, mix or the number of a channel"),
        (("--track", "2"), "only addresses and files have tracks"),
        (("--jobs", "2"), "--jobs"),
    ],
)
def test_listen_refuses_what_it_cannot_follow(run, stub, monkeypatch, options, message):
    refused = listened(run, monkeypatch, *options)
    assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1)
    assert message in refused.err
