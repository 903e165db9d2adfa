"""Event lists as spreadsheets, editors and people leave them: read as meant, or told with the true cause."""

import pytest
import soundfile

from flam.annotations import read_events
from flam.core import AnnotationError
from flam.data.recordings_source import RecordingsConfig, labelled_recordings

TWO = [(1.0, 2.0, "dog"), (3.0, 4.0, "cat")]


def events_of(path, text, **options):
    path.write_bytes(text.encode())
    return [(e.onset_s, e.offset_s, e.prompt) for listed in read_events(path, **options) for e in listed.events]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "sep=;\r\nonset;offset;label\r\n1,0;2,0;dog\r\n3,0;4,0;cat\r\n"),
        ("a.csv", "\ufeffsep=,\nonset,offset,label\n1.0,2.0,dog\n3.0,4.0,cat\n"),
        ("a.csv", "onset,offset,label\n1,2,dog,\n3,4,cat,,\n"),
        ("a.csv", "xmin,xmax,text\n1,2,dog\n3,4,cat\n"),
        ("a.srt", "1\n00:00:01,000 --> 00:00:02,000\ndog\n2\n00:00:03,000 --> 00:00:04,000\ncat\n"),
        ("a.vtt", "WEBVTT\n\n00:01.000 --> 00:02.000\ndog\n00:03.000 --> 00:04.000\ncat\n"),
    ],
)
def test_what_other_programs_leave_is_read(tmp_path, name, text):
    assert events_of(tmp_path / name, text) == TWO


def test_a_minus_sign_of_a_word_processor_and_no_underscores(tmp_path):
    told = []
    text = "onset,offset,label\n\N{MINUS SIGN}0.01,2,dog\n1_0,2_0,owl\n3,4,cat\n"
    assert events_of(tmp_path / "a.csv", text, on_problem=told.append) == [(0.0, 2.0, "dog"), (3.0, 4.0, "cat")]
    assert len(told) == 1
    assert "line 3: onset '1_0' is not a number" in told[0]


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("start_sample,end_sample,label", "no column 'onset_s'.*turn samples or frames into seconds"),
        ("start_frame,end_frame,label", "no column 'onset_s'.*turn samples or frames into seconds"),
        ("onset,offset,remark", "no column 'prompt'"),
        ("onset,label", "no column 'offset_s'"),
    ],
)
def test_the_column_that_is_missing_is_named(tmp_path, header, told):
    with pytest.raises(AnnotationError, match=told):
        events_of(tmp_path / "a.csv", f"{header}\n1,2,dog\n")


def test_labels_are_one_word_however_they_are_written(tmp_path):
    soundfile.write(tmp_path / "a.wav", [0.0] * 80_000, 8_000)
    rows = ("1,2,dog", "2,3,Dog\N{NO-BREAK SPACE}", "3,4, dog ", "5,6,do\u200bg", "6,7,do\x00g", "7,8,Tawny  owl")
    (tmp_path / "a.csv").write_text("onset,offset,label\n" + "\n".join(rows) + "\n", encoding="utf-8")
    notes = []
    [by_label] = labelled_recordings(RecordingsConfig(tmp_path, tmp_path), notes.append, notes.append).values()
    assert {label: sorted(times) for label, times in by_label.items()} == {
        "dog": [(1.0, 2.0), (2.0, 3.0), (3.0, 4.0), (5.0, 6.0)],
        "do g": [(6.0, 7.0)],
        "Tawny owl": [(7.0, 8.0)],
    }
    assert notes == ["1 labels differ from others in case alone and are taken as those: 'Dog' as 'dog'"]
