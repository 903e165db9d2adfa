"""What other tools write is read, and what is written here other tools read."""

import csv
import io
import json
import warnings

import pytest

from flam.annotations import read_events, write_events
from flam.core import Event, RecordingEvents

EVENTS = (Event(0.5, 2.25, "dog, barking", 0.8, 0.95), Event(1.0, 1.5, "<siren> & horn", 0.25, 0.5))
YARD = RecordingEvents("audio/yard.wav", 10.0, EVENTS)


def written(name, recordings=(YARD,), **options):
    file = io.StringIO()
    write_events(recordings, file, name, **options)
    return file.getvalue()


def read_text(text, tmp_path, file_name, format=None):
    path = tmp_path / file_name
    path.write_text(text, encoding="utf-8")
    return read_events(path, format)


def test_audacity_spectral_and_point_labels(tmp_path):
    text = "1.000000\t2.000000\tchirp\n\\\t500.000000\t2000.000000\n3.500000\t3.500000\tclick\n4.0\t5.0\t\n"
    [track] = read_text(text, tmp_path, "Labels 1.txt")
    assert track.recording == "Labels 1"
    assert track.events == (Event(1.0, 2.0, "chirp"), Event(3.5, 3.5, "click"), Event(4.0, 5.0, ""))


def test_audacity_lines_are_what_audacity_writes():
    assert written("audacity") == "0.500000\t2.250000\tdog, barking\n1.000000\t1.500000\t<siren> & horn\n"


def test_raven_opens_in_pandas_with_the_columns_raven_needs():
    pandas = pytest.importorskip("pandas")
    table = pandas.read_csv(io.StringIO(written("raven")), sep="\t", quoting=csv.QUOTE_NONE)
    columns = ["Selection", "View", "Channel", "Begin Time (s)", "End Time (s)", "Low Freq (Hz)", "High Freq (Hz)"]
    assert list(table.columns[:7]) == columns
    assert table["Selection"].tolist() == [1, 2]
    assert table["Begin Time (s)"].tolist() == [0.5, 1.0]
    assert table["End Time (s)"].tolist() == [2.25, 1.5]
    assert table["Annotation"].tolist() == ["dog, barking", "<siren> & horn"]
    assert table["Score"].tolist() == [0.8, 0.25]


def test_raven_boxes_stay_below_half_the_sample_rate():
    rows = list(csv.DictReader(io.StringIO(written("raven", high_freq_hz=12000)), delimiter="\t"))
    assert {row["High Freq (Hz)"] for row in rows} == {"12000.0"}
    assert {row["High Freq (Hz)"] for row in csv.DictReader(io.StringIO(written("raven")), delimiter="\t")} == {
        "4000.0"
    }


def test_raven_table_with_extra_columns_two_views_and_crlf(tmp_path):
    header = "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tSpecies\tNotes\r\n"
    rows = (
        "1\tWaveform 1\t1\t2.0\t3.5\t0.0\t8000.0\towl\tclear\r\n"
        "1\tSpectrogram 1\t1\t2.0\t3.5\t0.0\t8000.0\towl\tclear\r\n"
        "2\tSpectrogram 1\t1\t2.0\t3.5\t0.0\t8000.0\tfox\r\n"
    )
    [table] = read_text(header + rows, tmp_path, "night.Table.1.selections.txt")
    assert table == RecordingEvents("night", None, (Event(2.0, 3.5, "owl"), Event(2.0, 3.5, "fox")))


def test_raven_table_over_several_files(tmp_path):
    text = (
        "Selection\tBegin Time (s)\tEnd Time (s)\tCommon Name\tConfidence\tBegin Path\tFile Offset (s)\n"
        "1\t3.0\t6.0\tTawny Owl\t0.9\ta.wav\t3.0\n"
        "2\t63.1\t66.1\tRed Fox\t0.4\tb.wav\t3.1\n"
    )
    assert read_text(text, tmp_path, "all.txt") == [
        RecordingEvents("a.wav", None, (Event(3.0, 6.0, "Tawny Owl", 0.9),)),
        RecordingEvents("b.wav", None, (Event(3.1, 6.1, "Red Fox", 0.4),)),
    ]


