"""Writing to a path is all or nothing; reading tells the format; messages name file, line, value and remedy."""

import io
import os
import re
import stat
import subprocess
import sys

import pytest

from flam.annotations import FORMATS, read_events, write_events
from flam.core import AnnotationError, ConfigError, Event, OutputError, RecordingEvents

SIREN = RecordingEvents("street.wav", 10.0, (Event(1.0, 2.5, "siren", 0.5, 0.75),))


def failing():
    yield SIREN
    raise RuntimeError("out of memory")


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_failing_writer_leaves_the_old_file_and_nothing_else(name, tmp_path):
    path = tmp_path / "events"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="out of memory"):
        write_events(failing(), path, name)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["events"]


def test_the_file_appears_only_when_complete(tmp_path):
    path = tmp_path / "events.csv"

    def recordings():
        yield SIREN
        assert not path.exists()

    write_events(recordings(), path, "csv")
    assert os.listdir(tmp_path) == ["events.csv"]


def test_a_written_file_has_the_usual_permissions_utf_8_and_line_feeds(tmp_path):
    plain, written = tmp_path / "plain", tmp_path / "events.csv"
    plain.touch()
    write_events([RecordingEvents("птица.wav", None, SIREN.events)], str(written), "csv")
    assert stat.S_IMODE(written.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
    assert "птица.wav".encode() in written.read_bytes()
    assert b"\r" not in written.read_bytes()


def test_a_link_stays_a_link(tmp_path):
    real, link = tmp_path / "real.csv", tmp_path / "link.csv"
    real.write_text("old")
    link.symlink_to(real)
    write_events([SIREN], link, "csv")
    assert link.is_symlink()
    assert read_events(real) == read_events(link)


def test_a_device_is_written_not_replaced():
    before = os.stat(os.devnull)
    write_events([SIREN], os.devnull, "csv")
    after = os.stat(os.devnull)
    assert (before.st_ino, before.st_mode) == (after.st_ino, after.st_mode)


def test_paths_that_cannot_be_written(tmp_path):
    with pytest.raises(OutputError, match=r"No such file or directory.*check that the folder exists"):
        write_events([SIREN], tmp_path / "missing" / "events.csv", "csv")
    with pytest.raises(OutputError, match="is a folder; name a file in it"):
        write_events([SIREN], tmp_path, "csv")
    with pytest.raises(OutputError, match="can't be written"):
        write_events([SIREN], tmp_path / ("x" * 300), "csv")


def test_an_error_of_the_source_is_not_blamed_on_the_target(tmp_path):
    def recordings():
        yield SIREN
        (tmp_path / "missing.wav").read_bytes()

    with pytest.raises(FileNotFoundError, match=r"missing\.wav"):
        write_events(recordings(), tmp_path / "events.csv", "csv")
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="Permission denied"):
        write_events([SIREN], tmp_path / "events.csv", "csv")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_full_disk():
    with pytest.raises(OutputError, match=r"No space left on device.*has space"):
        write_events([SIREN], "/dev/full", "csv")


def test_text_that_is_not_unicode_is_named(tmp_path):
    with pytest.raises(AnnotationError, match=r"'\\udcff' can't be written as utf-8; rename"):
        write_events([RecordingEvents("bad\udcff.wav", None, ())], tmp_path / "a.csv", "csv")
    assert os.listdir(tmp_path) == []


