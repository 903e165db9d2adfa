"""Texts that a model already knows: what it makes of them has to stay while it learns others."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
from tokenizers import Tokenizer

from flam.data.texts import normalised

SHARE_OF_WORDS = 0.4


def anchor_texts(
    tokenizer: Tokenizer, known: Iterable[str], learnt: Iterable[str], n_texts: int, seed: int
) -> list[str]:
    """Texts that are none of ``learnt``: first all ``known``, then words of the tokenizer, alone and in pairs.

    The words that a tokenizer keeps whole are those its model read most, whatever the language. Pairs stand for all
    the phrases that nobody can list.

    Parameters
    ----------
    known, learnt : texts
    n_texts : how many to give, where the tokenizer has words enough

    >>> from tokenizers.models import WordLevel
    >>> tokenizer = Tokenizer(WordLevel({"owl": 0, "seal": 1, "##rl": 2, "zorblat": 3}))
    >>> texts = anchor_texts(tokenizer, ["rain"], ["zorblat"], n_texts=5, seed=0)
    >>> texts[0], sorted(texts[1:3])
    ('rain', ['owl', 'seal'])
    """
    rng = np.random.default_rng([seed, n_texts])
    forbidden = {normalised(text) for text in learnt}
    texts = [text for text in dict.fromkeys(known) if normalised(text) not in forbidden]
    words = sorted(_words(tokenizer) - forbidden - set(texts))
    n_left = max(n_texts - len(texts), 0)
    n_words = min(len(words), max(round(SHARE_OF_WORDS * n_left), 2))
    texts += [words[place] for place in rng.permutation(len(words))[:n_words]]
    n_pairs = max(n_texts - len(texts), 0) if len(words) >= 2 else 0
    pairs = (" ".join(words[place] for place in rng.integers(len(words), size=2)) for _ in range(n_pairs))
    return texts + [pair for pair in pairs if normalised(pair) not in forbidden]


def _words(tokenizer: Tokenizer) -> set[str]:
    """What the tokenizer keeps in one piece, of three letters or more."""
    stripped = {piece.lstrip("\u2581\u0120") for piece in tokenizer.get_vocab()}  # marks of where a word begins
    candidates = sorted(piece for piece in stripped if re.fullmatch(r"[^\W\d_]{3,}", piece))
    encodings = tokenizer.encode_batch(candidates, add_special_tokens=False)
    return {word for word, encoding in zip(candidates, encodings, strict=True) if len(encoding.ids) == 1}
