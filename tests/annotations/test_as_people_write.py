"""Event lists are read as people and programs write them, bad rows one by one, names as on other computers."""

import json
from pathlib import Path

import pytest

from flam.annotations import read_events
from flam.annotations.matching import RecordingFinder
from flam.core import AnnotationError

OWL = [(0.5, 1.25, "owl")]
TABLES = {
    "decimal commas": ("a.txt", "0,500000\t1,250000\towl\n"),
    "spaces": ("a.txt", "0.5 1.25 owl\n"),
    "spaces and decimal commas": ("a.txt", "0,5  1,25 owl\n"),
    "semicolons": ("a.txt", "0,5;1,25;owl\n"),
    "commas": ("a.txt", "0.5,1.25,owl\n"),
    "clock times": ("a.txt", "0:00.5\t00:00:01.25\towl\n"),
    "carriage returns alone": ("a.txt", "0.5\t1.25\towl\r"),
    "track with a header": ("a.txt", "start\tend\tlabel\n0.5\t1.25\towl\n"),
    "raven, lower case": (
        "a.Table.1.selections.txt",
        "Selection\tBegin Time (s)\tEnd Time (s)\tspecies\n1\t0.5\t1.25\towl\n",
    ),
    "raven, other case": ("a.txt", "selection\tBEGIN TIME (S)\tend time (s)\t Annotation \n1\t0.5\t1.25\towl\n"),
    "raven, decimal commas": ("a.txt", "Selection\tBegin Time (s)\tEnd Time (s)\tSpecies\n1\t0,5\t1,25\towl\n"),
    "raven in csv": ("a.csv", "Selection,Begin Time (s),End Time (s),Annotation\n1,0.5,1.25,owl\n"),
    "raven, a column of its own": (
        "a.txt",
        "Selection\tView\tBegin Time (s)\tEnd Time (s)\tVogelart\n1\tSpectrogram 1\t0.5\t1.25\towl\n",
    ),
    "dcase, capital header": ("x.tsv", "Filename\tOnset\tOffset\tEvent_Label\na.wav\t0.5\t1.25\towl\n"),
    "dcase in csv": ("x.csv", "filename,onset,offset,event_label\na.wav,0.5,1.25,owl\n"),
    "dcase in csv, semicolons": ("x.csv", "filename;onset;offset;event_label\na.wav;0,5;1,25;owl\n"),
    "dcase, spaces": ("x.txt", "a.wav 0.5 1.25 owl\n"),
    "csv without a header": ("x.csv", "a.wav,0.5,1.25,owl\n"),
    "csv without recordings": ("a.csv", "start_time,end_time,label\n0.5,1.25,owl\n"),
    "audioset strong": ("x.tsv", "segment_id\tstart_time_seconds\tend_time_seconds\tlabel\na.wav\t0.5\t1.25\towl\n"),
    "birdnet csv": (
        "x.csv",
        "Start (s),End (s),Scientific name,Common name,Confidence,File\n0.5,1.25,Strix,owl,0.9,a.wav\n",
    ),
    "onset and duration": ("x.csv", "file,start,duration,class\na.wav,0.5,0.75,owl\n"),
    "kaleidoscope": ("x.csv", "IN FILE,OFFSET,DURATION,MANUAL ID\na.wav,0.5,0.75,owl\n"),
    "milliseconds": ("x.csv", "file,onset_ms,offset_ms,label\na.wav,500,1250,owl\n"),
}


def events(path, **options):
    return [
        (event.onset_s, event.offset_s, event.prompt)
        for found in read_events(path, **options)
        for event in found.events
    ]


@pytest.mark.parametrize("kind", TABLES)
def test_tables_as_people_and_programs_write_them(tmp_path, kind):
    name, text = TABLES[kind]
    (tmp_path / name).write_bytes(text.encode())
    assert events(tmp_path / name) == OWL
    assert [Path(found.recording).stem for found in read_events(tmp_path / name)] == ["a"]


def test_utf_16_as_spreadsheets_write_it(tmp_path):
    (tmp_path / "a.txt").write_text("0,5\t1,25\towl\r\n", encoding="utf-16")
    assert events(tmp_path / "a.txt") == OWL


