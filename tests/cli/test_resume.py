"""A run that was stopped goes on where it was, and a run that was finished does nothing again."""

import os
from pathlib import Path

import pytest

from flam.annotations import read_events
from flam.jobs.manifest import ResultsFolder

N_RECORDINGS = 4


@pytest.fixture
def recordings(make_recording):
    return [make_recording(f"in/{number}.wav", loud=[(0.2 * number, 1.0)]) for number in range(N_RECORDINGS)]


def heard(stub):
    return [Path(path).name for path in stub.detector.recordings]


def stop_at(name):
    def on_recording(path):
        if Path(path).name == name:
            raise KeyboardInterrupt

    return on_recording


@pytest.mark.parametrize("output", ["out.json", "out/"])
def test_interrupted_run_goes_on(run, stub, recordings, tmp_path, output):
    command = ("detect", "in", "-p", "loud", "-o", output)
    stub.on_recording = stop_at("2.wav")
    interrupted = run(*command)
    assert interrupted.code == 130
    assert interrupted.err == (
        "interrupted: 2 of 4 recordings are done; they are kept, run the same command again to go on\n"
    )
    assert not (tmp_path / "out.json").exists()
    stub.on_recording = lambda path: None
    resumed = run(*command)
    assert resumed.code == 0
    assert heard(stub) == ["2.wav", "3.wav"]
    assert "4 recordings done (2 of them earlier), 4 events" in resumed.err


def test_file_of_a_resumed_run_equals_that_of_one_run(run, stub, recordings, tmp_path):
    run("detect", "in", "-p", "loud", "-o", "whole.csv")
    stub.on_recording = stop_at("3.wav")
    run("detect", "in", "-p", "loud", "-o", "resumed.csv")
    stub.on_recording = lambda path: None
    run("detect", "in", "-p", "loud", "-o", "resumed.csv")
    assert (tmp_path / "resumed.csv").read_text() == (tmp_path / "whole.csv").read_text()
    assert not (tmp_path / "resumed.csv.partial").exists()


def test_finished_recordings_are_left_alone(run, stub, recordings):
    command = ("detect", "in", "-p", "loud", "-o", "out/")
    run(*command)
    assert len(heard(stub)) == N_RECORDINGS
    assert run(*command).code == 0
    assert heard(stub) == []
    run(*command, "--overwrite")
    assert len(heard(stub)) == N_RECORDINGS


def test_what_changed_is_done_again(run, stub, recordings, tmp_path, make_recording):
    command = ("detect", "in", "-p", "loud", "-o", "out/")
    run(*command)
    os.utime(recordings[1], ns=(0, 0))
    run(*command)
    assert heard(stub) == ["1.wav"]
    make_recording("in/2.wav", duration_s=5.0)
    (tmp_path / "out" / "3.csv").unlink()
    run(*command)
    assert heard(stub) == ["2.wav", "3.wav"]


@pytest.mark.parametrize(
    "change", [("-p", "quiet"), ("--not", "quiet"), ("--threshold", "0.6"), ("--precision", "bf16")], ids=lambda c: c[0]
)
def test_other_settings_do_all_again(run, stub, recordings, change):
    command = ("detect", "in", "-p", "loud", "-o", "out/")
    run(*command)
    run(*command, *change)
    assert len(heard(stub)) == N_RECORDINGS


def test_another_model_does_all_again(run, stub, recordings):
    command = ("detect", "in", "-p", "loud", "-o", "out/")
    run(*command)
    (stub.folder / "model.safetensors").write_bytes(b"other")
    run(*command)
    assert len(heard(stub)) == N_RECORDINGS


def test_labels_of_the_user_are_not_replaced(run, stub, recordings, tmp_path):
    labels = tmp_path / "in" / "1.txt"
    labels.write_text("mine")
    command = ("detect", "in", "-p", "loud", "-o", "in/", "--format", "audacity")
    refused = run(*command)
    assert refused.code == 2
    assert refused.err == (
        "error: in/1.txt: exists and is of no earlier run; give another folder, or --overwrite to replace it\n"
    )
    assert labels.read_text() == "mine"
    assert run(*command, "--overwrite").code == 0
    assert "loud" in labels.read_text()


def test_results_that_were_written_but_not_noted_are_known_as_own(run, stub, recordings, monkeypatch):
    command = ("detect", "in", "-p", "loud", "-o", "out/")

    def killed(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ResultsFolder, "remember", killed)
        assert run(*command).code == 130
    assert run(*command).code == 0
    assert heard(stub) == ["0.wav", "1.wav", "2.wav", "3.wav"]


