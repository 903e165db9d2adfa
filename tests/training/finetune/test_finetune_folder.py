"""Every way to label a folder is read, and what can't be used is told."""

import numpy as np
import pytest
import soundfile

from flam.annotations import write_events
from flam.core import AudioError, ConfigError, Event, RecordingEvents
from flam.training.finetune.folder import read_folder
from flam.training.finetune.split import split

EVENTS = {
    "dawn.wav": (Event(0.5, 1.0, "great_tit"), Event(2.0, 2.5, "wren")),
    "dusk.wav": (Event(1.0, 1.5, "great_tit"),),
    "noon.wav": (),
}


@pytest.fixture
def recordings(tmp_path):
    for name in EVENTS:
        soundfile.write(tmp_path / name, np.zeros(24_000), 8_000)
    return tmp_path


@pytest.mark.parametrize(
    ("format", "suffix"), [("audacity", ".txt"), ("raven", ".selections.txt"), ("dcase", ".tsv"), ("csv", ".csv")]
)
@pytest.mark.parametrize("one_table", [False, True])
def test_event_lists_of_every_format(recordings, format, suffix, one_table):
    listed = [RecordingEvents(name, None, events) for name, events in EVENTS.items()]
    if one_table and format in ("audacity", "raven"):
        pytest.skip("holds one recording")
    if one_table:
        write_events(listed, recordings / f"labels{suffix}", format)
    else:
        for each in listed:
            write_events([each], recordings / f"{each.recording.removesuffix('.wav')}{suffix}", format)
    found = read_folder(recordings)
    assert [recording.path.name for recording in found] == ["dawn.wav", "dusk.wav", "noon.wav"]
    assert found[0].events == {"great tit": ((0.5, 1.0),), "wren": ((2.0, 2.5),)}
    assert found[1].events == {"great tit": ((1.0, 1.5),)}
    assert found[2].labels == frozenset()


def test_sub_folders_are_labels_and_background_is_none(recordings):
    for label, name in (("great_tit", "dawn.wav"), ("wren/march", "dusk.wav"), ("background", "noon.wav")):
        (recordings / label).mkdir(parents=True)
        (recordings / name).rename(recordings / label / name)
    found = {recording.path.name: recording for recording in read_folder(recordings)}
    assert (found["dawn.wav"].label, found["dusk.wav"].label) == ("great tit", "wren")
    assert found["noon.wav"].labels == frozenset()


def test_list_beside_a_recording_is_its_own(recordings):
    for label in ("one", "two"):
        (recordings / label).mkdir()
        soundfile.write(recordings / label / "001.wav", np.zeros(8_000), 8_000)
        write_events(
            [RecordingEvents("001", None, (Event(0.0, 1.0, label),))], recordings / label / "001.txt", "audacity"
        )
    assert [list(recording.events) for recording in read_folder(recordings)] == [["one"], ["two"]]


def test_what_is_left_out_is_told(recordings):
    write_events([RecordingEvents("dawn.wav", None, EVENTS["dawn.wav"])], recordings / "dawn.txt", "audacity")
    (recordings / "dusk.txt").write_text("from\tto\n1\tx\twren\n")
    problems = []
    assert len(read_folder(recordings, problems.append)) == 1
    assert any("dusk.txt" in problem for problem in problems)
    assert any("2 recordings have no label" in problem for problem in problems)


def test_no_labels(recordings):
    with pytest.raises(ConfigError, match=r"nothing says what its 3 recordings hold.*sub-folder"):
        read_folder(recordings)
    (recordings / "labels.csv").write_text("file,class\ndawn.wav,wren\n")
    with pytest.raises(ConfigError, match="no column 'recording'"):
        read_folder(recordings)


def test_no_recordings(tmp_path):
    with pytest.raises(ConfigError, match="holds no recording"):
        read_folder(tmp_path)
    with pytest.raises((ConfigError, AudioError), match="is no folder"):
        read_folder(tmp_path / "nowhere")


def test_parts_of_one_sitting_stay_together(tmp_path):
    (tmp_path / "wren").mkdir()
    for sitting in "abcdef":
        for part in range(3):
            soundfile.write(tmp_path / "wren" / f"{sitting}_{part}.wav", np.zeros(800), 8_000)
    to_learn_from, held_out = split(read_folder(tmp_path), 0.25, seed=3)
    sittings = [{recording.path.name[0] for recording in part} for part in (to_learn_from, held_out)]
    assert not sittings[0] & sittings[1]
    assert len(held_out) == 6


def test_numbered_clips_of_one_name_are_no_sitting(tmp_path):
    (tmp_path / "wren").mkdir()
    for number in range(8):
        soundfile.write(tmp_path / "wren" / f"wren{number}.wav", np.zeros(800), 8_000)
    assert [len(part) for part in split(read_folder(tmp_path), 0.25, seed=0)] == [6, 2]


def test_no_label_loses_its_last_group(tmp_path):
    for label, count in (("wren", 1), ("owl", 4)):
        (tmp_path / label).mkdir()
        for number in range(count):
            soundfile.write(tmp_path / label / f"{number}.wav", np.zeros(800), 8_000)
    to_learn_from, held_out = split(read_folder(tmp_path), 0.25, seed=0)
    assert {recording.label for recording in to_learn_from} == {"wren", "owl"}
    assert [recording.label for recording in held_out] == ["owl"]
