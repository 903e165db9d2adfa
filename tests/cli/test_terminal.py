"""What names and prompts hold never acts on the terminal, and what the console lacks costs that name alone."""

import io
import json
import sys

import numpy as np
import pytest
import soundfile

from flam.cli.main import main

ACTING = "dog\x1b[31m \u202ebark"


class Terminal(io.TextIOWrapper):
    """A stream that says it is a terminal."""

    def __init__(self, encoding="utf-8"):
        super().__init__(io.BytesIO(), encoding=encoding)

    def isatty(self):
        return True

    def text(self):
        self.flush()
        return self.buffer.getvalue().decode(self.encoding)


@pytest.fixture
def terminal(monkeypatch):
    def attach():
        streams = Terminal(), Terminal()
        monkeypatch.setattr(sys, "stdout", streams[0])
        monkeypatch.setattr(sys, "stderr", streams[1])
        return streams

    return attach  # pytest puts streams of its own in their place between a fixture and its test


@pytest.mark.parametrize("format", ["table", "csv", "jsonl", "json", "dcase"])
def test_prompts_and_names_are_escaped_on_a_terminal(stub, make_recording, terminal, format):
    path = make_recording(f"{ACTING}.wav", 2.0, ((0.5, 1.0),))
    streams = terminal()
    # every prompt but "loud" scores 0.2 throughout
    code = main(["detect", str(path), "-p", ACTING, "--threshold", "0.1", "--format", format, "-q"])
    out, err = (stream.text() for stream in streams)
    assert code == 0, err
    assert "dog" in out
    assert "\x1b[31m" not in out
    assert "\u202e" not in out + err


def test_errors_are_escaped(terminal):
    _, err = terminal()
    assert main(["detect", f"{ACTING}.wav", "-p", "dog", "--model", f"none{ACTING}"]) in (1, 2)
    assert "\\x1b" in err.text()
    assert "\x1b" not in err.text()
    assert "\u202e" not in err.text()


def test_name_that_the_console_lacks_costs_that_name_alone(stub, make_recording, monkeypatch, tmp_path):
    for name in ("a.wav", "дог.wav", "z.wav"):
        make_recording(f"in/{name}", 2.0, ((0.5, 1.0),))
    out, err = Terminal("cp1252"), Terminal("cp1252")
    out.isatty = err.isatty = lambda: False
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    code = main(["detect", str(tmp_path / "in"), "-p", "loud", "--threshold", "0.5", "--format", "csv"])
    assert code == 0, err.text()
    lines = out.text().splitlines()
    assert len(lines) == 4
    assert "\\u0434\\u043e\\u0433.wav" in out.text()
    assert "lacks" in err.text()


def test_cards_of_models_are_escaped_on_a_terminal(terminal, tmp_path, monkeypatch):
    monkeypatch.setenv("FLAM_MODELS", str(tmp_path / "models"))
    folder = tmp_path / "models" / "own"
    folder.mkdir(parents=True)
    card = {"name": "own", "summary": ACTING, "licence": ACTING, "facts": {"a": ACTING}}
    (folder / "config.json").write_text(json.dumps({"format": "flam-checkpoint-1", "model": {}, "card": card}))
    for arguments in (["models", "info", str(folder)], ["models", "list"]):
        out, err = terminal()
        assert main(arguments) == 0, err.text()
        assert "\\x1b" in out.text()
        assert "\x1b[31m" not in out.text()
        assert "\u202e" not in out.text()


def test_tables_of_libraries_are_escaped_on_a_terminal(terminal, tmp_path):
    soundfile.write(tmp_path / "a.wav", 0.1 * np.random.default_rng(0).standard_normal(4_800), 48_000)
    rows = f"id,file,label,caption,kind,group,source,licence\na,a.wav,{ACTING},,event,a,{ACTING},{ACTING}\n"
    (tmp_path / "manifest.csv").write_text(rows)
    table = str(tmp_path / "library.csv")
    assert main(["library", "scan", str(tmp_path / "manifest.csv"), "-o", table, "--workers", "0", "-q"]) == 0
    out, err = terminal()
    assert main(["library", "show", table]) == 0, err.text()
    assert "dog\\x1b[31m" in out.text()
    assert "\x1b" not in out.text()


@pytest.mark.parametrize("verb", ["tag", "compare"])
def test_lists_of_other_verbs_are_escaped_on_a_terminal(stub, make_recording, terminal, tmp_path, verb):
    path = make_recording(f"in/{ACTING}.wav", 2.0, ((0.5, 1.0),))
    (tmp_path / "truth.csv").write_text(f"recording,onset_s,offset_s,prompt\n{path.name},0.5,1.0,{ACTING}\n")
    given = [str(path), "-p", ACTING] if verb == "tag" else [str(tmp_path / "truth.csv")] * 2
    out, err = terminal()
    assert main([verb, *given, "-q"]) == 0, err.text()
    assert "\\x1b" in out.text()
    assert "\x1b[31m" not in out.text() + err.text()
    assert "\u202e" not in out.text() + err.text()
