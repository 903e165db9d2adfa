"""The table fits 80 columns, has colours only in a terminal, and shows names as they are."""

import io

import pytest

from flam.annotations import write_events
from flam.annotations.table import clock
from flam.core import Event, RecordingEvents


class Terminal(io.StringIO):
    def isatty(self):
        return True


def table(*recordings, file=None, **options):
    file = io.StringIO() if file is None else file
    write_events(recordings, file, "table", **options)
    return file.getvalue()


def test_recordings_are_groups():
    text = table(
        RecordingEvents("a.wav", 3700.0, (Event(1.0, 2.5, "siren", 0.5, 0.876), Event(3601.25, 3602, "dog"))),
        RecordingEvents("quiet.wav", None, ()),
        width=80,
    )
    assert text.splitlines() == [
        "a.wav  1:01:40.0  2 events",
        "    onset     offset  prompt  mean   max",
        "   0:01.0     0:02.5  siren   0.50  0.88",
        "1:00:01.3  1:00:02.0  dog        -     -",
        "",
        "quiet.wav  no events",
        "",
    ]


def test_long_prompts_stay_whole_within_80_columns():
    prompt = "a small dog barking at a postman while rain falls on a tin roof and a distant train passes by slowly"
    long_name = "/".join(["folder"] * 20) + "/a.wav"
    lines = table(RecordingEvents(long_name, 9.0, (Event(0, 1, prompt, 0.5, 0.5),)), width=80).splitlines()
    assert lines[0] == f"{long_name}  0:09.0  1 event"
    assert max(map(len, lines[1:])) <= 80
    words = " ".join(lines[2:]).split()
    assert [word for word in words if word[0] not in "01"] == prompt.split()


def test_colour_codes_only_in_a_terminal(monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    recording = RecordingEvents("a.wav", 9.0, (Event(0, 1, "siren"),))
    assert "\x1b" not in table(recording)
    assert "\x1b[" in table(recording, file=Terminal())


@pytest.mark.parametrize("prompt", ["[red]siren[/red]", ":smile:", "[/]", "dog\tbark"])
def test_prompts_are_not_markup(prompt):
    assert prompt.replace("\t", " ") in table(RecordingEvents(prompt, 9.0, (Event(0, 1, prompt),)), width=80)


def test_names_do_not_drive_the_terminal():
    assert "\x1b" not in table(RecordingEvents("\x1b[2Ja.wav", 9.0, (Event(0, 1, "\x1b]0;title\x07"),)), width=80)


def test_clock_rounds_half_up_and_carries():
    assert [clock(value) for value in (0, 0.05, 59.95, 3599.949, 36000.04)] == [
        "0:00.0",
        "0:00.1",
        "1:00.0",
        "59:59.9",
        "10:00:00.0",
    ]
