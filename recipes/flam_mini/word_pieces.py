"""Word pieces for a small text tower: endings go first, so that barks, barked and barking are one piece."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

# In this order. They need not give real words, only the same one for all forms of a verb or noun.
ENDINGS = (
    (r"['’]s\b", ""),
    (r"(?<=[a-z]{2})ies\b", "y"),
    (r"(?<=[a-z]{2}(?:s|x|z|ch|sh))es\b", ""),
    (r"(?<=[a-z]{2}[^su])s\b", ""),
    (r"(?<=[a-z]{3})(?:ing|ed)s?\b", ""),
    # hitting became hitt
    (r"(?<=[a-z]{3})[bdgklmnprt](?<=(bb|dd|gg|kk|ll|mm|nn|pp|rr|tt))\b", ""),
    (r"(?<=[a-z]{3})e\b", ""),
)


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """Word pieces learnt from texts: lower case, no accents, no endings; id 0 for padding and 1 for the unknown.

    >>> tokenizer = train_tokenizer(["a dog barks", "barking dogs", "a cat hisses"], 60)
    >>> tokenizer.encode("The dog barked").tokens[-2:], tokenizer.encode("hissing").tokens
    (['dog', 'bark'], ['hiss'])
    """
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.BertNormalizer(lowercase=True, strip_accents=True),
            *(normalizers.Replace(Regex(ending), instead) for ending, instead in ENDINGS),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size, special_tokens=["[PAD]", "[UNK]"], min_frequency=1, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer
