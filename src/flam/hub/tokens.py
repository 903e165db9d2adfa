"""From texts to the tables of token ids that text towers take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from flam.core import ModelError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TEXTS_AT_ONCE = 256
CUT_SHOWN_CHARACTERS = 40


class TokenTable(NamedTuple):
    """Token ids, (K, L) int64, and a mask, (K, L) bool, True where a token is real."""

    ids: np.ndarray
    mask: np.ndarray


def tokenize(tokenizer: Tokenizer, texts: Sequence[str], max_tokens: int, pad_id: int) -> TokenTable:
    """Encode texts, cut to ``max_tokens`` and padded to the longest of them only.

    Parameters
    ----------
    tokenizer : tokenizers.Tokenizer
        Its own padding and truncation, which many files switch on, are switched off.
    texts : sequence of str
        K texts.
    max_tokens : int
        Longer texts lose what follows, but keep the end mark of tokenizers that have one.
    pad_id : int
        Token that fills the shorter rows.

    Raises
    ------
    ModelError
        A text is empty, is not Unicode, or holds nothing the tokenizer knows; the tokenizer contradicts itself.

    Examples
    --------
    >>> from tokenizers import Tokenizer
    >>> from tokenizers.models import WordLevel
    >>> from tokenizers.pre_tokenizers import Whitespace
    >>> tokenizer = Tokenizer(WordLevel({"?": 1, "dog": 2, "barking": 3}, unk_token="?"))
    >>> tokenizer.pre_tokenizer = Whitespace()
    >>> tokenize(tokenizer, ["dog barking", "dog"], max_tokens=77, pad_id=0).ids.tolist()
    [[2, 3], [2, 0]]
    """
    for text in texts:
        if not text.strip():
            raise ModelError(f"prompt {text!r} is empty; a prompt needs at least one word")
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise ModelError(f"prompt {text!r} is not Unicode text; write it in UTF-8")
    tokenizer.no_padding()
    tokenizer.no_truncation()
    try:
        encodings = tokenizer.encode_batch(list(texts))
    except Exception as error:  # the library raises nothing narrower
        raise ModelError(f"tokenizer.json is damaged ({error}); fetch or convert the model again") from error
    rows = []
    for text, encoding in zip(texts, encodings, strict=True):
        ids = encoding.ids
        if not ids:
            raise ModelError(f"prompt {text!r} holds nothing this model can read; write it in words")
        if len(ids) > max_tokens:
            n_end_marks = encoding.special_tokens_mask[-1]
            ids = ids[: max_tokens - n_end_marks] + ids[len(ids) - n_end_marks :]
        rows.append(ids)
    longest = max((len(ids) for ids in rows), default=1)
    table = np.full((len(rows), longest), pad_id, np.int64)
    mask = np.zeros((len(rows), longest), bool)
    for row, ids in enumerate(rows):
        table[row, : len(ids)] = ids
        mask[row, : len(ids)] = True
    return TokenTable(table, mask)


def token_batches(
    tokenizer: Tokenizer, texts: Sequence[str], max_tokens: int, pad_id: int
) -> Iterator[tuple[list[int], TokenTable]]:
    """Encode many texts in batches of similar length, so that little is padding.

    Returns
    -------
    iterator of (list of int, TokenTable)
        The places of a batch's texts in ``texts``, and their tokens.
    """
    by_length = sorted(range(len(texts)), key=lambda row: len(texts[row]))
    for start in range(0, len(texts), TEXTS_AT_ONCE):
        rows = by_length[start : start + TEXTS_AT_ONCE]
        yield rows, tokenize(tokenizer, [texts[row] for row in rows], max_tokens, pad_id)


def text_problems(tokenizer: Tokenizer, texts: Sequence[str], max_tokens: int) -> list[str]:
    """Say in one line each which texts are cut, and which hold no piece that the tokenizer knows.

    Examples
    --------
    >>> from tokenizers import Tokenizer
    >>> from tokenizers.models import WordLevel
    >>> from tokenizers.pre_tokenizers import Whitespace
    >>> tokenizer = Tokenizer(WordLevel({"?": 0, "dog": 1}, unk_token="?"))
    >>> tokenizer.pre_tokenizer = Whitespace()
    >>> for problem in text_problems(tokenizer, ["dog", "chien", "dog dog dog"], max_tokens=2):
    ...     print(problem)
    prompt 'chien': no word of it is known to the model, its scores mean nothing; write it in English words
    prompt 'dog dog dog': the model reads only its first 2 tokens, to '...dog dog'; write a shorter prompt
    """
    tokenizer.no_padding()
    tokenizer.no_truncation()
    unknown = getattr(tokenizer.model, "unk_token", None)
    problems = []
    for text, encoding in zip(texts, tokenizer.encode_batch(list(texts)), strict=True):
        words = [
            token
            for token, is_mark in zip(encoding.tokens, encoding.special_tokens_mask, strict=True)
            if not is_mark or token == unknown
        ]
        if words and unknown is not None and all(token == unknown for token in words):
            problems.append(
                f"prompt {text!r}: no word of it is known to the model, its scores mean nothing; "
                "write it in English words"
            )
        elif len(encoding.ids) > max_tokens:
            end = encoding.offsets[max_tokens - 1 - encoding.special_tokens_mask[-1]][1]
            last = text[max(0, end - CUT_SHOWN_CHARACTERS) : end]
            problems.append(
                f"prompt {_shortened(text)!r}: the model reads only its first {max_tokens} tokens, to "
                f"{f'...{last}'!r}; write a shorter prompt"
            )
    return problems


def _shortened(text: str) -> str:
    return text if len(text) <= CUT_SHOWN_CHARACTERS else f"{text[:CUT_SHOWN_CHARACTERS]}..."
