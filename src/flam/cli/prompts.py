"""The words to listen for, from the command line and from a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flam.core import ConfigError
from flam.detection.kinds import everyday_prompts
from flam.detection.prompt_file import PromptEntry, PromptList, merged, read_prompt_file

EVERYDAY = "everyday"
MOST_PROMPTS = 10_000
MOST_CHARACTERS = 1_000
PER_HOUR = {"h": 1.0, "hour": 1.0, "min": 60.0, "minute": 60.0, "day": 1 / 24}


def collect_prompts(
    prompts: Sequence[str | PromptEntry], file: Path | None, suppress: Sequence[str] = ()
) -> PromptList:
    """Prompts in the order given, those of the file last, each once, without spaces around them.

    Parameters
    ----------
    prompts : Sequence[str | PromptEntry]
        texts, or entries of an earlier run; of a text that the file holds too, the file's entry is taken
    file : Path | None
        see ``flam.detection.prompt_file``. ``everyday``, where there is no such file, is a list of 300 sounds that
        comes with the program
    suppress : Sequence[str], default ()
        texts that suppress prompts, already without spaces around them, only checked

    Raises
    ------
    ConfigError
        no prompt at all, more than 10,000, one of more than 1,000 characters, one that is empty or also suppresses, or
        a file that can't be read

    Examples
    --------
    >>> collect_prompts(["siren", "dog barking", " siren"], None).names
    ('siren', 'dog barking')
    """
    for text in (*prompts, *suppress):
        if isinstance(text, str) and not text.strip():
            raise ConfigError("prompt '' is empty; write what the sound is, for example -p 'dog barking'")
    found = PromptList.of(prompts)
    if file is not None:
        found = merged(found, _read(file).prompts)
    if len(found.prompts) > MOST_PROMPTS:
        raise ConfigError(f"{len(found.prompts)} prompts are more than {MOST_PROMPTS}; ask for them in several runs")
    for text in (*found.texts, *suppress):
        _require_text(text)
    if not found.prompts:
        raise ConfigError("no prompts: say what to listen for with -p 'dog barking', or --prompts FILE, one a line")
    both = [text for entry in found.prompts for text in entry.texts if text in set(suppress)]
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

    Examples
    --------
    >>> stripped(["siren ", "siren"])
    ('siren',)
    """
    return tuple(dict.fromkeys(prompt.strip() for prompt in prompts))


def _read(file: Path) -> PromptList:
    if str(file) == EVERYDAY and not file.exists():
        return PromptList.of(everyday_prompts())
    return read_prompt_file(file)


def per_hour(rate: str) -> float:
    """A number of false alarms an hour from ``N/h``, ``N/min`` or ``N/day``.

    Raises
    ------
    ConfigError
        another form, or a number that is not above 0

    Examples
    --------
    >>> per_hour("1/h"), per_hour("2/min"), per_hour("12 / day")
    (1.0, 120.0, 0.5)
    """
    number, _, unit = rate.partition("/")
    try:
        value = float(number) * PER_HOUR[unit.strip()]
    except (ValueError, KeyError):
        value = 0.0
    if not 0 < value < float("inf"):
        raise ConfigError(f"--false-alarms {rate!r} is no rate above 0; write for example 1/h, 2/min or 12/day")
    return value
