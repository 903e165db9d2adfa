"""The words to listen for, from the command line and from a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flam.core import ConfigError, read_text
from flam.detection.everyday import everyday_prompts

EVERYDAY = "everyday"
MOST_PROMPTS = 10_000
MOST_CHARACTERS = 1_000


def collect_prompts(prompts: Sequence[str], file: Path | None, suppress: Sequence[str] = ()) -> tuple[str, ...]:
    """Prompts in the order given, those of the file last, each once, without spaces around them.

    Parameters
    ----------
    prompts : texts
    file : one prompt a line; empty lines and lines that begin with ``#`` don't count. ``everyday``, where there is no
        such file, is a list of 300 sounds that comes with the program
    suppress : texts that suppress prompts, already without spaces around them, only checked

    Raises
    ------
    ConfigError : no prompt at all, more than 10,000, one of more than 1,000 characters, one that is empty or also
        suppresses, or a file that can't be read

    >>> collect_prompts(["siren", "dog barking", " siren"], None)
    ('siren', 'dog barking')
    """
    prompts = stripped(prompts)
    for text in (*prompts, *suppress):
        if not text:
            raise ConfigError(f"prompt {text!r} is empty; write what the sound is, for example -p 'dog barking'")
    found = tuple(dict.fromkeys([*prompts, *(() if file is None else _read(file))]))
    if len(found) > MOST_PROMPTS:
        raise ConfigError(f"{len(found)} prompts are more than {MOST_PROMPTS}; ask for them in several runs")
    for text in (*found, *suppress):
        _require_text(text)
    if not found:
        raise ConfigError("no prompts: say what to listen for with -p 'dog barking', or --prompts FILE, one a line")
    both = [prompt for prompt in found if prompt in set(suppress)]
    if both:
        raise ConfigError(f"prompt {both[0]!r} is asked for and suppressed; take it out of -p or --not")
    return found


def _require_text(prompt: str) -> None:
    if len(prompt) > MOST_CHARACTERS:
        raise ConfigError(
            f"prompt {prompt[:40]!r}... has {len(prompt)} characters, more than {MOST_CHARACTERS}; "
            "write what the sound is in a few words"
        )
    if not prompt.isascii() and not prompt.encode("utf-8", "replace").decode() == prompt:
        raise ConfigError(f"prompt {prompt!r} is not text in Unicode; write it in the encoding of the terminal")


def stripped(prompts: Sequence[str]) -> tuple[str, ...]:
    """Prompts without spaces around them, each once.

    >>> stripped(["siren ", "siren"])
    ('siren',)
    """
    return tuple(dict.fromkeys(prompt.strip() for prompt in prompts))


def _read(file: Path) -> Sequence[str]:
    if str(file) == EVERYDAY and not file.exists():
        return everyday_prompts()
    lines = [line.strip() for line in read_text(file, ConfigError).splitlines()]
    prompts = [line for line in lines if line and not line.startswith("#")]
    if not prompts:
        raise ConfigError(f"{file}: holds no prompt; write one a line")
    return prompts
