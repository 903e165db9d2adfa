"""Every command and every Python block of the README runs as it stands there."""

import re
import shlex
from pathlib import Path

import pytest

from flam.cli.main import main

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
PYTHON = [code for language, code in BLOCKS if language == "python"]
COMMANDS = [line for language, code in BLOCKS if language == "sh" for line in code.splitlines()]
TARGETS = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.fixture
def in_root_with_output_elsewhere(tmp_path, monkeypatch):
    """A folder that looks like the root of the project but takes what the commands write."""
    for name in ("src", "configs", "docs"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("code", PYTHON)
def test_python_block(code, in_root_with_output_elsewhere, capsys):
    exec(compile(code, "README.md", "exec"), {})
    assert "telephone ringing" in capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS)
def test_command(command, in_root_with_output_elsewhere):
    program, *arguments = shlex.split(command)
    if program == "make":
        assert arguments[0] in TARGETS
    else:
        assert program == "flam"
        assert main(arguments) == 0
        assert list(in_root_with_output_elsewhere.rglob("labels/*.txt"))


def test_the_readme_has_both():
    assert PYTHON
    assert {"make demo", "make test"} <= set(COMMANDS)


@pytest.mark.parametrize("link", re.findall(r"\]\((?!http)([^)]+)\)", (ROOT / "README.md").read_text(encoding="utf-8")))
def test_links_lead_somewhere(link):
    assert (ROOT / link).exists()