def test_unknown_formats_and_options():
    with pytest.raises(AnnotationError, match="format 'xml' is not known; choose one of table, csv, json"):
        write_events([SIREN], io.StringIO(), "xml")
    with pytest.raises(ConfigError, match="format 'jsonl' has no option 'width'; its options: none"):
        write_events([SIREN], io.StringIO(), "jsonl", width=3)
    with pytest.raises(ConfigError, match="its options: high_freq_hz"):
        write_events([SIREN], io.StringIO(), "raven", low=3)


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"table"}))
@pytest.mark.parametrize("suffixed", [True, False])
def test_the_format_is_told_from_what_was_written(name, suffixed, tmp_path):
    path = tmp_path / f"street{FORMATS[name].suffix if suffixed else '.unknown'}"
    write_events([SIREN], path, name)
    assert read_events(path) == read_events(path, name)


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"table", "label-studio"}))
def test_the_format_is_told_without_events(name, tmp_path):
    path = tmp_path / f"quiet{FORMATS[name].suffix}"
    write_events([RecordingEvents("quiet", None, ())], path, name)
    assert read_events(path) == read_events(path, name)


@pytest.mark.parametrize("text", ["", "hello\n", "dog\tbark\n", "{}", '"text"', "[1"])
def test_a_format_that_is_not_clear_is_asked_for(text, tmp_path):
    path = tmp_path / "labels"
    path.write_text(text)
    with pytest.raises(AnnotationError, match="labels: neither its name nor its first lines tell its format"):
        read_events(path)


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path):
    path = tmp_path / "excel.csv"
    path.write_bytes(b"\xef\xbb\xbfrecording,onset_s,offset_s,prompt\r\na.wav,1,2,siren\r\n")
    assert read_events(path) == [RecordingEvents("a.wav", None, (Event(1.0, 2.0, "siren"),))]


