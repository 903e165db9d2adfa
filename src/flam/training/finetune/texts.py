"""The texts of a fine-tuning: those to learn, and anchors, texts that have to stay where they are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from flam.data.labels import normalised
from flam.hub.tokens import TEXTS_AT_ONCE
from flam.model.flam import FLAM
from flam.model.text import TextTokens, tokenize
from flam.procedural import GENERATORS
from flam.training.tasks.finetune import TextEmbeddings, usual_texts

WAYS = ("{}", "the sound of {}", "{} sound", "a {}")
SHARE_OF_WORDS = 0.4


def anchor_texts(
    tokenizer: Tokenizer, known: Iterable[str], learnt: Iterable[str], n_texts: int, seed: int
) -> list[str]:
    """Texts that are none of ``learnt``: first all ``known``, then words of the tokenizer, alone and in pairs.

    The words that a tokenizer keeps whole are those its model read most, whatever the language. Pairs stand for all
    the phrases that nobody can list.

    Parameters
    ----------
    known, learnt : Iterable[str]
        texts
    n_texts : int
        how many to give, where the tokenizer has words enough

    Examples
    --------
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


@torch.no_grad()  # not inference mode: learning computes gradients through what is made of these
def text_embeddings(
    model: FLAM, learnt: Sequence[str], others: Sequence[str], n_anchors: int, seed: int
) -> TextEmbeddings:
    """Embed the texts to learn, each in all its ways, and the anchors.

    Parameters
    ----------
    model : FLAM
        Its text tower is used as it is.
    learnt, others : sequence of str
        Texts to learn, and names of procedural sounds, which are anchors.
    n_anchors, seed : int
        See ``anchor_texts``.
    """
    assert model.tokenizer is not None  # comparing has embedded texts already
    known = [*others, *(GENERATORS[name].caption for name in others)]
    anchors = _embedded(model, anchor_texts(model.tokenizer, known, learnt, n_anchors, seed))
    said = _embedded(model, [way.format(text) for way in WAYS for text in learnt])
    before = model.project_text(anchors)
    return TextEmbeddings(said.reshape(len(WAYS), len(learnt), -1), anchors, before, usual_texts(before.text_features))


def _words(tokenizer: Tokenizer) -> set[str]:
    """What the tokenizer keeps in one piece, of three letters or more."""
    stripped = {piece.lstrip("\u2581\u0120") for piece in tokenizer.get_vocab()}  # marks of where a word begins
    candidates = sorted(piece for piece in stripped if re.fullmatch(r"[^\W\d_]{3,}", piece))
    encodings = tokenizer.encode_batch(candidates, add_special_tokens=False)
    return {word for word, encoding in zip(candidates, encodings, strict=True) if len(encoding.ids) == 1}


def _embedded(model: FLAM, texts: Sequence[str]) -> Tensor:
    """(K, E) what the text tower says of K texts."""
    assert model.tokenizer is not None
    encoder, device = model.text_encoder, model.log_temperature_inverse.device
    parts = []
    for start in range(0, len(texts), TEXTS_AT_ONCE):
        batch = texts[start : start + TEXTS_AT_ONCE]
        ids, mask = tokenize(model.tokenizer, batch, encoder.max_tokens, encoder.pad_id)
        parts.append(encoder(TextTokens(ids.to(device), mask.to(device))))
    return torch.cat(parts)
