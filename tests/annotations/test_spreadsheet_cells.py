"""No cell of a CSV is a formula to a spreadsheet, and what was written is read back equal all the same."""

import csv

import pytest

from flam.annotations import read_events, write_events
from flam.core import Event, RecordingEvents

HOSTILE = ["=cmd|calc!A0", "@SUM(1)", "+1+2", "-2+3", "\tx", "'=1", "''@x", "'quoted'", "-", "=", "-3.5", "dog"]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_no_formula_and_comes_back(text, tmp_path):
    path = tmp_path / "events.csv"
    recording = RecordingEvents(text, None, (Event(1.0, 2.0, text, 0.5, 0.75),))
    write_events([recording], path, "csv")
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    for cell in rows[1]:
        is_number = cell.lstrip("+-").replace(".", "").isdigit()
        assert is_number or not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert read_events(path) == [recording]


def test_library_table_is_safe_too(tmp_path, scene_table):
    from dataclasses import replace

    from flam.library.clip_table import SourceLibrary, read_library, with_caption, write_library

    library = read_library(scene_table)
    captioned = [with_caption(row, caption, "given") for row, caption in zip(library.rows, HOSTILE, strict=False)]
    captioned[0] = replace(captioned[0], about="=1+1")
    write_library(SourceLibrary(captioned), tmp_path / "library.csv")
    assert "\n=" not in (tmp_path / "library.csv").read_text()
    assert ",=" not in (tmp_path / "library.csv").read_text()
    assert read_library(tmp_path / "library.csv").rows == tuple(captioned)
