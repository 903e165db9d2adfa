"""Files are read and written whole or not at all, and an output has one writer."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from flam.core import AnnotationError, ConfigError, OutputError, atomic_path, atomic_text, read_text
from flam.core.files import output_lock

HOLD = """
import sys, time
from flam.core.files import output_lock
with output_lock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(100)
"""


def test_text_comes_without_the_mark_of_some_editors(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfs\xc3\xa4ge\r\n")
    assert read_text(tmp_path / "a.txt", ConfigError) == "säge\r\n"


def test_what_cannot_be_read_raises_the_class_asked_for(tmp_path):
    (tmp_path / "latin.txt").write_bytes(b"siren\ns\xe4ge\n")
    with pytest.raises(ConfigError, match=r"latin\.txt, line 2: not UTF-8"):
        read_text(tmp_path / "latin.txt", ConfigError)
    with pytest.raises(AnnotationError, match=r"none\.txt: can't be read \(No such file or directory\)"):
        read_text(tmp_path / "none.txt", AnnotationError)
    with pytest.raises(AnnotationError, match="null"):
        read_text("a\0b", AnnotationError)


@pytest.mark.parametrize("had", [None, "before"])
def test_failure_leaves_what_was_there_and_nothing_else(tmp_path, had):
    path = tmp_path / "events.csv"
    if had is not None:
        path.write_text(had)

    def write_half():
        with atomic_text(path) as file:
            file.write("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert {found.name: found.read_text() for found in tmp_path.iterdir()} == ({} if had is None else {path.name: had})


def test_nothing_has_the_name_before_all_is_written(tmp_path):
    path = tmp_path / "events.csv"
    with atomic_text(path) as file:
        file.write("a\n")
        file.flush()
        assert not path.exists()
    assert path.read_bytes() == b"a\n"
    assert list(tmp_path.iterdir()) == [path]


def test_link_stays_a_link(tmp_path):
    (tmp_path / "deep").mkdir()
    real, link = tmp_path / "deep" / "real.png", tmp_path / "link.png"
    real.write_bytes(b"old")
    link.symlink_to(real)
    with atomic_path(link) as part:
        part.write_bytes(b"new")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"
    assert list(real.parent.iterdir()) == [real]


@pytest.mark.parametrize(
    ("name", "rule"),
    [("", "is a folder; name a file in it"), ("none/a.txt", "No such file"), ("x" * 300, "File name too long")],
)
def test_place_that_takes_no_file(tmp_path, name, rule):
    path = tmp_path / name

    def write():
        with atomic_text(path) as file:
            file.write("a")

    with pytest.raises(OutputError, match=rule) as caught:
        write()
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has a device that is always full")
def test_device_is_written_directly_and_its_failure_is_told():
    def fill():
        with atomic_text(Path("/dev/full")) as file:
            file.write("a" * 100_000)

    with pytest.raises(OutputError, match=r"/dev/full: can't be written \(No space left on device\)"):
        fill()
    with atomic_text(Path("/dev/null")) as file:
        file.write("a")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_what_is_no_plain_file_is_never_replaced(tmp_path):
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    with pytest.raises(OutputError, match="is a device or pipe"), atomic_path(pipe) as part:
        part.write_bytes(b"new")
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]


def test_error_about_another_file_passes_unchanged(tmp_path):
    def read_while_writing():
        with atomic_text(tmp_path / "out.csv"):
            (tmp_path / "missing.wav").read_bytes()

    with pytest.raises(FileNotFoundError):
        read_while_writing()
    assert list(tmp_path.iterdir()) == []


def holder(output):
    child = subprocess.Popen([sys.executable, "-c", HOLD, str(output)], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "held\n"
    return child


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_second_writer_is_refused_and_a_dead_one_is_not_waited_for(kind, tmp_path):
    output = tmp_path / "out"
    if kind == "folder":
        output.mkdir()
    child = holder(output)
    with pytest.raises(OutputError, match=rf"out: process {child.pid} writes there; wait"), output_lock(output):
        pass
    with pytest.raises(OutputError, match=str(child.pid)), output_lock(output):  # the first refusal changed nothing
        pass
    child.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
    child.communicate()
    with output_lock(output), pytest.raises(OutputError, match=str(os.getpid())), output_lock(output):
        pass
    assert [path for path in tmp_path.rglob("*") if path != output] == []  # nothing is left


def test_a_link_and_what_it_points_to_are_one_output(tmp_path):
    (tmp_path / "real.csv").touch()
    (tmp_path / "link.csv").symlink_to("real.csv")
    with output_lock(tmp_path / "real.csv"), pytest.raises(OutputError), output_lock(tmp_path / "link.csv"):
        pass


def test_no_place_to_write_is_told(tmp_path):
    output = tmp_path / "none" / "out.csv"
    with pytest.raises(OutputError, match=r"none/out\.csv: can't be written"), output_lock(output):
        pass
