"""Every verb that writes refuses an output on which another run is at work, in one line, before it works."""

from pathlib import Path

import pytest

from flam.core import output_lock

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.mark.parametrize(
    ("arguments", "output", "beside"),
    [
        (("train", CONFIGS / "smoke.yaml", "-o", "out"), "out", False),
        (("finetune", "in", "-o", "./out"), "out", True),
        (("library", "scan", "in", "-o", "library.csv"), "library.csv", False),
        (("evaluate", "-o", "out"), "out", True),
        (("synth", "render", "-o", "out", "-n", 1), "out", False),
        (("synth", "plan", "-o", "plans.jsonl", "-n", 1), "plans.jsonl", False),
        (("models", "export", "flam-mini", "-o", "out"), "out", False),
        (("tag", "in", "-o", "tags.csv"), "tags.csv", False),
        (("review", "in", "-p", "loud", "-o", "words.yaml"), "words.yaml", False),
        (("calibrate", "labels.csv", "in", "-o", "words.yaml"), "words.yaml", False),
    ],
    ids=["train", "finetune", "scan", "evaluate", "render", "plan", "export", "tag", "review", "calibrate"],
)
def test_second_run_is_refused(run, make_recording, tmp_path, arguments, output, beside):
    make_recording("in/a.wav")
    if "." not in output:
        (tmp_path / output).mkdir()
    with output_lock(tmp_path / output, beside):
        refused = run(*arguments)
    assert refused.code == 1, refused.err
    assert refused.err.count("\n") == 1
    assert "writes there; wait until it is done" in refused.err
    assert "process" in refused.err
    assert not [path for path in tmp_path.rglob("*") if path.name not in ("in", "a.wav", output)]


@pytest.mark.parametrize(
    "arguments",
    [
        ("review", "in", "-p", "loud", "-o", "nowhere/words.yaml"),
        ("calibrate", "labels.csv", "in", "-o", "nowhere/words.yaml"),
        ("search", "archive", "-p", "loud", "--sheet", "nowhere/hits.png"),
        ("search", "archive", "-p", "loud", "--cut", "in/a.wav"),
        ("evaluate", "-o", "in/a.wav"),
    ],
    ids=["review", "calibrate", "sheet", "cut", "evaluate"],
)
def test_a_place_that_can_not_be_written_is_told_before_the_work(run, make_recording, tmp_path, arguments):
    make_recording("in/a.wav")
    refused = run(*arguments)
    assert refused.code in (1, 2)
    assert refused.err.count("\n") == 1
    assert "does not exist" in refused.err or "can't be made" in refused.err


@pytest.mark.parametrize("port", [-1, 65_536, 10**9])
def test_a_port_that_is_none_is_refused(run, port):
    pytest.importorskip("uvicorn")
    refused = run("serve", "--port", port)
    assert refused.code == 2
    assert f"port {port} must be from 0 to 65535" in refused.err