def test_commas_that_may_be_either_are_refused(tmp_path):
    (tmp_path / "a.txt").write_text("0,5,1,25,owl\n")
    with pytest.raises(AnnotationError, match="is no label; a label is onset, tab, offset"):
        read_events(tmp_path / "a.txt", "audacity")


@pytest.mark.parametrize("missing", ["NaN", "nan", "", "NA", "None", "null"])
@pytest.mark.parametrize("delimiter", ["\t", ","])
def test_empty_rows_are_recordings_without_events(tmp_path, missing, delimiter):
    rows = ["filename onset offset event_label", "a.wav 0.5 1.25 owl", f"b.wav {missing} {missing} {missing}"]
    path = tmp_path / ("x.tsv" if delimiter == "\t" else "x.csv")
    path.write_text("".join(row.replace(" ", delimiter) + "\n" for row in rows))
    assert [(found.recording, len(found.events)) for found in read_events(path)] == [("a.wav", 1), ("b.wav", 0)]


def test_a_table_without_labels_is_of_recordings_without_events(tmp_path):
    (tmp_path / "x.tsv").write_text("filename\tonset\toffset\na.wav\t\t\n")
    assert [(found.recording, found.events) for found in read_events(tmp_path / "x.tsv")] == [("a.wav", ())]
    (tmp_path / "y.tsv").write_text("filename\na.wav\nb.wav\n")
    assert [found.recording for found in read_events(tmp_path / "y.tsv")] == ["a.wav", "b.wav"]
    (tmp_path / "z.selections.txt").write_text("Selection\tBegin Time (s)\tEnd Time (s)\n")
    assert [(found.recording, found.events) for found in read_events(tmp_path / "z.selections.txt")] == [("z", ())]


RAVEN = "Selection\tBegin Time (s)\tEnd Time (s)\tBegin File\tSpecies\n"


def test_times_of_several_files_without_a_file_offset_are_refused(tmp_path):
    (tmp_path / "a.txt").write_text(RAVEN + "1\t3\t4\ta.wav\towl\n2\t63\t64\tb.wav\towl\n")
    with pytest.raises(AnnotationError, match=r"2 selections in 2 files .* add the measurement File Offset \(s\)"):
        read_events(tmp_path / "a.txt")
    problems = []
    assert events(tmp_path / "a.txt", on_problem=problems.append) == []
    assert len(problems) == 1


def test_times_that_start_anew_in_each_file_are_its_own(tmp_path):
    rows = "1\t3\t4\ta.wav\towl\n2\t50\t51\ta.wav\towl\n3\t5\t6\tb.wav\towl\n4\t60\t61\tb.wav\towl\n"
    (tmp_path / "a.txt").write_text(RAVEN + rows)
    assert [len(found.events) for found in read_events(tmp_path / "a.txt")] == [2, 2]


BAD_ROWS = {
    "audacity": "0.5\t1.25\towl\nx\t2\tfox\n",
    "csv": "recording,onset_s,offset_s,prompt\na.wav,0.5,1.25,owl\na.wav,x,2,fox\n",
    "dcase": "a.wav\t0.5\t1.25\towl\na.wav\tx\t2\tfox\n",
    "raven": "Begin Time (s)\tEnd Time (s)\tSpecies\n0.5\t1.25\towl\nx\t2\tfox\n",
    "srt": "1\n00:00:00,500 --> 00:00:01,250\nowl\n\n2\n00:00:09,0 --> 00:00:02,0\nfox\n",
    "jsonl": '{"recording": "a", "onset_s": 0.5, "offset_s": 1.25, "prompt": "owl"}\n{"recording": "a", "x": 1}\n',
    "json": '[{"recording": "a", "events": [{"onset_s": 0.5, "offset_s": 1.25, "prompt": "owl"}, {"onset_s": 2}]}, 3]',
}


