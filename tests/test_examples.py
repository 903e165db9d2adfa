"""The day of each kind of user runs as it is written under examples/, on the bundled recordings."""

import csv
import importlib.resources
import importlib.util
import shlex
import shutil
from pathlib import Path

import pytest

from flam.cli.main import main

EXAMPLES = Path(__file__).parents[1] / "examples"
DEMO = str(importlib.resources.files("flam") / "assets" / "demo")


def play(name, folder):
    """Do the commands of a script in this process: starting the program for each would take most of the time."""
    for line in (EXAMPLES / name).read_text().splitlines():
        words = shlex.split(line.replace("$demo", DEMO), comments=True)
        if words[:1] == ["flam"]:
            assert main(words[1:]) == 0, line
        elif words[:1] == ["mkdir"]:
            (folder / words[-1]).mkdir(parents=True)
        elif words[:1] == ["cp"]:
            shutil.copy(words[1], folder / words[2])


def rows_of(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def run_module(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.main()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_sound_designer(folder, capsys):
    play("sound_designer.sh", folder)
    tags = {Path(row["recording"]).stem: row for row in rows_of(folder / "tags.csv")}
    assert set(tags) == {"home", "nature", "street"}
    assert {tags["street"][f"tag_{n}"] for n in (1, 2)} == {"car horn", "rain"}
    clips = [path.name for path in (folder / "clips").iterdir()]
    assert 1 <= len([name for name in clips if "car-horn" in name]) <= 2
    assert len(clips) == len([row for row in rows_of(folder / "best.csv") if row["onset_s"]])
    assert "recording" in capsys.readouterr().out


@pytest.mark.slow
def test_noise_monitor(folder, capsys):
    play("noise_monitor.sh", folder)
    printed = capsys.readouterr()
    assert "1.1 minutes" in printed.err
    rows = rows_of(folder / "day.csv")
    assert {row["onset_time"][:13] for row in rows if row["onset_time"]} == {"2024-03-10T05", "2024-03-10T06"}
    assert all(row["onset_time"].endswith("+01:00") for row in rows if row["onset_s"])
    assert "24000.0" in (folder / "tables" / "POND_20240310_060000.selections.txt").read_text()
    compared = {row["prompt"]: row for row in rows_of(folder / "comparison.csv")}
    assert compared["car horn"]["events"] == "2"
    assert int(compared["all"]["found"]) >= 2


@pytest.mark.slow
def test_researcher(capsys):
    run_module("researcher")
    printed = capsys.readouterr().out
    assert "flam-mini, as it ships: frame_auroc 0." in printed
    assert "the other program: frame_auroc" in printed


@pytest.mark.slow
def test_developer(capsys):
    run_module("developer")
    printed = capsys.readouterr().out
    assert "glass breaking: 27." in printed
    assert "left out: waveform" in printed
    assert "of the recording are done" in printed
