"""Labelled recordings: any event list finds its recording, and events stay where they sound."""

import logging

import numpy as np
import pytest

from flam.annotations import write_events
from flam.audio import write_audio
from flam.core import AnnotationError, AudioError, ConfigError, Event, RecordingEvents
from flam.data.clip import Sound
from flam.data.recordings_source import RecordingsConfig, RecordingsSource

RATE = 8_000
EVENTS = {
    "a b.wav": (Event(1.0, 2.0, "Dog_bark"), Event(2.5, 3.0, "siren"), Event(3.5, 3.75, "Dog_bark")),
    "c.1.flac": (Event(0.5, 1.0, "siren"),),
    "quiet.wav": (),
}


@pytest.fixture
def audio(tmp_path):
    """Recordings of 4 s that are 0.5 where something sounds and 0 elsewhere."""
    folder = tmp_path / "audio"
    (folder / "deep").mkdir(parents=True)
    for name, events in EVENTS.items():
        waveform = np.zeros(4 * RATE, np.float32)
        for event in events:
            waveform[int(event.onset_s * RATE) : int(event.offset_s * RATE)] = 0.5
        write_audio(folder / "deep" / name, waveform, RATE)
    return folder


def opened(audio, events, clip_s=4.0, **options):
    return RecordingsSource(RecordingsConfig(audio, events, **options), int(clip_s * RATE), RATE, (0,))


def sounds(source):
    clips = [source.clip(ordinal, np.random.default_rng(0)) for ordinal in range(len(source))]
    return sorted((clip.sounds for clip in clips), key=len)


@pytest.mark.parametrize("format", ["csv", "json", "jsonl", "dcase"])
def test_one_list_for_all_recordings(audio, tmp_path, format):
    listed = [RecordingEvents(name, 4.0, events) for name, events in EVENTS.items()]
    write_events(listed, tmp_path / f"events.{format}", format)
    source = opened(audio, tmp_path / f"events.{format}", format=format, names={"Dog_bark": "a dog barks"})
    assert sounds(source) == [
        (),
        (Sound("siren", (), ((0.5, 1.0),)),),
        (Sound("a dog barks", (), ((1.0, 2.0), (3.5, 3.75))), Sound("siren", (), ((2.5, 3.0),))),
    ]


@pytest.mark.parametrize(("format", "suffix"), [("audacity", ".txt"), ("raven", ".selections.txt"), ("jams", ".jams")])
def test_a_list_beside_each_recording(audio, format, suffix):
    for name, events in EVENTS.items():
        path = audio / "deep" / f"{name.rpartition('.')[0]}{suffix}"
        write_events([RecordingEvents(path.name[: -len(suffix)], 4.0, events)], path, format)
    found = sounds(opened(audio, audio))
    assert [len(clip_sounds) for clip_sounds in found] == [0, 1, 2]
    assert found[1] == (Sound("siren", (), ((0.5, 1.0),)),)


def test_events_lie_where_they_sound_in_every_crop(audio, tmp_path):
    write_events([RecordingEvents("a b.wav", 4.0, EVENTS["a b.wav"])], tmp_path / "events.csv", "csv")
    source = opened(audio, tmp_path / "events.csv", clip_s=1.5)
    heard = set()
    for seed in range(20):
        clip = source.clip(0, np.random.default_rng(seed))
        expected = np.zeros(len(clip.waveform), np.float32)
        for sound in clip.sounds:
            heard.add(sound.label)
            for onset_s, offset_s in sound.spans_s:
                expected[round(onset_s * RATE) : round(offset_s * RATE)] = 0.5
        assert np.abs(clip.waveform - expected).max() < 1e-3
    assert heard == {"Dog_bark", "siren"}


def test_what_is_missing_is_left_out_and_counted(audio, tmp_path, caplog):
    (audio / "c.1.flac").write_bytes(b"a second one of that name")
    listed = [RecordingEvents(name, 4.0, events) for name, events in EVENTS.items()]
    lists = tmp_path / "lists"
    lists.mkdir()
    write_events([*listed, RecordingEvents("gone.wav", None, ())], lists / "events.csv", "csv")
    (lists / "README.md").write_text("About this corpus\n")
    with caplog.at_level(logging.WARNING):
        source = opened(audio, lists)
    assert len(source) == 2 + 1  # the file that the list's own path names is taken, though two have its name
    assert "1 labelled recordings" in caplog.text
    assert "gone.wav" in caplog.text
    assert "1 event lists" in caplog.text
    assert "README.md" in caplog.text
    with pytest.raises(AudioError, match=r"c\.1\.flac"):
        [source.clip(ordinal, np.random.default_rng(0)) for ordinal in range(3)]


def test_lists_that_fit_nothing_are_errors(audio, tmp_path):
    (tmp_path / "bad.csv").write_text("recording,onset_s\nx,1,2,3\n")
    with pytest.raises(AnnotationError):
        opened(audio, tmp_path / "bad.csv")
    write_events([RecordingEvents("gone.wav", None, ())], tmp_path / "events.csv", "csv")
    with pytest.raises(ConfigError, match="no recording"):
        opened(audio, tmp_path / "events.csv")
