"""Nothing that acts on a terminal reaches it, and an encoding that lacks a character loses only that."""

import io
import json

import pytest

from flam.core.terminal import TerminalWriter, escape_unencodable, printable

ACTING = ["\x1b]0;title\x07", "\x9b31m", "a\rb", "\x08", "\u202ertl", "\u2066", "\u200b", "\u2028", "\udcff", "\x7f"]


@pytest.mark.parametrize("text", ACTING)
def test_what_acts_on_a_terminal_is_escaped(text):
    shown = printable(f"dog {text} bark")
    assert shown.startswith("dog ")
    assert shown.endswith(" bark")
    assert "\\" in shown
    assert printable(shown) == shown
    stream = io.StringIO()
    TerminalWriter(stream).write(f"a\t{text}\n")
    assert stream.getvalue() == f"a\t{printable(text)}\n"


@pytest.mark.parametrize("text", ["dog", "犬の声", "کلمه\u200cها", "👩\u200d🚒", "naïve ́", "a b"])
def test_words_of_any_script_stay_as_they_are(text):
    assert printable(text) == text


@pytest.mark.parametrize(("text", "encoding"), [("дог 🐕.wav", "cp1252"), ("\udcff", "utf-8"), ("ü", "ascii")])
def test_unencodable_characters_are_written_as_json_writes_them(text, encoding):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    escape_unencodable(stream)
    stream.write(json.dumps(text, ensure_ascii=False))
    stream.flush()
    assert json.loads(raw.getvalue().decode(encoding)) == text
