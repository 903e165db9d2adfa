"""What goes wrong is told in one line with a remedy; the exit code says whose fault it is; other recordings go on."""

import errno
import os
import sys

import numpy as np
import pytest
import soundfile

from flam.audio import byte_source

FIND = ("-p", "loud", "--format", "csv")


def write_bytes(content):
    return lambda path: path.write_bytes(content)


def write_nan(path):
    soundfile.write(path, np.array([0.0, np.nan, 0.0] * 1000), 8000, subtype="FLOAT")


BROKEN = {
    "empty.wav": (write_bytes(b""), "is empty, 0 bytes"),
    "no_samples.wav": (lambda path: soundfile.write(path, np.zeros(0), 8000), "no samples"),
    "nan.wav": (write_nan, "samples must be finite"),
    "text.wav": (write_bytes(b"this is a letter, not a recording\n" * 100), "text.wav"),
    "random.mp3": (write_bytes(np.random.default_rng(0).bytes(5000)), "random.mp3"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_recording_is_told_and_the_others_are_done(run, stub, make_recording, tmp_path, name):
    make, message = BROKEN[name]
    make_recording("a.wav")
    make(tmp_path / name)
    make_recording("z.wav")
    outcome = run("detect", "a.wav", name, "z.wav", *FIND)
    assert outcome.code == 1
    assert outcome.out.count("loud") == 2
    [problem, summary] = outcome.err.splitlines()
    assert problem.startswith("error: ")
    assert name in problem
    assert message in problem
    assert summary == "2 recordings done, 1 with problems, 2 events in 0.1 minutes"


def test_truncated_recording_is_done_as_far_as_it_goes(run, stub, make_recording, tmp_path):
    path = make_recording("cut.wav")
    path.write_bytes(path.read_bytes()[:-16_000])
    outcome = run("detect", "cut.wav", "-p", "loud", "-o", "out/")
    assert outcome.code == 1
    assert "loud" in (tmp_path / "out" / "cut.csv").read_text()
    assert outcome.err.startswith("warning: cut.wav")
    assert run("detect", "cut.wav", "-p", "loud", "-o", "out/").err.startswith("warning: cut.wav")


@pytest.mark.parametrize(
    "how", [{"sample_rate": 8_000}, {"sample_rate": 192_000}, {"n_channels": 12}, {"sample_rate": 44_100}], ids=str
)
def test_unusual_recordings_are_fine(run, stub, make_recording, how):
    make_recording("a.wav", **how)
    outcome = run("detect", "a.wav", *FIND)
    assert outcome.code == 0
    assert outcome.out.splitlines()[1].startswith("a.wav,1.0")


def test_missing_recording(run, stub, make_recording):
    make_recording("a.wav")
    outcome = run("detect", "nowhere.wav", "a.wav", *FIND)
    assert outcome.code == 1
    assert outcome.out.count("loud") == 1
    assert "error: nowhere.wav: no such file or folder; check the path\n" in outcome.err


def test_folder_without_recordings(run, stub, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "notes.txt").write_text("none here")
    outcome = run("detect", "in", *FIND)
    assert outcome.code == 1
    assert outcome.err.startswith("error: in: no recordings in this folder or below")
    assert stub.detector is None  # no model is loaded for nothing


def test_unreadable_recording(run, stub, make_recording, monkeypatch):
    make_recording("a.wav")
    make_recording("locked.wav")

    def guarded_open(path, *arguments, **options):
        if str(path).endswith("locked.wav"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return open(path, *arguments, **options)

    monkeypatch.setattr(byte_source, "open", guarded_open, raising=False)
    outcome = run("detect", "a.wav", "locked.wav", *FIND)
    assert outcome.code == 1
    assert outcome.out.count("loud") == 1
    assert "locked.wav: can't be opened (Permission denied); check the path and its permissions" in outcome.err


def test_bug_in_one_recording_stops_no_other(run, stub, make_recording):
    def on_recording(path):
        if path == "a.wav":
            raise RuntimeError("shapes differ\nand more")

    make_recording("a.wav")
    make_recording("b.wav")
    stub.on_recording = on_recording
    outcome = run("detect", "a.wav", "b.wav", *FIND)
    assert outcome.code == 1
    assert outcome.out.count("loud") == 1
    assert "error: a.wav: unexpected RuntimeError (shapes differ); please report" in outcome.err


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names, or have none")
def test_name_that_is_not_utf8_is_read_like_any_other(run, stub, make_recording, tmp_path):
    made = make_recording("in/a.wav")
    os.rename(os.fsencode(made), os.fsencode(tmp_path) + b"/in/\xff.wav")
    make_recording("in/z.wav")
    outcome = run("detect", "in", *FIND, "-o", "out.csv", "--plot", "pictures/")
    assert outcome.code == 0
    assert len(list((tmp_path / "pictures").iterdir())) == 2
    found = (tmp_path / "out.csv").read_text(encoding="utf-8")
    assert "in/\ufffd.wav,1.0" in found
    assert "in/z.wav,1.0" in found


def full_disk(*arguments, **options):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("output", ["out.csv", "out/"])
def test_full_disk_stops_the_run(run, stub, make_recording, monkeypatch, output):
    make_recording("in/a.wav")
    make_recording("in/b.wav")
    monkeypatch.setattr(os, "replace", full_disk)
    outcome = run("detect", "in", *FIND, "-o", output)
    assert outcome.code == 1
    assert outcome.err.count("\n") == 1
    assert "can't be written (No space left on device)" in outcome.err
    assert len(stub.detector.recordings) == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
def test_full_device(run, stub, make_recording):
    make_recording("a.wav")
    outcome = run("detect", "a.wav", *FIND, "-o", "/dev/full")
    assert outcome.code == 1
    assert "/dev/full: can't be written (No space left on device)" in outcome.err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("option", ["--plot", "--save-scores"])
def test_picture_and_scores_never_replace_a_device(run, stub, make_recording, tmp_path, option):
    make_recording("a.wav")
    os.mkfifo(tmp_path / "pipe.png")
    outcome = run("detect", "a.wav", *FIND, option, "pipe.png")
    assert outcome.code == 2
    assert outcome.err == f"error: {option} pipe.png: is a device or pipe; name a file\n"
    assert (tmp_path / "pipe.png").is_fifo()
    assert stub.detector is None  # told before anything is computed


USAGE = {
    "no prompts": (["a.wav"], "no prompts: say what to listen for with -p"),
    "no recordings": (["-p", "loud"], "no recordings: name files or folders"),
    "empty path": (["", "-p", "loud"], "recording '' is an empty path"),
    "empty prompt": (["a.wav", "-p", "  "], "is empty"),
    "unusable prompt": (["a.wav", "-p", "unpronounceable"], "write words"),
    "prompt and suppressed": (["a.wav", "-p", "loud", "--not", "loud"], "asked for and suppressed"),
    "threshold above 1": (["a.wav", "-p", "loud", "--threshold", "1.5"], "threshold 1.5 must be within (0, 1]"),
    "threshold no number": (["a.wav", "-p", "loud", "--threshold", "high"], '"high"'),
    "unknown format": (["a.wav", "-p", "loud", "--format", "xml"], '"label-studio"'),
    "unknown option": (["a.wav", "-p", "loud", "--treshold", "0.5"], "--treshold"),
    "unknown suffix": (["a.wav", "-p", "loud", "-o", "out.xyz"], "suffix '.xyz' names no format"),
    "missing folder": (["a.wav", "-p", "loud", "-o", "no/such/out.csv"], "folder no/such does not exist"),
    "missing prompts file": (["a.wav", "--prompts", "none.txt"], "none.txt: can't be read"),
    "empty prompts file": (["a.wav", "--prompts", "empty.txt"], "empty.txt: holds no prompt"),
    "prompts not UTF-8": (["a.wav", "--prompts", "latin.txt"], "latin.txt, line 2: not UTF-8"),
    "one-recording format for two": (["a.wav", "b.wav", "-p", "loud", "--format", "srt"], "give a folder"),
    "one srt file for two": (["a.wav", "b.wav", "-p", "loud", "-o", "out.srt"], "give a folder"),
    "one picture for two": (["a.wav", "b.wav", "-p", "loud", "--plot", "p.png"], "--plot p/"),
    "one score file for two": (["a.wav", "b.wav", "-p", "loud", "--save-scores", "s.npz"], "--save-scores s/"),
    "unknown kind of picture": (["a.wav", "-p", "loud", "--plot", "p.xyz"], "no kind of picture"),
    "results over a recording": (["a.wav", "-p", "loud", "-o", "b.wav", "--format", "csv"], "could replace one"),
    "scores over a recording": (["a.wav", "-p", "loud", "--save-scores", "a.wav"], "could replace one"),
    "results over a linked recording": (["link", "-p", "loud", "-o", "a.csv"], "is the place of a recording"),
    "two results in one place": (["a.wav", "-p", "loud", "-o", "x.txt", "--save-scores", "./x.txt"], "another result"),
    "settings that are none": (["--settings", "letter.txt"], "is not a mapping"),
    "missing settings": (["--settings", "none.yaml"], "none.yaml"),
}


@pytest.mark.parametrize("case", USAGE)
def test_usage_errors_say_how(run, stub, make_recording, tmp_path, case):
    arguments, message = USAGE[case]
    make_recording("a.wav")
    make_recording("b.wav")
    (tmp_path / "empty.txt").write_text("# nothing\n\n")
    (tmp_path / "letter.txt").write_text("dear all\n" * 1000)
    (tmp_path / "a.csv").write_bytes((tmp_path / "a.wav").read_bytes())
    (tmp_path / "link").symlink_to(tmp_path / "a.csv")
    recordings = [(tmp_path / name).read_bytes() for name in ("a.wav", "b.wav", "a.csv")]
    (tmp_path / "latin.txt").write_bytes("siren\nsäge\n".encode("latin-1"))
    outcome = run("detect", *arguments)
    assert outcome.code == 2
    assert outcome.out == ""
    assert outcome.err.startswith("error: ")
    assert outcome.err.count("\n") == 1
    assert len(outcome.err) < 400
    assert message in outcome.err
    assert recordings == [(tmp_path / name).read_bytes() for name in ("a.wav", "b.wav", "a.csv")]


def test_unknown_model_names_the_known_ones(run, make_recording):
    make_recording("a.wav")
    outcome = run("detect", "a.wav", "-p", "loud", "--model", "opnflam")
    assert outcome.code == 2
    assert "did you mean 'openflam'?" in outcome.err


def test_picture_without_matplotlib(run, stub, make_recording, monkeypatch):
    make_recording("a.wav")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    outcome = run("detect", "a.wav", "-p", "loud", "--plot", "p.png")
    assert outcome.code == 2
    assert "pip install 'flam-audio[plot]'" in outcome.err
    assert stub.detector is None


def test_ctrl_c_before_anything_is_done(run, stub, make_recording, monkeypatch):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    make_recording("a.wav")
    monkeypatch.setattr("flam.load", interrupt)
    outcome = run("detect", "a.wav", *FIND)
    assert (outcome.code, outcome.err) == (130, "interrupted\n")