@pytest.mark.parametrize("format", BAD_ROWS)
def test_a_bad_row_costs_that_row_where_somebody_is_told(tmp_path, format):
    (tmp_path / "f").write_text(BAD_ROWS[format])
    with pytest.raises(AnnotationError):
        read_events(tmp_path / "f", format)
    problems = []
    assert events(tmp_path / "f", format=format, on_problem=problems.append) == OWL
    assert problems
    assert all("/f" in problem and "; it is left out" in problem for problem in problems)


def region(start, end, label="owl"):
    return {"type": "labels", "value": {"start": start, "end": end, "channel": 0, "labels": [label]}}


@pytest.mark.parametrize("key", ["audio", "url", "sound", "file"])
def test_label_studio_audio_under_any_key(tmp_path, key):
    task = {
        "id": 1,
        "data": {key: "/data/upload/1/3f2a1b4c-a.wav", "note": "windy"},
        "annotations": [{"result": [region(-0.005, 1.25)]}],
    }
    (tmp_path / "export.json").write_text(json.dumps([task]))
    assert events(tmp_path / "export.json") == [(0.0, 1.25, "owl")]


def test_label_studio_json_min(tmp_path):
    task = {"audio": "a.wav", "id": 1, "label": [region(0.5, 1.25)["value"]], "annotator": 1, "annotation_id": 1}
    quiet = {"audio": "b.wav", "id": 2, "annotator": 1, "annotation_id": 2}
    (tmp_path / "export.json").write_text(json.dumps([task, quiet]))
    assert events(tmp_path / "export.json") == OWL
    assert [found.recording for found in read_events(tmp_path / "export.json")] == ["a.wav", "b.wav"]


def test_one_bad_region_does_not_cost_the_project(tmp_path):
    tasks = [
        {"data": {"audio": "a.wav"}, "annotations": [{"result": [region(-3, 1), region(0.5, 1.25)]}]},
        {"data": {"text": "nothing"}, "annotations": []},
    ]
    (tmp_path / "export.json").write_text(json.dumps(tasks))
    problems = []
    assert events(tmp_path / "export.json", on_problem=problems.append) == OWL
    assert ["task 1, region 1" in problems[0], "task 2" in problems[1]] == [True, True]


NAMES = [
    ("rec1.wav", "rec1.wav"),
    ("REC1.WAV", "rec1.wav"),
    ("rec1", "rec1.wav"),
    ("rec1.mp3", "rec1.wav"),
    (r"D:\field\2024\rec1.wav", "rec1.wav"),
    ("/home/field/rec1.wav", "rec1.wav"),
    (r"\\server\share\rec1.wav", "rec1.wav"),
    ("file:///C:/field/my%20dog.wav", "my dog.wav"),
    ("https://host.org/audio/my%20dog.wav?token=1", "my dog.wav"),
    ("/data/local-files/?d=audio/my dog.wav", "my dog.wav"),
    ("/data/upload/3/3f2a1b4c-rec1.wav", "rec1.wav"),
    ("rec1.BirdNET.selection.table", "rec1.wav"),
    ("rec1.BirdNET.results", "rec1.wav"),
    ("rec1.Table.1.selections", "rec1.wav"),
    ("rec1.wav.labels", "rec1.wav"),
    ("rec1_labels", "rec1.wav"),
    ("fru\u0308h.wav", "fr\u00fch.flac"),
    ("b0RFKhbpFJA_30000", "Yb0RFKhbpFJA.wav"),
    ("2024/same.wav", "2024/same.wav"),
    (r"D:\x\2023\same.wav", "2023/same.wav"),
    ("same.wav", None),
    ("rec10.wav", None),
    ("", None),
    ("a\0b", None),
]


@pytest.mark.parametrize(("written", "expected"), NAMES)
def test_recordings_are_found_by_names_as_they_are_written(written, expected):
    names = ("rec1.wav", "my dog.wav", "fr\u00fch.flac", "Yb0RFKhbpFJA.wav", "2023/same.wav", "2024/same.wav")
    folder = Path("somewhere")
    finder = RecordingFinder(folder, [folder / name for name in names])
    found = finder.find(written, folder)
    assert found == (None if expected is None else folder / expected)
    assert finder.is_ambiguous(written, folder) == (written == "same.wav")
