"""Event list -> file -> list is the identity, up to what each format says it can hold."""

import io
import json
import math
import random

import numpy as np
import pytest

from flam.annotations import FORMATS, read_events, write_events
from flam.annotations.format import single_line
from flam.core import AnnotationError, Event, RecordingEvents

READABLE = sorted(name for name, format in FORMATS.items() if format.read is not None)
MANY = [name for name in READABLE if FORMATS[name].many]
AWKWARD = [
    "dog barking",
    "a car, a truck; a bus",
    'he said "stop" twice',
    '"quoted"',
    'an "odd quote',
    "it's",
    "=SUM(A1:A9)",
    "tab\there",
    "two\nlines",
    "windows\r\nlines",
    "lone\rreturn",
    "blank\n\nline\x85and\u2028separators",
    "голос птицы 鳥の声 🐦",
    "[in brackets]",
    "[",
    "]",
    "a --> b",
    "<i>wind</i> & rain &amp; hail",
    "\\backslash \\n",
    " spaces around ",
    "filename",
    "12.5",
    "nan",
    "NOTE rain",
    "",
]


def awkward_recording(name: str = "yard.wav") -> RecordingEvents:
    events = [
        Event(index * 0.5 + 0.123456, index * 0.5 + 0.987654, prompt, 0.25 + index / 100, 0.5 + index / 100)
        for index, prompt in enumerate(AWKWARD)
    ]
    return RecordingEvents(name, 100.25, tuple(events))


def held(recording: RecordingEvents, name: str, path) -> RecordingEvents:
    """What a format promises to give back, times apart."""
    format = FORMATS[name]
    keeps_name = format.many or name in ("raven", "jams")
    events = tuple(
        Event(
            event.onset_s,
            event.offset_s,
            event.prompt if format.keeps_line_breaks else single_line(event.prompt),
            event.mean_score if format.keeps_scores else None,
            event.max_score if format.keeps_scores else None,
        )
        for event in recording.events
    )
    return RecordingEvents(
        recording.recording if keeps_name else path.name.removesuffix(format.suffix),
        recording.duration_s if format.keeps_duration else None,
        events,
    )


def assert_equal(found: RecordingEvents, expected: RecordingEvents, resolution_s: float) -> None:
    assert (found.recording, found.duration_s) == (expected.recording, expected.duration_s)
    assert [event.prompt for event in found.events] == [event.prompt for event in expected.events]
    for one, other in zip(found.events, expected.events, strict=True):
        # half a unit either way, and a little for the binary fraction
        assert one.onset_s == pytest.approx(other.onset_s, rel=0, abs=resolution_s * 0.501)
        assert one.offset_s == pytest.approx(other.offset_s, rel=0, abs=resolution_s * 0.501)
        if other.mean_score is None:
            assert (one.mean_score, one.max_score) == (None, None)
        else:
            assert one.mean_score == pytest.approx(other.mean_score, rel=0, abs=5.01e-7)
            assert one.max_score == pytest.approx(other.max_score, rel=0, abs=5.01e-7)


@pytest.mark.parametrize("name", READABLE)
def test_awkward_prompts_come_back(name, tmp_path):
    path = tmp_path / f"yard{FORMATS[name].suffix}"
    recording = awkward_recording()
    write_events([recording], path, name)
    [found] = read_events(path, name)
    assert_equal(found, held(recording, name, path), FORMATS[name].resolution_s)


@pytest.mark.parametrize("name", READABLE)
@pytest.mark.parametrize("prompt", AWKWARD)
def test_each_prompt_comes_back_alone(name, prompt, tmp_path):
    path = tmp_path / f"yard{FORMATS[name].suffix}"
    write_events([RecordingEvents("yard.wav", 9.0, (Event(1.0, 2.0, prompt),))], path, name)
    [found] = read_events(path, name)
    expected = prompt if FORMATS[name].keeps_line_breaks else single_line(prompt)
    assert [event.prompt for event in found.events] == [expected]


@pytest.mark.parametrize("name", READABLE)
def test_random_prompts_come_back(name, tmp_path):
    path = tmp_path / f"yard{FORMATS[name].suffix}"
    draw = random.Random(7)
    pieces = [*"ab1 ,;\t\n\r\"'\\[]<>&=#|\x0b\x1d\x85\u2028é鳥🐦", "-->", "&lt;", "\r\n", "0.5", '""']
    prompts = ["".join(draw.choices(pieces, k=draw.randrange(8))) for _ in range(300)]
    events = tuple(Event(float(index), index + 0.5, prompt) for index, prompt in enumerate(prompts))
    write_events([RecordingEvents("yard", None, events)], path, name)
    [found] = read_events(path, name)
    expected = prompts if FORMATS[name].keeps_line_breaks else [single_line(prompt) for prompt in prompts]
    assert [event.prompt for event in found.events] == expected


@pytest.mark.parametrize("name", READABLE)
def test_numpy_numbers_are_written(name, tmp_path):
    path = tmp_path / f"yard{FORMATS[name].suffix}"
    event = Event(np.float32(0.5), np.float64(1.5), "siren", np.float32(0.25), np.float32(0.75))
    write_events([RecordingEvents("yard", np.float32(4), (event,))], path, name)
    [found] = read_events(path, name)
    assert (found.events[0].onset_s, found.events[0].offset_s) == (0.5, 1.5)
    assert found.events[0].mean_score == (0.25 if FORMATS[name].keeps_scores else None)


