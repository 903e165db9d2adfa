"""Text ids: the same words have the same number everywhere, so that a caption that repeats is known as one."""

from __future__ import annotations

import hashlib
from functools import lru_cache

PADDING_ID = -1


def normalised(text: str) -> str:
    """Lower case, with single spaces.

    Examples
    --------
    >>> normalised("  A Dog\\n barks ")
    'a dog barks'
    """
    return " ".join(text.lower().split())


@lru_cache(maxsize=1 << 16)  # phrases are asked for in every batch
def text_id(text: str) -> int:
    """Number of a text, 0 or greater, below 2**63: equal for texts that are equal once normalised; -1 for no text.

    Examples
    --------
    >>> text_id("A dog  barks") == text_id("a dog barks"), text_id(" ")
    (True, -1)
    """
    words = normalised(text)
    if not words:
        return PADDING_ID
    return int.from_bytes(hashlib.blake2b(words.encode(), digest_size=8).digest(), "big") >> 1
