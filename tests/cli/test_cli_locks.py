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
    ],
    ids=["train", "finetune", "scan", "evaluate", "render"],
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
