"""Every way to label a folder is read, and what can't be used is told."""

import os

import numpy as np
import pytest
import soundfile

from flam.annotations import write_events
from flam.core import AudioError, ConfigError, Event, RecordingEvents
from flam.training.finetune.folder import read_folder, split

pytestmark = pytest.mark.usefixtures("exported")

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


def test_folders_that_part_the_data_are_no_labels(tmp_path):
    for name in ("train/owl/a.wav", "train/wren/b.wav", "Test/owl/c.wav", "fold_2/background/d.wav", "seal/pups/e.wav"):
        (tmp_path / name).parent.mkdir(parents=True)
        soundfile.write(tmp_path / name, np.zeros(8_000), 8_000)
    notes = []
    found = {recording.path.name: recording.label for recording in read_folder(tmp_path, on_note=notes.append)}
    assert found == {"a.wav": "owl", "b.wav": "wren", "c.wav": "owl", "d.wav": None, "e.wav": "seal"}
    assert [note for note in notes if "Test, fold_2, train are taken for parts of the data" in note]
    assert [note for note in notes if "folders within the folder of a label don't count: pups" in note]


def test_a_label_may_be_called_like_a_part_of_the_data(tmp_path):
    for name in ("train/a.wav", "whistle/b.wav"):
        (tmp_path / name).parent.mkdir(parents=True)
        soundfile.write(tmp_path / name, np.zeros(8_000), 8_000)
    assert [recording.label for recording in read_folder(tmp_path)] == ["train", "whistle"]


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
    with pytest.raises(ConfigError, match="no column 'onset_s'"):
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


def make(folder, *names, seconds=3.0):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / name, np.zeros(round(8_000 * seconds)), 8_000)


def read(folder, **options):
    problems, notes = [], []
    return read_folder(folder, problems.append, notes.append, **options), problems, notes


@pytest.mark.parametrize("name", ["Background", "NOISE", "other", "Silence", "no_call", "-wren"])
def test_folders_that_hold_none_of_the_labels_are_known_in_any_case(tmp_path, name):
    make(tmp_path, "wren/a.wav", f"{name}/b.wav")
    found, problems, notes = read(tmp_path)
    assert [sorted(recording.labels) for recording in found] in ([[], ["wren"]], [["wren"], []])
    assert not problems
    assert any(name in note for note in notes)


def test_one_list_does_not_turn_off_the_folders(tmp_path):
    make(tmp_path, *(f"{label}/{number}.wav" for label in ("wren", "owl") for number in range(3)))
    (tmp_path / "wren" / "0.txt").write_text("0.5\t1.0\tchaffinch\n")
    found, _, notes = read(tmp_path)
    assert {label for recording in found for label in recording.labels} == {"wren", "owl", "chaffinch"}
    assert any("by event lists, 5 by the names of their sub-folders" in note for note in notes)


def test_a_stray_text_does_not_turn_off_the_folders(tmp_path):
    make(tmp_path, "wren/a.wav", "owl/b.wav")
    for text in ("", "About these recordings.\n"):
        (tmp_path / "notes.txt").write_text(text)
        assert {recording.label for recording in read(tmp_path)[0]} == {"wren", "owl"}


def test_lists_that_name_no_recording_never_turn_folders_into_words(tmp_path):
    make(tmp_path, "site1/a.wav", "site2/b.wav")
    (tmp_path / "labels.tsv").write_text("filename\tonset\toffset\tevent_label\nx.wav\t0\t1\twren\ny.wav\t0\t1\towl\n")
    with pytest.raises(
        ConfigError, match=r"name 2 recordings, and none of them is there: \['x.wav', 'y.wav'\]; correct"
    ):
        read_folder(tmp_path)


def test_folders_of_recordings_without_a_list_are_no_labels_where_lists_label_most(tmp_path):
    make(tmp_path, "site1/a.wav", "site1/b.wav", "site2/c.wav")
    for name in ("a", "b"):
        (tmp_path / "site1" / f"{name}.txt").write_text("0.5\t1.0\twren\n")
    found, problems, notes = read(tmp_path)
    assert {label for recording in found for label in recording.labels} == {"wren"}
    assert any("1 recordings have no label" in problem for problem in problems)
    assert any("the names of sub-folders are no labels" in note for note in notes)


def test_events_behind_the_end_are_left_out_and_told(tmp_path):
    make(tmp_path, "a.wav")
    (tmp_path / "a.txt").write_text("0.5\t1.0\twren\n2.5\t9.0\towl\n500\t1000\tfox\n")
    found, problems, _ = read(tmp_path)
    assert found[0].events == {"wren": ((0.5, 1.0),), "owl": ((2.5, 3.0),)}
    assert any("1 events begin behind the end of a.wav, the first at 500 s of 3 s" in problem for problem in problems)
    assert any("1 events end behind the end of a.wav at 3 s" in problem for problem in problems)


def test_events_without_a_label_are_told(tmp_path):
    make(tmp_path, "a.wav")
    (tmp_path / "a.txt").write_text("0.5\t1.0\twren\n1.5\t2.0\t\n2.0\t2.5\tNaN\n")
    found, problems, _ = read(tmp_path)
    assert list(found[0].events) == ["wren"]
    assert any("2 events have no label and are left out: the first in" in problem for problem in problems)


def test_one_bad_row_costs_that_row(tmp_path):
    make(tmp_path, "a.wav")
    (tmp_path / "a.txt").write_text("0.5\t1.0\twren\nx\t2.0\towl\n-3\t2.0\tfox\n-0.004\t0.25\tjay\n")
    found, problems, _ = read(tmp_path)
    assert found[0].events == {"jay": ((0.0, 0.25),), "wren": ((0.5, 1.0),)}
    assert any("a.txt, line 2: onset 'x' is not a number" in problem for problem in problems)
    assert any("a.txt, line 3: onset '-3'" in problem for problem in problems)


def test_untouched_results_of_detect_are_no_truth(tmp_path):
    make(tmp_path, "a.wav", "b.wav")
    event = Event(0.5, 1.0, "wren", 0.8, 0.9)
    write_events([RecordingEvents("a.wav", 3.0, (event,))], tmp_path / "a.csv", "csv")
    (tmp_path / ".flam").mkdir()
    (tmp_path / ".flam" / "a.csv.json").write_text("{}")
    (tmp_path / "b.txt").write_text("0.5\t1.0\towl\n")
    found, problems, _ = read(tmp_path)
    assert {label for recording in found for label in recording.labels} == {"owl"}
    assert any("1 results of flam detect, as it wrote them, are no labels" in problem for problem in problems)
    later = (tmp_path / "a.csv").stat().st_mtime + 60
    os.utime(tmp_path / "a.csv", (later, later))  # somebody has saved it since
    found, problems, notes = read(tmp_path)
    assert {label for recording in found for label in recording.labels} == {"owl", "wren"}
    assert not problems
    assert any("1 event lists hold scores of a program" in note for note in notes)


def test_a_column_of_labels_can_be_named(tmp_path):
    make(tmp_path, "a.wav")
    (tmp_path / "a.csv").write_text("start,end,species,who\n0.5,1,wren,Ann\n")
    assert list(read(tmp_path)[0][0].events) == ["wren"]
    assert list(read(tmp_path, label_column="Who")[0][0].events) == ["Ann"]
    with pytest.raises(ConfigError, match="the header has no column 'bird'; name one of start, end, species, who"):
        read(tmp_path, label_column="bird")