def test_rows_out_of_order_are_ordered_by_onset(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("5.0\t6.0\tlate\n1.0\t2.0\tearly\n")
    assert [event.prompt for event in read_events(path)[0].events] == ["early", "late"]


HEADER = "recording,onset_s,offset_s,prompt\n"
RAVEN = "Selection\tBegin Time (s)\tEnd Time (s)\tAnnotation\n"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("csv", HEADER + "a.wav,one,2,dog\n", "f, line 2: onset 'one' is not a number; write it with a point"),
        ("csv", HEADER + "a.wav,2,1,dog\n", "f, line 2: onset '2' and offset '1' must be finite with 0 <= onset"),
        ("csv", HEADER + 'a.wav,1,2,"two\nlines"\na.wav,1,,dog\n', "f, line 4: offset '' is not a number"),
        ("csv", HEADER + "a.wav,1,2,dog,bark\n", "f, line 2: 5 cells under a header of 4; put quotes"),
        ("csv", HEADER + 'a.wav,1,2,"dog\n', "f, line 2: unexpected end of data; close the quotes"),
        ("csv", "recording;onset_s\n", "f, line 1: the header has no column 'offset_s'; it needs recording,onset_s"),
        ("csv", "", "f, line 1: the header has no column 'recording'"),
        ("json", '[\n{"recording": "a.wav",}]', "f, line 2: not valid JSON"),
        ("json", "[3]", "f, recording 1: no object with a text under 'recording'"),
        ("json", '[{"recording": "a"}]', "f, recording 1: no 'events'; write [] where there are none"),
        ("json", '[{"recording": "a", "events": [3]}]', "f, recording 1: no list of objects under 'events'"),
        ("json", '[{"recording": "a", "events": [{"onset_s": 1}]}]', "f, recording 1, event 1: no 'offset_s'"),
        (
            "json",
            '[{"recording": "a", "events": [{"onset_s": NaN, "offset_s": 1, "prompt": "x"}]}]',
            "f, recording 1, event 1: onset nan and offset 1 must be finite",
        ),
        (
            "json",
            '[{"recording": "a", "events": [{"onset_s": 0, "offset_s": 1, "prompt": 7}]}]',
            "f, recording 1, event 1: label 7 is not text",
        ),
        (
            "json",
            '[{"recording": "a", "duration_s": -1, "events": []}]',
            "f, recording 1: duration -1 must be a finite",
        ),
        ("jsonl", '{"recording": "a"}\n{"recording"\n', "f, line 2: not valid JSON"),
        ("jsonl", '{"onset_s": 1}\n', "f, line 1: no object with a text under 'recording'"),
        ("jsonl", '{"recording": "a", "onset_s": 1, "offset_s": 2}\n', "f, line 1: no 'prompt'"),
        ("audacity", "0\t1\tdog\nbark\n", "f, line 2: 'bark' is no label; a label is onset, tab"),
        ("audacity", "0;5\t1,5\tdog\n", "f, line 1: onset '0;5' is not a number; write it with a point"),
        ("audacity", "-1\t1\tdog\n", "f, line 1: onset '-1' and offset '1' must be finite"),
        ("raven", "Begin Time (s)\n", "f, line 1: the header has no column 'End Time (s)'; export the table"),
        (
            "raven",
            "Begin Time (s)\tEnd Time (s)\n1\t2\n",
            "f, line 1: the header has no label column; name it one of ",
        ),
        ("raven", RAVEN + "1\t2\t3\tdog\n2\tx\t3\tdog\n", "f, line 3: onset 'x' is not a number"),
        ("raven", RAVEN + "1\t2\t3\tdog\tbark\n", "f, line 2: 5 cells under a header of 4; remove the extra tabs"),
        (
            "dcase",
            "filename\tonset\toffset\na\t1\t2\n",
            "f, line 2: has times but no column of labels; name the",
        ),
        ("dcase", "a.wav\t1\t2\n", "f, line 1: 3 cells where 4 are expected (filename, onset, offset, event_label)"),
        ("dcase", "a.wav\t1\t\tdog\n", "f, line 1: offset '' is not a number"),
        ("jams", "{}", "f: namespaces none hold no events; tag_open, segment_open, scaper are read"),
        ("jams", '{"annotations": 3}', "f: no list of objects under 'annotations'"),
        (
            "jams",
            '{"annotations": [{"namespace": "tag_open", "data": [{"time": "x", "duration": 1, "value": "a"}]}]}',
            "f, tag_open, observation 1: onset 'x' is not a number",
        ),
        ("label-studio", "{}", 'f: not a list of tasks; export the project as "JSON"'),
        ("label-studio", '[{"data": {"text": "a"}}]', "f, task 1: no text under data.audio"),
        (
            "label-studio",
            '[{"data": {"audio": "a"}, "predictions": [{"result": [{"type": "labels", "value": {"labels": ["x"]}}]}]}]',
            "f, task 1, region 1: onset None is not a number",
        ),
        ("srt", "hello\n", "f: no line with times such as 00:00:01,500"),
        ("srt", "1\n0:1 --> 0:2\ndog\n", "f, line 2: '0:1 --> 0:2' is not a timing; write 00:00:01,500"),
        ("srt", "1\n00:00:03,000 --> 00:00:02,000\ndog\n", "f, line 2: onset 3.0 and offset 2.0 must be finite"),
        ("vtt", "00:01.000 --> 00:02.000\ndog\n", "f, line 1: does not start with WEBVTT; add that line"),
    ],
)
def test_messages_name_the_place_the_value_and_the_remedy(name, text, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "f").write_text(text)
    with pytest.raises(AnnotationError, match=re.escape(message)) as caught:
        read_events("f", name)
    assert "\n" not in str(caught.value)
    assert ";" in str(caught.value)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(AnnotationError, match=r"can't be read \(No such file or directory\); check the path"):
        read_events(tmp_path / "missing.csv")
    path = tmp_path / "latin.csv"
    path.write_bytes("recording,prompt\nfrühling\n".encode("latin-1"))
    with pytest.raises(AnnotationError, match=r"latin.csv, line 2: not UTF-8; save the file with that encoding"):
        read_events(path)
    path.write_text("")
    with pytest.raises(AnnotationError, match="format 'table' is for people and can't be read back"):
        read_events(path, "table")


def test_annotations_import_nothing_heavy():
    code = "import flam.annotations, sys; assert not {'rich', 'torch', 'jams', 'pandas'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)
