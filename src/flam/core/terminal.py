"""Text from files, names and prompts on its way to a terminal, where control characters would act."""

from __future__ import annotations

import codecs
import sys
import unicodedata
from typing import TextIO

# control, format (bidirectional marks among them), surrogate, private, and the separators that end a line
_UNSAFE = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
_JOINERS = "\u200c\u200d"  # a part of words in some scripts and of emoji, and harmless
ESCAPE = "flam.escape"


def printable(text: str, keep: str = "") -> str:
    r"""The text with every character that could act on a terminal written as an escape, such as ``\x1b``.

    Parameters
    ----------
    text : str
        Anything, such as the name of a file or a prompt.
    keep : str
        Characters that stay as they are, such as line breaks.

    Returns
    -------
    str
        The same text where it holds none of them.

    Examples
    --------
    >>> printable("dog\x1b[31m bark"), printable("犬の声, naïve")
    ('dog\\x1b[31m bark', '犬の声, naïve')
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        _escaped(character)
        if unicodedata.category(character) in _UNSAFE and character not in keep and character not in _JOINERS
        else character
        for character in text
    )


class TerminalWriter:
    """A text stream that is safe to show: what is written to it is ``printable``, line breaks and tabs kept.

    Parameters
    ----------
    stream : TextIO
        The terminal.
    """

    def __init__(self, stream: TextIO):
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a piece of text."""
        return self._stream.write(printable(text, keep="\n\t"))

    def writelines(self, lines: list[str]) -> None:
        """Write several pieces of text."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


def safe_stdout() -> TextIO:
    """Standard output for text from files: no character fails it, and none acts on a terminal."""
    escape_unencodable(sys.stdout)
    return TerminalWriter(sys.stdout) if sys.stdout.isatty() else sys.stdout  # type: ignore[return-value]


def print_safely(*lines: str) -> None:
    """Print lines of text from files, ``printable`` where standard output is a terminal."""
    is_shown = sys.stdout.isatty()
    for line in lines:
        sys.stdout.write((printable(line, keep="\t") if is_shown else line) + "\n")


def escape_unencodable(stream: TextIO) -> None:
    r"""Let a stream write characters that its encoding lacks as ``\ud83d\udc15``, as JSON does, instead of failing.

    Parameters
    ----------
    stream : TextIO
        Such as ``sys.stdout``; one that can't be changed stays as it is.
    """
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors=ESCAPE)


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else _escaped_units(character)


def _escaped_units(text: str) -> str:
    units = text.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return _escaped_units(error.object[error.start : error.end]), error.end


codecs.register_error(ESCAPE, _escape)
