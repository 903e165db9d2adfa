"""The documentation site builds without a warning, and every block of code in the guides runs as it stands there."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from flam.cli.main import main

ROOT = Path(__file__).parents[1]
GUIDES = [ROOT / "docs" / "quick_start.md", *sorted((ROOT / "docs" / "guides").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(language):
    return [
        pytest.param(code, id=f"{path.stem}-{number}")
        for path in GUIDES
        for number, (found, code) in enumerate(BLOCK.findall(path.read_text(encoding="utf-8")))
        if found == language
    ]


@pytest.fixture
def in_root_with_output_elsewhere(tmp_path, monkeypatch):
    """A folder that looks like the root of the project but takes what the commands write."""
    (tmp_path / "src").symlink_to(ROOT / "src")
    monkeypatch.chdir(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("code", blocks("python"))
def test_python_block(code, in_root_with_output_elsewhere, capsys):
    exec(compile(code, "guide", "exec"), {})
    assert capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("code", blocks("sh"))
def test_commands(code, in_root_with_output_elsewhere):
    for line in code.splitlines():
        program, *arguments = shlex.split(line, comments=True)
        assert program == "flam"
        assert main(arguments) == 0


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_site_builds_without_a_warning(tmp_path):
    pytest.importorskip("sphinx")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-q",
        "-W",
        "--keep-going",
        "-b",
        "dummy",
        "-d",
        str(tmp_path / "doctrees"),
    ]
    done = subprocess.run([*command, str(ROOT / "docs"), str(tmp_path / "site")], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
