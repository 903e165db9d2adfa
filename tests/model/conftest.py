"""Two small tokenizers of the kinds that the text towers use."""

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

WORDS = (
    "a",
    "dog",
    "bark",
    "##s",
    "##ing",
    "siren",
    "rain",
    "on",
    "roof",
    "the",
    "of",
    "##e",
    "bell",
    "glass",
    "break",
)


@pytest.fixture
def word_tokenizer() -> Tokenizer:
    """Word pieces, no marks at start and end, as the light text tower uses."""
    vocabulary = {piece: index for index, piece in enumerate(("[PAD]", "[UNK]", *WORDS))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


@pytest.fixture
def byte_tokenizer() -> Tokenizer:
    """Bytes between a start and an end mark, padded and cut by itself as some published files are: RoBERTa's scheme."""
    pieces = ("<s>", "<pad>", "</s>", "<unk>", *sorted(pre_tokenizers.ByteLevel.alphabet()))
    tokenizer = Tokenizer(models.BPE({piece: index for index, piece in enumerate(pieces)}, [], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    tokenizer.enable_padding(pad_id=1, pad_token="<pad>", length=40)
    tokenizer.enable_truncation(10)
    return tokenizer