@pytest.mark.parametrize("name", READABLE)
def test_written_twice_is_written_the_same(name, tmp_path):
    path = tmp_path / f"yard{FORMATS[name].suffix}"
    write_events([awkward_recording()], path, name)
    again = io.StringIO()
    found = read_events(path, name)
    write_events(found, again, name)
    if FORMATS[name].keeps_duration or not FORMATS[name].many:
        assert again.getvalue() == path.read_bytes().decode()
    assert read_events(path, name) == found


@pytest.mark.parametrize("name", READABLE)
def test_a_recording_without_events_comes_back(name, tmp_path):
    path = tmp_path / f"quiet{FORMATS[name].suffix}"
    recording = RecordingEvents("quiet", 4.5, ())
    write_events([recording], path, name)
    assert read_events(path, name) == [held(recording, name, path)]


@pytest.mark.parametrize("name", MANY)
def test_many_recordings_come_back_in_order(name, tmp_path):
    path = tmp_path / f"all{FORMATS[name].suffix}"
    names = ["b, with comma.wav", "quiet.wav", "a.wav", "дом/звук 1.flac"]
    recordings = [awkward_recording(one) if one != "quiet.wav" else RecordingEvents(one, 1.0, ()) for one in names]
    write_events(iter(recordings), path, name)
    found = read_events(path, name)
    assert len(found) == len(recordings)
    for one, other in zip(found, recordings, strict=True):
        assert_equal(one, held(other, name, path), FORMATS[name].resolution_s)


@pytest.mark.parametrize("name", MANY)
def test_no_recordings_come_back(name, tmp_path):
    path = tmp_path / f"none{FORMATS[name].suffix}"
    write_events([], path, name)
    assert read_events(path, name) == []


@pytest.mark.parametrize("name", sorted(set(READABLE) - set(MANY)))
@pytest.mark.parametrize("count", [0, 2])
def test_formats_for_one_recording_refuse_another_number(name, count):
    with pytest.raises(AnnotationError, match=f"a {name} file holds (exactly )?one; "):
        write_events([awkward_recording()] * count, io.StringIO(), name)


@pytest.mark.parametrize("name", READABLE)
def test_scores_that_are_not_numbers_are_left_out(name, tmp_path):
    path = tmp_path / f"a{FORMATS[name].suffix}"
    event = Event(0.0, 1.0, "siren", mean_score=math.nan, max_score=math.inf)
    write_events([RecordingEvents("a", 1.0, (event,))], path, name)
    assert "nan" not in path.read_text().lower()
    assert "inf" not in path.read_text().lower()
    [found] = read_events(path, name)
    assert (found.events[0].mean_score, found.events[0].max_score) == (None, None)


@pytest.mark.parametrize("name", ["json", "label-studio", "jams"])
def test_json_formats_write_strict_json(name):
    file = io.StringIO()
    write_events([RecordingEvents("a", None, (Event(0.0, 1.0, "siren", math.nan, -math.inf),))], file, name)

    def refuse(constant):
        raise AssertionError(constant)

    json.loads(file.getvalue(), parse_constant=refuse)


@pytest.mark.parametrize("name", READABLE)
def test_every_sample_of_48_khz_is_told_apart_or_rounded_to_the_resolution(name, tmp_path):
    path = tmp_path / f"a{FORMATS[name].suffix}"
    events = tuple(Event(sample / 48000, (sample + 4800) / 48000, "x") for sample in range(1000, 1100))
    write_events([RecordingEvents("a", 10.0, events)], path, name)
    [found] = read_events(path, name)
    if FORMATS[name].resolution_s == 1e-6:
        assert [round(event.onset_s * 48000) for event in found.events] == list(range(1000, 1100))
        assert [round(event.offset_s * 48000) for event in found.events] == list(range(5800, 5900))
    else:
        for one, other in zip(found.events, events, strict=True):
            assert abs(one.onset_s - other.onset_s) <= 0.000501


@pytest.mark.parametrize("name", MANY)
def test_writers_take_recordings_one_at_a_time(name):
    file = io.StringIO()
    seen = []

    def recordings():
        for index in range(3):
            seen.append(f"rec{index - 1}" in file.getvalue() if index else True)
            yield RecordingEvents(f"rec{index}", 1.0, (Event(0.0, 1.0, "siren"),))

    write_events(recordings(), file, name)
    assert seen == [True, True, True]


@pytest.mark.parametrize("name", READABLE)
def test_times_beyond_an_hour_and_points_come_back(name, tmp_path):
    path = tmp_path / f"a{FORMATS[name].suffix}"
    recording = RecordingEvents("a", 400000.0, (Event(3725.25, 3725.25, "click"), Event(360000.5, 360001.0, "late")))
    write_events([recording], path, name)
    [found] = read_events(path, name)
    for one, other in zip(found.events, recording.events, strict=True):
        assert one.onset_s == other.onset_s
        assert one.offset_s - other.offset_s == pytest.approx(0, abs=FORMATS[name].resolution_s * 1.001)


@pytest.mark.parametrize(("format", "options"), [("csv", {"with_probability": True}), ("json", {}), ("jsonl", {})])
def test_fitted_probabilities_are_kept(tmp_path, format, options):
    events = (Event(1.0, 2.0, "siren", 0.5, 0.9, 0.25), Event(3.0, 4.0, "dog", 0.5, 0.9))
    recording = RecordingEvents("a.wav", None, events)
    write_events([recording], tmp_path / "events", format, **options)
    [back] = read_events(tmp_path / "events", format)
    assert back.events == events
