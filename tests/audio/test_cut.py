"""Clips hold exactly the samples of their event and its padding, in every format, and are named by what they are."""

import numpy as np
import pytest
import soundfile

from flam.audio import cut_clips, open_recording
from flam.core import AudioError, ConfigError, Event, OutputError

RATE = 22_050


@pytest.fixture
def recording(tmp_path):
    """Eight seconds of stereo noise in 24 bits, and its samples."""
    waveform = np.random.default_rng(0).uniform(-0.9, 0.9, (8 * RATE, 2))
    path = tmp_path / "site_20240310_220000.flac"
    soundfile.write(path, waveform, RATE, subtype="PCM_24")
    return path, soundfile.read(path, dtype="float32")[0]


EVENTS = (
    Event(5.0, 6.5, "owl", 0.5, 0.75),
    Event(0.1, 0.4, "dog barking"),
    Event(5.5, 5.5, "click", 0.5, 0.9),
    Event(7.0, 8.0, "rain, far / away", 0.1, 0.25),
)


@pytest.mark.parametrize("format", ["flac", "wav"])
@pytest.mark.parametrize("padding_s", [0.0, 0.25])
def test_clips_hold_the_samples_of_the_recording(format, padding_s, recording, tmp_path):
    path, samples = recording
    clips = cut_clips(path, EVENTS, tmp_path / "clips" / "deep", padding_s, format)
    assert len(clips) == len(EVENTS)
    for event, clip in zip(EVENTS, clips, strict=True):
        start = max(int((event.onset_s - padding_s) * RATE + 0.5), 0)
        stop = max(int((event.offset_s + padding_s) * RATE + 0.5), start + 1)
        cut, rate = soundfile.read(clip, dtype="float32")
        assert rate == RATE
        assert np.array_equal(cut, samples[start:stop])
    assert sorted((tmp_path / "clips" / "deep").iterdir()) == sorted(clips)  # and no part is left


def test_names_say_where_when_and_what(recording, tmp_path):
    path, _ = recording
    names = [clip.name for clip in cut_clips(path, EVENTS, tmp_path / "clips")]
    assert names[0] == "site_20240310_220000_00005.00s_2024-03-10T22-00-05_owl_0.75.flac"
    assert names[1] == "site_20240310_220000_00000.10s_2024-03-10T22-00-00_dog-barking.flac"
    assert names[3] == "site_20240310_220000_00007.00s_2024-03-10T22-00-07_rain-far-away_0.25.flac"


def test_two_events_of_one_name_get_two_files(recording, tmp_path):
    path, _ = recording
    twice = [Event(1.0, 2.0, "Owl"), Event(1.0, 2.5, "owl"), Event(1.0, 2.0, "../owl")]
    names = {clip.name.casefold() for clip in cut_clips(path, twice, tmp_path / "clips")}
    assert len(names) == 3
    assert len(list((tmp_path / "clips").iterdir())) == 3


def test_mp3_is_cut_where_it_is_read(recording, tmp_path):
    _, samples = recording
    path = tmp_path / "a.mp3"
    soundfile.write(path, samples, RATE)
    with open_recording(path) as opened:
        whole = np.concatenate(list(opened.blocks()))
    [clip] = cut_clips(path, [Event(3.0, 4.0, "x")], tmp_path, 0.0, "wav")
    assert np.array_equal(soundfile.read(clip, dtype="float32")[0], whole[3 * RATE : 4 * RATE])


def test_nothing_to_cut_writes_nothing(recording, tmp_path):
    assert cut_clips(recording[0], [], tmp_path / "clips") == []
    assert list((tmp_path / "clips").iterdir()) == []


def test_what_can_not_be_cut_is_told_in_one_line(recording, tmp_path):
    with pytest.raises(AudioError, match="none"):
        cut_clips(tmp_path / "none.wav", EVENTS, tmp_path)
    with pytest.raises(ConfigError, match="mp3"):
        cut_clips(recording[0], EVENTS, tmp_path, format="mp3")
    with pytest.raises(ConfigError, match="padding_s -1"):
        cut_clips(recording[0], EVENTS, tmp_path, padding_s=-1)
    with pytest.raises(OutputError, match="folder can't be made"):
        cut_clips(recording[0], EVENTS, recording[0] / "clips")
    assert [path.name for path in tmp_path.iterdir()] == [recording[0].name]


@pytest.mark.parametrize("format", ["flac", "wav"])
def test_a_clip_of_which_only_a_part_reached_the_disk_is_no_clip(recording, tmp_path, monkeypatch, format):
    written = soundfile.SoundFile.write
    monkeypatch.setattr(soundfile.SoundFile, "write", lambda file, samples: written(file, samples[:-1]))
    with pytest.raises(OutputError, match="of 55125 samples reached the disk"):
        cut_clips(recording[0], EVENTS[:1], tmp_path / "clips", 0.5, format)
    assert not list((tmp_path / "clips").iterdir())
