"""The program as a process of its own, with a real model of random weights."""

import json
import os
import signal
import subprocess
import sys
import time
from importlib import resources

import pytest

from flam.annotations import read_events


@pytest.fixture
def demo():
    folder = resources.files("flam") / "assets" / "demo"
    return str(sorted(path for path in folder.iterdir() if path.name.endswith(".ogg"))[0])


def flam(*arguments, **options):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "flam", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=900, env=environment, **options)


@pytest.mark.parametrize("verb", [[], ["detect"], ["models", "convert"]], ids=" ".join)
def test_help_is_quick_and_imports_nothing_heavy(verb):
    code = (
        "import sys; from flam.cli.main import main; code = main(sys.argv[1:]);"
        "heavy = {'torch', 'transformers', 'matplotlib', 'soundfile', 'huggingface_hub', 'numpy'} & sys.modules.keys();"
        "sys.exit(str(heavy) if heavy else code)"
    )
    before = os.times()
    subprocess.run([sys.executable, "-c", code, *verb, "--help"], check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    cpu_s = after.children_user - before.children_user + after.children_system - before.children_system
    assert cpu_s < 1.5  # 0.2 s on an idle machine


@pytest.mark.slow
def test_detects_in_a_process_of_its_own(tiny_model, demo, tmp_path):
    find = ["-p", "dog", "--not", "siren", "--model", tiny_model, "--score", "unbiased", "--threshold", "0.01"]
    done = flam("detect", demo, *find, "-o", "out.json", "--plot", "out.png", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert "1 recording done" in done.stderr
    [found] = read_events(tmp_path / "out.json")
    assert found.duration_s > 1
    assert all(event.offset_s <= found.duration_s for event in found.events)
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")
    again = flam("detect", "--settings", "out.json.settings.yaml", "--format", "json", cwd=tmp_path)
    assert json.loads(again.stdout) == json.loads((tmp_path / "out.json").read_text())


# The program, but that it stands still once three recordings are finished, until it is interrupted.
STANDS_STILL = """
import pathlib, sys, time
from flam.cli.main import main
from flam.jobs.manifest import ResultsFolder

def remember(self, name, finished, plain=ResultsFolder.remember):
    plain(self, name, finished)
    if name.name == "02":
        pathlib.Path("ready").touch()
        time.sleep(200)

ResultsFolder.remember = remember
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(os.name != "posix", reason="the signal of Ctrl-C is sent to one process only on POSIX")
@pytest.mark.slow
def test_ctrl_c_keeps_what_is_done_and_the_next_run_goes_on(make_recording, tmp_path):
    n_recordings = 6
    for number in range(n_recordings):
        make_recording(f"in/{number:02d}.wav")
    # -q: on a machine that is busy, lines of progress would come between
    arguments = ["detect", "in", "-p", "dog", "-o", "out/", "-q"]
    child = subprocess.Popen(
        [sys.executable, "-c", STANDS_STILL, *arguments], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 200
    while not (tmp_path / "ready").exists() and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    _, told = child.communicate(timeout=60)
    assert child.returncode == 130
    assert told == ("interrupted: 3 of 6 recordings are done; they are kept, run the same command again to go on\n")
    assert sorted(path.name for path in (tmp_path / "out").glob("*.csv")) == ["00.csv", "01.csv", "02.csv"]
    assert not list((tmp_path / "out").rglob("*.part"))
    resumed = flam(*arguments, cwd=tmp_path)
    assert resumed.returncode == 0
    assert "6 recordings done (3 of them earlier)" in resumed.stderr
    assert len(list((tmp_path / "out").glob("*.csv"))) == n_recordings


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
@pytest.mark.slow
def test_full_stdout_is_told_in_one_line(tiny_model, demo):
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "flam", "detect", demo, "-p", "dog", "--model", str(tiny_model), "-q"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=280)
    assert done.returncode == 1
    assert done.stderr == (
        "error: results can't be written (No space left on device); make space, or name a file with -o\n"
    )


def test_tiny_model_is_described(run, tiny_model):
    outcome = run("models", "info", tiny_model)
    assert outcome.code == 0
    assert "licence: none needed\n" in outcome.out
    assert "clips heard: 0\n" in outcome.out


def test_models_are_listed(run):
    outcome = run("models", "list")
    assert outcome.code == 0
    assert "openflam" in outcome.out


def test_conversion_of_nothing_is_told(run, tmp_path):
    outcome = run("models", "convert", "none.pth", tmp_path / "out")
    assert outcome.code == 2
    assert outcome.err.startswith("error: none.pth")
    assert outcome.err.count("\n") == 1