def test_dcase_opens_in_pandas():
    pandas = pytest.importorskip("pandas")
    recordings = [YARD, RecordingEvents("quiet.wav", 3.0, ()), RecordingEvents("q.wav", 3.0, (Event(0, 1, '"odd\t'),))]
    table = pandas.read_csv(io.StringIO(written("dcase", recordings)), sep="\t")
    assert list(table.columns) == ["filename", "onset", "offset", "event_label"]
    assert table["filename"].tolist() == ["audio/yard.wav", "audio/yard.wav", "quiet.wav", "q.wav"]
    assert table["onset"].tolist()[:2] == [0.5, 1.0]
    assert table["event_label"].tolist()[:2] == ["dog, barking", "<siren> & horn"]
    assert table["onset"].isna().tolist() == [False, False, True, False]
    assert table["event_label"].tolist()[3] == '"odd\t'


@pytest.mark.parametrize("quiet", ["quiet.wav", "quiet.wav\t\t\t"])
@pytest.mark.parametrize("header", ["", "filename\tonset\toffset\tevent_label\n"])
def test_dcase_with_and_without_header_and_events(header, quiet, tmp_path):
    text = f"{header}a.wav\t1.0\t2.0\tSpeech\n{quiet}\na.wav\t0.0\t0.5\tDog\n"
    assert read_text(text, tmp_path, "strong.tsv") == [
        RecordingEvents("a.wav", None, (Event(0.0, 0.5, "Dog"), Event(1.0, 2.0, "Speech"))),
        RecordingEvents("quiet.wav", None, ()),
    ]


def test_dcase_columns_go_by_their_names(tmp_path):
    text = "event_label\tonset\toffset\tfilename\tsplit\nSpeech\t1.0\t2.0\ta.wav\ttrain\n"
    assert read_text(text, tmp_path, "strong.tsv") == [RecordingEvents("a.wav", None, (Event(1.0, 2.0, "Speech"),))]


def test_csv_columns_go_by_their_names(tmp_path):
    text = 'prompt,split,recording,offset_s,onset_s\n"rain, wind",train,a.wav,2,1\n'
    assert read_text(text, tmp_path, "e.csv") == [RecordingEvents("a.wav", None, (Event(1.0, 2.0, "rain, wind"),))]


@pytest.mark.parametrize("duration_s", [10.0, None])
def test_jams_is_valid_for_the_jams_package(duration_s):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        jams = pytest.importorskip("jams")
        text = written("jams", [RecordingEvents("yard.wav", duration_s, EVENTS)])
        document = jams.load(io.StringIO(text), validate=True, strict=True)
        assert document.validate(strict=True)
    assert document.file_metadata.duration == (10.0 if duration_s is not None else 2.25)
    [annotation] = document.search(namespace="tag_open")
    intervals, labels = annotation.to_interval_values()
    assert intervals.tolist() == [[0.5, 2.25], [1.0, 1.5]]
    assert labels == [event.prompt for event in EVENTS]
    assert [observation.confidence for observation in annotation.data] == [0.8, 0.25]


