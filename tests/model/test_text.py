"""Texts to tokens and tokens to embeddings: any text that can be read, and no text that changes another's result."""

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from flam.core import ConfigError, ModelError, from_mapping
from flam.model.text import (
    LightTextConfig,
    LightTextEncoder,
    RobertaTextConfig,
    RobertaTextEncoder,
    TextTokens,
    tokenize,
)

ROBERTA = RobertaTextConfig(
    vocab_size=260, embed_dim=32, n_layers=2, n_heads=2, mlp_dim=64, n_positions=100, max_tokens=60
)


def randomized(encoder):
    """Weights under which attention and every piece matter."""
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=random))
    return encoder.eval()


def light() -> LightTextEncoder:
    return randomized(LightTextEncoder(LightTextConfig(vocab_size=17, embed_dim=16, mlp_dim=32, max_tokens=60)))


def roberta() -> RobertaTextEncoder:
    pytest.importorskip("transformers")
    return randomized(RobertaTextEncoder(ROBERTA))


def test_pads_to_the_longest_only(word_tokenizer):
    ids, mask = tokenize(word_tokenizer, ["dog", "a dog barks"], 77, pad_id=0)
    assert ids.tolist() == [[3, 0, 0, 0], [2, 3, 4, 5]]
    assert mask.tolist() == [[True, False, False, False], [True] * 4]


def test_ignores_padding_and_truncation_that_the_tokenizer_file_switched_on(byte_tokenizer):
    ids, mask = tokenize(byte_tokenizer, ["dog", "a long siren, far away"], 77, pad_id=1)
    assert ids.shape == (2, 24)
    assert mask.sum(dim=1).tolist() == [5, 24]


def test_long_text_keeps_its_end_mark(byte_tokenizer):
    ids, mask = tokenize(byte_tokenizer, ["bark " * 500], 20, pad_id=1)
    assert ids.shape == (1, 20)
    assert bool(mask.all())
    assert ids[0, 0] == 0
    assert ids[0, -1] == 2
    assert 2 not in ids[0, :-1]


def test_long_text_without_end_mark_loses_only_its_tail(word_tokenizer):
    ids, _ = tokenize(word_tokenizer, ["dog " * 499 + "siren"], 20, pad_id=0)
    assert ids.tolist() == [[3] * 20]


def test_no_texts(word_tokenizer):
    ids, mask = tokenize(word_tokenizer, [], 77, pad_id=0)
    assert ids.shape == mask.shape == (0, 1)


def test_text_of_broken_bytes_is_refused(word_tokenizer):
    with pytest.raises(ModelError, match="is not Unicode text"):
        tokenize(word_tokenizer, ["dog", b"\xff".decode("utf-8", "surrogateescape")], 77, 0)


@pytest.mark.parametrize("text", ["", " ", "\t\n"])
def test_empty_text_is_refused(word_tokenizer, text):
    with pytest.raises(ModelError, match="empty"):
        tokenize(word_tokenizer, ["dog", text], 77, pad_id=0)


def test_text_without_any_piece_is_refused(word_tokenizer):
    with pytest.raises(ModelError, match=r"nothing this model can read"):
        tokenize(word_tokenizer, ["\u200b\u00ad"], 77, pad_id=0)


@pytest.mark.parametrize("make", [light, roberta])
@pytest.mark.parametrize("text", ["собака лает", "犬", "🐕🐕", "a\u0301 dog", "¡¿", "dog " * 500])
def test_any_readable_text_has_a_finite_embedding(make, text, word_tokenizer, byte_tokenizer):
    encoder = make()
    tokenizer = word_tokenizer if isinstance(encoder, LightTextEncoder) else byte_tokenizer
    with torch.inference_mode():
        embedding = encoder(tokenize(tokenizer, [text], encoder.max_tokens, encoder.pad_id))
    assert embedding.shape == (1, encoder.embed_dim)
    assert bool(embedding.isfinite().all())


@pytest.mark.parametrize("make", [light, roberta])
def test_one_text_alone_equals_its_row_among_others(make, word_tokenizer, byte_tokenizer):
    """In double precision, where what padding changed would stand out from rounding by far."""
    encoder = make().double()
    tokenizer = word_tokenizer if isinstance(encoder, LightTextEncoder) else byte_tokenizer
    texts = ["dog", "rain on the roof", "a siren", "bell " * 30, "breaking glass", "dog"]
    with torch.inference_mode():
        together = encoder(tokenize(tokenizer, texts, encoder.max_tokens, encoder.pad_id))
        alone = torch.cat([encoder(tokenize(tokenizer, [text], 60, encoder.pad_id)) for text in texts])
    assert together.std(dim=0).mean() > 0.1, "texts must differ for the comparison to mean anything"
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-12)


def test_light_tower_starts_as_a_plain_mean_of_pieces():
    encoder = LightTextEncoder(LightTextConfig(vocab_size=5, embed_dim=8, n_blocks=0)).eval()
    tokens = TextTokens(torch.tensor([[1, 3, 0]]), torch.tensor([[True, True, False]]))
    mean = (encoder.pieces.weight[1] + encoder.pieces.weight[3]) / 2
    torch.testing.assert_close(encoder(tokens)[0], encoder.norm(mean))


def test_important_pieces_weigh_more():
    encoder = LightTextEncoder(LightTextConfig(vocab_size=5, embed_dim=8)).eval()
    only_dog = encoder(TextTokens(torch.tensor([[3]]), torch.ones(1, 1, dtype=torch.bool)))
    with torch.no_grad():
        encoder.importance.weight[3] = 50.0
    both = encoder(TextTokens(torch.tensor([[1, 3]]), torch.ones(1, 2, dtype=torch.bool)))
    torch.testing.assert_close(both, only_dog)


def test_max_tokens_must_fit_the_positions():
    with pytest.raises(ConfigError, match="n_positions"):
        from_mapping(RobertaTextConfig, {"n_positions": 40, "max_tokens": 77})


def test_roberta_takes_the_longest_text_it_allows(byte_tokenizer):
    pytest.importorskip("transformers")
    encoder = RobertaTextEncoder(
        RobertaTextConfig(vocab_size=260, embed_dim=8, n_layers=1, n_heads=1, mlp_dim=8, n_positions=22, max_tokens=20)
    ).eval()
    with torch.inference_mode():
        assert encoder(tokenize(byte_tokenizer, ["x" * 99], encoder.max_tokens, 1)).shape == (1, 8)


def test_a_tokenizer_without_its_own_unknown_token_is_damaged():
    tokenizer = Tokenizer(WordLevel({"dog": 0}, unk_token="?"))
    with pytest.raises(ModelError, match=r"tokenizer\.json is damaged"):
        tokenize(tokenizer, ["cat"], 8, 0)
