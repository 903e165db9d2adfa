"""Words out of file names: numbers, ids and technical remarks dropped, the rest in lower case."""

from __future__ import annotations

import re

FEWEST_WORDS, MOST_WORDS = 2, 13

_AUDIO_SUFFIX = re.compile(r"\.(?:wave?|flac|og[ga]|opus|mp[34]|aiff?|m4a|caf|w64|webm|aac|wma)\b", re.IGNORECASE)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NUMBERED = re.compile(r"^([^\W\d_]{3,})\d+$")
_NOT_WORD = re.compile(r"[^\w'’]+|_+")
_TECHNICAL_WORDS = """
    wav wave flac ogg mp3 aif aiff m4a opus audio file sample samples sfx snd fx foley mono stereo loop looped
    loopable take final edit edited mix master mastered copy untitled freesound khz hz bit kbps
"""
_SHORT_NOUNS = "tv pc hi ox dj"
_FUNCTION_WORDS = "a i an in on of to by at is it up no or my as"
_TECHNICAL, _NOUNS = frozenset(_TECHNICAL_WORDS.split()), frozenset(_SHORT_NOUNS.split())
_FUNCTION = frozenset(_FUNCTION_WORDS.split())


def plain_words(text: str) -> str:
    """Words of a file name, a label or a tag, in lower case; nothing of an id, a number or an audio format is left.

    Examples
    --------
    >>> plain_words("DogBark_03-final (48kHz).wav")
    'dog bark'
    >>> plain_words("ambulance_siren2__x7f3a9")
    'ambulance siren'
    """
    spaced = _CAMEL.sub(" ", _AUDIO_SUFFIX.sub(" ", text))
    words = [_NUMBERED.sub(r"\1", word.strip("'’").lower()) for word in _NOT_WORD.split(spaced)]
    kept = [word for word in words if _is_word(word)]
    return "" if _FUNCTION.issuperset(kept) else " ".join(kept)


def _is_word(word: str) -> bool:
    if not word or word in _TECHNICAL or any(character.isdigit() for character in word):
        return False
    return len(word) > 2 or word in _NOUNS | _FUNCTION or not word.isascii()