def test_jams_of_the_jams_package_is_read(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        jams = pytest.importorskip("jams")
        document = jams.JAMS()
        document.file_metadata.duration = 5.0
        for namespace, label in (("segment_open", "traffic"), ("tag_open", "horn"), ("beat", None)):
            annotation = jams.Annotation(namespace=namespace)
            annotation.append(time=1.0, duration=0.5, value=label if label else 1, confidence=None)
            document.annotations.append(annotation)
        document.save(str(tmp_path / "scene.jams"))
    expected = (Event(1.0, 1.5, "traffic"), Event(1.0, 1.5, "horn"))
    assert read_events(tmp_path / "scene.jams") == [RecordingEvents("scene", 5.0, expected)]


def test_jams_of_a_scaper_soundscape_is_read(tmp_path):
    def observation(label, role, time, duration):
        value = {"label": label, "role": role, "snr": 6.0, "event_time": time, "event_duration": duration}
        return {"time": time, "duration": duration, "value": value, "confidence": 1.0}

    data = [observation("street", "background", 0.0, 10.0), observation("horn", "foreground", 2.0, 1.5)]
    document = {"annotations": [{"namespace": "scaper", "data": data}], "file_metadata": {"duration": 10.0}}
    expected = RecordingEvents("scene", 10.0, (Event(2.0, 3.5, "horn"),))
    assert read_text(json.dumps(document), tmp_path, "scene.jams") == [expected]


def test_label_studio_tasks_are_importable_pre_annotations():
    [task] = json.loads(written("label-studio"))
    assert task["data"]["audio"] == "audio/yard.wav"
    [prediction] = task["predictions"]
    assert prediction["score"] == pytest.approx(0.525)
    assert len({region["id"] for region in prediction["result"]}) == len(EVENTS)
    for region, event in zip(prediction["result"], EVENTS, strict=True):
        assert (region["type"], region["from_name"], region["to_name"]) == ("labels", "label", "audio")
        assert (region["value"]["start"], region["value"]["end"]) == (event.onset_s, event.offset_s)
        assert region["value"]["labels"] == [event.prompt]
        assert region["score"] == event.mean_score
        assert region["original_length"] == 10.0


def test_label_studio_review_replaces_the_prediction(tmp_path):
    def region(label, start):
        value = {"start": start, "end": start + 1, "channel": 0, "labels": label}
        return {"type": "labels", "value": value, "origin": "manual"}

    [task] = json.loads(written("label-studio"))
    task["annotations"] = [
        {"updated_at": "2024-05-02T10:00:00Z", "was_cancelled": False, "result": [region(["owl", "bird"], 3.0)]},
        {"updated_at": "2024-05-01T10:00:00Z", "was_cancelled": False, "result": [region(["fox"], 1.0)]},
        {"updated_at": "2024-05-03T10:00:00Z", "was_cancelled": True, "result": []},
    ]
    task["annotations"][0]["result"].append({"type": "textarea", "value": {"text": ["windy"]}})
    expected = RecordingEvents("audio/yard.wav", 10.0, (Event(3.0, 4.0, "owl"), Event(3.0, 4.0, "bird")))
    assert read_text(json.dumps([task]), tmp_path, "export.json") == [expected]


def test_label_studio_review_that_found_nothing_leaves_no_events(tmp_path):
    [task] = json.loads(written("label-studio"))
    task["annotations"] = [{"was_cancelled": False, "result": []}]
    assert read_text(json.dumps([task]), tmp_path, "export.json")[0].events == ()


def test_srt_parses_with_the_srt_package():
    srt = pytest.importorskip("srt")
    cues = list(srt.parse(written("srt")))
    assert [(cue.start.total_seconds(), cue.end.total_seconds(), cue.content) for cue in cues] == [
        (event.onset_s, event.offset_s, f"[{event.prompt}]") for event in EVENTS
    ]
    assert [cue.index for cue in cues] == [1, 2]


def test_srt_of_others_is_read(tmp_path):
    text = "1\r\n00:00:01,000 --> 00:00:02,500\r\n[door\r\nslams]\r\n\r\n2\r\n0:00:03.5 --> 0:00:04.25\r\nHello.\r\n"
    [found] = read_text(text, tmp_path, "film.srt")
    assert found == RecordingEvents("film", None, (Event(1.0, 2.5, "door slams"), Event(3.5, 4.25, "Hello.")))


def test_vtt_parses_with_the_webvtt_package():
    webvtt = pytest.importorskip("webvtt")
    captions = webvtt.from_string(written("vtt")).captions
    assert [(caption.start_in_seconds, caption.end_in_seconds) for caption in captions] == [(0, 2), (1, 1)]
    assert [(caption.start, caption.end) for caption in captions] == [
        ("00:00:00.500", "00:00:02.250"),
        ("00:00:01.000", "00:00:01.500"),
    ]
    assert captions[0].text == "[dog, barking]"


def test_vtt_escapes_what_means_something():
    assert "[&lt;siren&gt; &amp; horn]" in written("vtt")
    assert written("vtt", [RecordingEvents("a", 1.0, (Event(0, 1, "a --> b"),))]).count("-->") == 1


def test_vtt_of_others_is_read(tmp_path):
    text = (
        "WEBVTT - film\n\nNOTE made by hand\n\nSTYLE\n::cue { color: red }\n\n"
        "intro\n00:01.000 --> 00:02.500 align:start position:10%\n<v Ann>[door &amp; wind]</v>\n\n"
        "01:00:00.000 --> 01:00:01.000\nHello.\n"
    )
    [found] = read_text(text, tmp_path, "film.vtt")
    assert found.events == (Event(1.0, 2.5, "door & wind"), Event(3600.0, 3601.0, "Hello."))


@pytest.mark.parametrize("name", ["srt", "vtt"])
def test_no_cue_is_empty(name, tmp_path):
    text = written(name, [RecordingEvents("a", 1.0, (Event(0.5, 0.5001, "click"),))])
    [found] = read_text(text, tmp_path, f"a.{name}")
    assert found.events == (Event(0.5, 0.501, "click"),)
