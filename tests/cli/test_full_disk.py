"""A disk that takes no more is told in one line by every verb, and no half-written file is left."""

import contextlib

import numpy as np
import pytest
import soundfile

from flam.core import OutputError, atomic_path

resource = pytest.importorskip("resource", reason="limits of POSIX")


@contextlib.contextmanager
def files_no_larger_than(n_bytes):
    """Writing more fails as on a full disk, with another error number."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def recordings(make_recording, tmp_path):
    for number in range(20):
        make_recording(f"in/{number:02d}.wav", 3.0, ((1.0, 2.0),))
    return tmp_path / "in"


def require_told_in_one_line(done, *outputs):
    assert done.code == 1
    assert done.err.count("\n") == 1, done.err
    assert done.err.startswith("error: ")
    assert "can't be written" in done.err
    for output in outputs:
        assert not output.exists()


@pytest.mark.parametrize("output", ["all.csv", "all.jsonl", "out/"])
def test_detect(run, stub, recordings, tmp_path, output):
    prompts = [word for number in range(30) for word in ("-p", f"sound {number} that is asked for by a long name")]
    with files_no_larger_than(1_000):
        done = run("detect", recordings, *prompts, "--threshold", 0.1, "-o", output, "-q")
    require_told_in_one_line(done, tmp_path / "all.csv", tmp_path / "all.jsonl")
    assert not list(tmp_path.rglob("*.part"))
    assert not list(tmp_path.rglob("*.lock"))


def test_cut(run, stub, recordings, tmp_path):
    with files_no_larger_than(20_000):
        done = run(
            "detect", recordings, "-p", "loud", "--threshold", 0.5, "--cut", "clips", "--cut-format", "wav", "-q"
        )
    assert done.code == 1
    assert done.err.count("\n") == 1
    assert not list((tmp_path / "clips").rglob("*"))


def test_tag(run, stub, recordings, tmp_path):
    with files_no_larger_than(100):
        done = run("tag", recordings, "-p", "loud", "-o", "tags.csv", "-q")
    require_told_in_one_line(done, tmp_path / "tags.csv")


def test_scan(run, tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(20):
        noise = np.random.default_rng(number).normal(0, 0.1, 4_800)
        soundfile.write(tmp_path / "in" / f"{number:02d}.wav", noise, 48_000)
    with files_no_larger_than(2_000):
        done = run("library", "scan", "in", "-o", "library.csv", "--workers", 0, "-q")
    require_told_in_one_line(done, tmp_path / "library.csv")
    assert run("library", "scan", "in", "-o", "library.csv", "--workers", 0, "-q").code == 0  # and it goes on


def test_tags_beside(run, stub, recordings, tmp_path):
    with files_no_larger_than(20):
        done = run("tag", recordings, "-p", "loud", "--beside", "-q")
    require_told_in_one_line(done)
    assert not list(recordings.glob("*.tags.csv"))
    assert run("tag", recordings, "-p", "loud", "--beside", "-q").code == 0


@pytest.mark.parametrize("kind", ["shards", "files", "plans"])
def test_scenes(run, tmp_path, monkeypatch, kind):
    monkeypatch.setenv("FLAM_CACHE", str(tmp_path / "cache"))
    (tmp_path / "short.yaml").write_text("duration_s: 2.0\nbackground_share: 0.0\n")
    render = ("synth", "render", "short.yaml", "-o", "out", "-n", 2, "--workers", 0, "--takes", 1)
    command = {
        "shards": render,
        "files": (*render, "--files", "csv"),
        "plans": ("synth", "plan", "short.yaml", "-o", "out.jsonl", "-n", 40, "--takes", 1),
    }[kind]
    with files_no_larger_than(4_000):
        done = run(*command, "-q")
    assert done.code == 1
    assert done.err.count("\n") == 1, done.err
    assert "can't be written" in done.err
    assert not (tmp_path / "out.jsonl").exists()
    again = run(*command, "-q")
    assert again.code == 0, again.err


def test_checkpoint_of_torch(tmp_path):
    torch = pytest.importorskip("torch")
    told = pytest.raises(OutputError, match=r"a\.pt: can't be written")
    with files_no_larger_than(2_000), told, atomic_path(tmp_path / "a.pt") as part:
        torch.save({"weights": torch.zeros(10_000)}, part)
    assert not list(tmp_path.iterdir())
