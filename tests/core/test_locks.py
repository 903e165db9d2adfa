"""One writer for each output: the second is refused and told whose it is, and a dead one holds nothing."""

import os
import signal
import subprocess
import sys

import pytest

from flam.core import OutputError
from flam.core.files import output_lock

HOLD = """
import sys, time
from flam.core.files import output_lock
with output_lock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(100)
"""


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
