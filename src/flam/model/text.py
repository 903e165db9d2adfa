"""The text towers: RoBERTa for the full-size model, word pieces with two small layers for the shipped one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from flam.core import ModelError
from flam.hub import tokens


class TextTokens(NamedTuple):
    """Token ids (K, L) and mask (K, L), True where a token is real."""

    ids: Tensor
    mask: Tensor


def tokenize(tokenizer: Tokenizer, texts: Sequence[str], max_tokens: int, pad_id: int) -> TextTokens:
    """Encode texts as tensors, see ``flam.hub.tokens.tokenize``.

    Parameters
    ----------
    tokenizer : Tokenizer
        its own padding and truncation, which many files switch on, are switched off
    texts : Sequence[str]
        K texts
    max_tokens : int
        longer texts lose what follows, but keep the end mark of tokenizers that have one
    pad_id : int
        token that fills the shorter rows

    Raises
    ------
    ModelError
        a text is empty, is not Unicode, or holds nothing the tokenizer knows

    Examples
    --------
    >>> from tokenizers.models import WordLevel
    >>> from tokenizers.pre_tokenizers import Whitespace
    >>> tokenizer = Tokenizer(WordLevel({"?": 1, "dog": 2, "barking": 3}, unk_token="?"))
    >>> tokenizer.pre_tokenizer = Whitespace()
    >>> tokenize(tokenizer, ["dog barking", "dog"], max_tokens=77, pad_id=0).ids.tolist()
    [[2, 3], [2, 0]]
    """
    table = tokens.tokenize(tokenizer, texts, max_tokens, pad_id)
    return TextTokens(torch.from_numpy(table.ids), torch.from_numpy(table.mask))


def only_words(states: Tensor, mask: Tensor) -> Tensor:
    """Repeat the first word in the places of padding, so that what is looked for among words is looked for in words.

    Parameters
    ----------
    states : Tensor
        (K, L, E) float tensor, of tokens
    mask : Tensor
        (K, L) bool tensor, True where a token is real, as the first one of each text is

    Examples
    --------
    >>> only_words(torch.tensor([[[1.0], [2.0], [3.0]]]), torch.tensor([[True, True, False]])).flatten()
    tensor([1., 2., 1.])
    """
    return states.where(mask[..., None], states[:, :1])


@dataclass(frozen=True)
class LightTextConfig:
    """Sizes of ``LightTextEncoder``.

    Parameters
    ----------
    vocab_size : int, default 12000
        word pieces
    embed_dim : int, default 256
        E, size of a piece and of the result
    n_blocks : int, default 2
        residual blocks on the pooled pieces, and their width
    mlp_dim : int, default 512
        residual blocks on the pooled pieces, and their width
    max_tokens : int, default 77
        longer texts are cut
    """

    kind: Literal["light"] = "light"
    vocab_size: int = 12_000
    embed_dim: int = 256
    n_blocks: int = 2
    mlp_dim: int = 512
    max_tokens: int = 77


class LightTextEncoder(nn.Module):
    """A mean of word pieces weighted by how much each says, then a few residual blocks; word order is not seen.

    Parameters
    ----------
    config : LightTextConfig
        sizes
    per_word : bool, default False
        send each piece through the blocks rather than their mean

    Examples
    --------
    >>> encoder = LightTextEncoder(LightTextConfig(vocab_size=10)).eval()
    >>> encoder(TextTokens(torch.tensor([[1, 2]]), torch.ones(1, 2, dtype=torch.bool))).shape
    torch.Size([1, 256])
    """

    pad_id = 0

    def __init__(self, config: LightTextConfig, per_word: bool = False):
        super().__init__()
        self.config = config
        self.per_word = per_word
        self.embed_dim = config.embed_dim
        self.max_tokens = config.max_tokens
        self.pieces = nn.Embedding(config.vocab_size, config.embed_dim)
        self.importance = nn.Embedding(config.vocab_size, 1)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(config.embed_dim),
                nn.Linear(config.embed_dim, config.mlp_dim),
                nn.GELU(),
                nn.Linear(config.mlp_dim, config.embed_dim),
            )
            for _ in range(config.n_blocks)
        )
        self.norm = nn.LayerNorm(config.embed_dim)
        nn.init.zeros_(self.importance.weight)

    def forward(self, tokens: TextTokens) -> Tensor:
        """(K, L) tokens to (K, E) text embeddings, or to (K, L, E) of their words as ``only_words`` gives them."""
        ids, mask = tokens
        weights = self.importance(ids).masked_fill(~mask[..., None], float("-inf")).softmax(dim=1)
        state = weights * self.pieces(ids)
        # scaled so that the mean of the words is what the text begins with
        state = only_words(state * mask.sum(dim=1)[:, None, None], mask) if self.per_word else state.sum(dim=1)
        for block in self.blocks:
            state = state + block(state)
        return self.norm(state)


@dataclass(frozen=True)
class RobertaTextConfig:
    """Sizes of the RoBERTa text encoder; the defaults are RoBERTa-base, as in the paper.

    Parameters
    ----------
    vocab_size : int, default 50265
        rows of the two tables; two positions go to the padding
    n_positions : int, default 514
        rows of the two tables; two positions go to the padding
    embed_dim : int, default 768
        E, size of a token and of the result
    n_layers, n_heads : int, default 12
        transformer layers, their attention heads and their width
    mlp_dim : int, default 3072
        transformer layers, their attention heads and their width
    norm_eps : float, default 1e-05
        added to the variance in every LayerNorm
    max_tokens : int, default 77
        longer texts are cut
    """

    kind: Literal["roberta"] = "roberta"
    vocab_size: int = 50265
    embed_dim: int = 768
    n_layers: int = 12
    n_heads: int = 12
    mlp_dim: int = 3072
    n_positions: int = 514
    norm_eps: float = 1e-5
    max_tokens: int = 77

    def __post_init__(self) -> None:
        if self.max_tokens > self.n_positions - 2:
            raise ValueError(f"max_tokens {self.max_tokens} must be at most n_positions - 2, {self.n_positions - 2}")


class RobertaTextEncoder(nn.Module):
    """RoBERTa's pooler output, through ``transformers``.

    Parameters
    ----------
    config : RobertaTextConfig
        sizes
    per_word : bool, default False
        give the last hidden state of each token instead, for which there is no pooler
    """

    pad_id = 1

    def __init__(self, config: RobertaTextConfig, per_word: bool = False):
        super().__init__()
        try:
            from transformers import RobertaConfig, RobertaModel
        except ImportError as error:
            raise ModelError('this model needs transformers; install it with pip install "flam-audio[base]"') from error
        self.config = config
        self.per_word = per_word
        self.embed_dim = config.embed_dim
        self.max_tokens = config.max_tokens
        self.roberta = RobertaModel(
            RobertaConfig(
                vocab_size=config.vocab_size,
                hidden_size=config.embed_dim,
                num_hidden_layers=config.n_layers,
                num_attention_heads=config.n_heads,
                intermediate_size=config.mlp_dim,
                max_position_embeddings=config.n_positions,
                type_vocab_size=1,
                layer_norm_eps=config.norm_eps,
                pad_token_id=self.pad_id,
            ),
            add_pooling_layer=not per_word,
        )

    def forward(self, tokens: TextTokens) -> Tensor:
        """(K, L) tokens to (K, E) text embeddings, or to (K, L, E) of their words as ``only_words`` gives them."""
        output = self.roberta(tokens.ids, attention_mask=tokens.mask.long())
        return only_words(output.last_hidden_state, tokens.mask) if self.per_word else output.pooler_output
