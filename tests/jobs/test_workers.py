"""Several processes find what one finds, in the same order, and a recording that fails stops none of them."""

import shutil

import pytest

from flam.cli.main import main
from flam.jobs.workers import choose_jobs


@pytest.mark.slow
def test_several_processes_write_what_one_writes(make_recording, tmp_path, capsys):
    for number in range(3):
        make_recording(f"in/{number}.wav", duration_s=2.0)
    (tmp_path / "in" / "1b.wav").write_bytes(b"RIFF no sound")
    outputs = {}
    for jobs in (1, 2):
        code = main(["detect", str(tmp_path / "in"), "-p", "beep", "--threshold", "0.01", "-q", "--jobs", str(jobs)])
        printed = capsys.readouterr()
        outputs[jobs] = printed.out
        assert code == 1
        assert printed.err.count("error:") == 1
        assert "1b.wav" in printed.err
    assert outputs[1] == outputs[2] != ""


@pytest.mark.slow
def test_a_rerun_with_several_processes_does_only_what_is_missing(make_recording, tmp_path, capsys):
    for number in range(3):
        make_recording(f"in/{number}.wav", duration_s=1.0)
    command = ["detect", str(tmp_path / "in"), "-p", "beep", "-q", "--jobs", "2", "-o", str(tmp_path / "out")]
    assert main(command) == 0
    shutil.rmtree(tmp_path / "out" / ".flam" / "1", ignore_errors=True)
    (tmp_path / "out" / "1.csv").unlink()
    assert main(command) == 0
    assert "3 recordings done" in capsys.readouterr().err
    assert sorted(path.name for path in (tmp_path / "out").glob("*.csv")) == ["0.csv", "1.csv", "2.csv"]


def test_jobs_out_of_range_are_refused(make_recording, capsys):
    path = make_recording("a.wav")
    assert main(["detect", str(path), "-p", "beep", "--jobs", "0"]) == 2
    assert "--jobs 0 must be at least 1" in capsys.readouterr().err


def test_jobs_are_chosen_by_the_number_of_recordings(monkeypatch):
    monkeypatch.setattr("flam.jobs.workers.available_cores", lambda: 4)
    assert [choose_jobs(None, n) for n in (1, 15, 16, 1_000)] == [1, 1, 4, 4]
    assert [choose_jobs(8, n) for n in (1, 5, 100)] == [1, 5, 8]