def test_interrupted_overwriting_goes_on(run, stub, recordings):
    command = ("detect", "in", "-p", "loud", "-o", "out/")
    run(*command)
    stub.on_recording = stop_at("2.wav")
    assert run(*command, "--overwrite").code == 130
    stub.on_recording = lambda path: None
    assert run(*command).code == 0
    assert heard(stub) == ["2.wav", "3.wav"]


def test_missing_picture_is_made(run, stub, recordings, tmp_path):
    command = ("detect", "in", "-p", "loud", "-o", "out/", "--save-scores", "scores/")
    run(*command)
    (tmp_path / "scores" / "1.npz").unlink()
    run(*command)
    assert heard(stub) == ["1.wav"]


def test_damaged_memory_does_the_recording_again(run, stub, recordings, tmp_path):
    command = ("detect", "in", "-p", "loud", "-o", "out/")
    run(*command)
    (tmp_path / "out" / ".flam" / "0.csv.json").write_text('{"recording": ')
    run(*command)
    assert heard(stub) == ["0.wav"]


def test_failed_recordings_alone_are_tried_again(run, stub, recordings, tmp_path):
    (tmp_path / "in" / "broken.wav").write_bytes(b"")
    command = ("detect", "in", "-p", "loud", "-o", "out.json")
    assert run(*command).code == 1
    assert len(read_events(tmp_path / "out.json")) == N_RECORDINGS
    recordings[0].rename(tmp_path / "in" / "broken.wav")
    assert run(*command).code == 0
    assert heard(stub) == ["broken.wav"]
    assert len(read_events(tmp_path / "out.json")) == N_RECORDINGS


def test_interrupted_stream_is_still_a_whole_document(run, stub, recordings):
    stub.on_recording = stop_at("2.wav")
    outcome = run("detect", "in", "-p", "loud", "--format", "json")
    assert outcome.code == 130
    assert outcome.out.endswith("\n]\n")
    assert outcome.err == "interrupted: 2 of 4 recordings are done\n"


def clips(tmp_path, folder="clips"):
    return sorted(path.name for path in (tmp_path / folder).glob("*.flac"))


@pytest.mark.parametrize("format", ["csv", "json", "audacity"])
def test_events_of_finished_recordings_are_cut_out_once_that_is_asked_for(run, stub, recordings, tmp_path, format):
    command = ("detect", "in", "-p", "loud", "-o", "out/", "--format", format)
    run(*command)
    done = run(*command, "--cut", "clips")
    assert done.code == 0
    assert len(clips(tmp_path)) == N_RECORDINGS
    assert len(heard(stub)) == (N_RECORDINGS if format == "audacity" else 0)  # which holds no scores
    expected = clips(tmp_path)
    run("detect", "in", "-p", "loud", "-o", "other/", "--cut", "other_clips")
    assert clips(tmp_path, "other_clips") == expected


def test_events_are_not_cut_out_twice(run, stub, recordings, tmp_path):
    command = ("detect", "in", "-p", "loud", "-o", "out/", "--cut", "clips")
    run(*command)
    first = tmp_path / "clips" / clips(tmp_path)[0]
    first.unlink()
    run(*command)
    assert (heard(stub), first.exists()) == ([], False)
    run(*command, "--cut-padding", 0.1)  # other clips
    assert (heard(stub), first.exists()) == ([], True)
    for name in clips(tmp_path):
        (tmp_path / "clips" / name).unlink()
    (tmp_path / "clips").rmdir()
    run(*command, "--cut-padding", 0.1)
    assert (heard(stub), len(clips(tmp_path))) == ([], N_RECORDINGS)


def test_events_that_were_found_again_are_cut_out_again(run, stub, recordings, tmp_path):
    command = ("detect", "in", "-p", "loud", "-o", "out/", "--cut", "clips")
    run(*command)
    os.utime(recordings[1], ns=(0, 0))
    (tmp_path / "clips" / clips(tmp_path)[1]).unlink()
    run(*command)
    assert (heard(stub), len(clips(tmp_path))) == (["1.wav"], N_RECORDINGS)


def test_a_recording_that_goes_before_it_is_cut_costs_its_clips_alone(run, stub, recordings, tmp_path):
    command = ("detect", "in", "-p", "loud", "-o", "out/")
    run(*command)
    kept = recordings[1].read_bytes()
    times = recordings[1].stat().st_mtime_ns
    recordings[1].write_bytes(b"x" * len(kept))
    os.utime(recordings[1], ns=(times, times))
    told = run(*command, "--cut", "clips")
    assert told.code == 1
    assert "1.wav: " in told.err
    assert "its events are not cut out" in told.err
    assert len(clips(tmp_path)) == N_RECORDINGS - 1
    recordings[1].write_bytes(kept)
    os.utime(recordings[1], ns=(times, times))
    assert run(*command, "--cut", "clips").code == 0
    assert len(clips(tmp_path)) == N_RECORDINGS
