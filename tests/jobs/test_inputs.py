"""Event lists of a folder come together by recording, whatever wrote them and however it names the recordings."""

import pytest

from flam.annotations import write_events
from flam.core import AnnotationError, ConfigError, Event, RecordingEvents
from flam.jobs.inputs import read_event_lists, recording_key


def test_folder_of_many_formats_is_one_set(tmp_path):
    (tmp_path / "deep").mkdir()
    write_events([RecordingEvents("C:\\site\\a.WAV", None, (Event(1.0, 2.0, "owl"),))], tmp_path / "a.csv", "csv")
    write_events([RecordingEvents("site/b.flac", None, ())], tmp_path / "deep" / "b.selections.txt", "raven")
    write_events([RecordingEvents("c.wav", None, (Event(3.0, 4.0, "fox"),))], tmp_path / "c.txt", "audacity")
    (tmp_path / "settings.yaml").write_text("prompts: [owl]\n")
    (tmp_path / "a.wav").write_bytes(b"no list")
    (tmp_path / "broken.csv").write_text("recording,when\n")
    problems = []
    found = read_event_lists(tmp_path, problems.append)
    assert {name: [event.prompt for event in events] for name, events in found.items()} == {
        "a": ["owl"],
        "b": [],
        "c": ["fox"],
    }
    assert len(problems) == 1
    assert "broken.csv" in problems[0]


def test_single_file_that_can_not_be_read_is_an_error(tmp_path):
    (tmp_path / "broken.csv").write_text("recording,when\n")
    with pytest.raises(AnnotationError, match="broken"):
        read_event_lists(tmp_path / "broken.csv", print)
    with pytest.raises(ConfigError, match="none"):
        read_event_lists(tmp_path / "none", print)


def test_dots_in_names_stay():
    assert recording_key("2024.03.10 site.wav") == recording_key("x/2024.03.10 SITE") != recording_key("2024.03.11.wav")
