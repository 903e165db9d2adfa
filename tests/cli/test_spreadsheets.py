"""Every CSV keeps cells from being formulas, and every table on a terminal keeps its characters from acting."""

import csv
import io
import sys
from pathlib import Path

import pytest

from flam.core.terminal import safe_stdout
from flam.library.source_library import read_manifest
from flam.review.labels import Label, read_labels, write_labels
from flam.search.counts import Count, write_counts

FORMULA = '=HYPERLINK("http://x")'


def test_counts_and_answers(tmp_path):
    file = io.StringIO()
    write_counts([Count((FORMULA, "-a.wav"), 1, 1.0)], ["prompt", "recording"], file)
    [row] = csv.DictReader(io.StringIO(file.getvalue()))
    assert (row["prompt"], row["recording"]) == (f"'{FORMULA}", "'-a.wav")
    label = Label(FORMULA, "+a.wav", "", 1.0, 2.0, 0.5, "right", "", "@site")
    write_labels([label], tmp_path / "labels.csv")
    text = (tmp_path / "labels.csv").read_text()
    assert not any(cell.startswith(tuple("=+@")) for row in csv.reader(io.StringIO(text)) for cell in row)
    assert read_labels(tmp_path / "labels.csv") == [label]


def test_a_manifest_comes_back_without_the_marks(tmp_path):
    columns = "id,file,label,caption,kind,group,source,licence"
    (tmp_path / "m.csv").write_text(f"{columns}\na,'=a.wav,dog,'-bark,event,g,s,CC0\n")
    [clip] = read_manifest(tmp_path / "m.csv")
    assert (clip.path, clip.caption) == (Path(tmp_path, "=a.wav"), "-bark")


@pytest.mark.parametrize("arguments", [("count", "--by", "recording"), ("tag", "-p", "loud")])
def test_a_table_on_a_terminal(run, stub, make_recording, monkeypatch, tmp_path, arguments):
    make_recording("in/\x1b[31mred.wav")
    assert run("detect", "in", "-p", "loud", "--threshold", 0.5, "-o", "all.csv", "-q").code == 0
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    shown = run(arguments[0], "all.csv" if arguments[0] == "count" else "in", *arguments[1:], "-q")
    assert "\x1b[31m" not in shown.out
    assert r"\x1b[31mred.wav" in shown.out


def test_a_stream_that_is_no_terminal_is_left_as_it_is(capsys):
    safe_stdout().write("\x1b[31m")
    assert capsys.readouterr().out == "\x1b[31m"
