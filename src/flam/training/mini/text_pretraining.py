"""Pretraining of the light text tower on pairs of texts that mean the same, before it ever meets a sound."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from torch import Tensor, nn
from torch.nn import functional

from flam.core import ConfigError, read_text
from flam.losses import infonce_loss
from flam.model.text import LightTextEncoder, TextTokens, tokenize


@dataclass(frozen=True)
class TextPretrainingConfig:
    """How the text tower is pretrained.

    Parameters
    ----------
    steps, batch_size, lr : AdamW with a one-cycle schedule, on pairs
    phrase_share : part of every batch that comes from phrase sets rather than from the general pairs
    temperature : of the InfoNCE between the two sides of a pair
    similarity_weight : weight of the loss on reference similarities, where some are given
    seed : of everything random
    """

    steps: int = 3000
    batch_size: int = 1024
    lr: float = 3e-3
    phrase_share: float = 0.35
    temperature: float = 0.06
    similarity_weight: float = 20.0
    seed: int = 0


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """Word pieces learnt from texts: lower case, accents removed, id 0 for padding and 1 for the unknown.

    >>> train_tokenizer(["a dog barks", "a cat"], 40).encode("A dog").tokens
    ['a', 'dog']
    """
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size, special_tokens=["[PAD]", "[UNK]"], min_frequency=1, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def read_pairs(path: str | Path) -> list[tuple[str, str]]:
    """Pairs of texts from a tab-separated file, gzipped or not: the first two columns of each line.

    Raises
    ------
    ConfigError : the file can't be read or a line has fewer than two columns
    """
    opener = gzip.open if str(path).endswith(".gz") else open
    pairs = []
    try:
        with opener(path, "rt", encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                columns = line.rstrip("\n").split("\t")
                if len(columns) < 2:
                    raise ConfigError(f"{path}, line {number}: {line!r} has no second column")
                pairs.append((columns[0], columns[1]))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: can't be read as pairs of texts ({error})") from error
    return pairs


def ontology_pairs(path: str | Path) -> list[tuple[str, str]]:
    """Pairs from an ontology in the form of AudioSet's JSON: name and description, name and its parts, kind and parent.

    Raises
    ------
    ConfigError : the file can't be read or lacks a key
    """
    try:
        kinds = {kind["id"]: kind for kind in json.loads(read_text(path, ConfigError))}
        pairs = []
        for kind in kinds.values():
            name = _plain(kind["name"])
            pairs += [(name, sentence.strip(" .")[:200]) for sentence in kind["description"].split(". ")]
            first, *others = (part.strip() for part in name.split(","))
            pairs += [pair for other in others for pair in ((first, other), (name, other))]
            if "abstract" not in kind["restrictions"]:
                pairs += [(_plain(kinds[child]["name"]), name) for child in kind["child_ids"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path}: not an ontology like AudioSet's: {type(error).__name__} {error}") from error
    return [pair for pair in pairs if all(pair)]


def _plain(name: str) -> str:
    return name.replace("(", "").replace(")", "").lower()


class TokenTable:
    """Texts encoded once; batches are then gathered by row number."""

    def __init__(self, tokenizer: Tokenizer, texts: Sequence[str], max_tokens: int = 24):
        self.texts = list(texts)
        self._tokens = tokenize(tokenizer, self.texts, max_tokens, LightTextEncoder.pad_id)

    def rows(self, rows: np.ndarray) -> TextTokens:
        """Tokens of the texts with these numbers, cut to the longest of them."""
        ids, mask = self._tokens.ids[rows], self._tokens.mask[rows]
        longest = int(mask.sum(dim=1).max())
        return TextTokens(ids[:, :longest], mask[:, :longest])


def pretrain_text(
    encoder: LightTextEncoder,
    projection: nn.Module,
    tokenizer: Tokenizer,
    pairs: Sequence[tuple[str, str]],
    phrase_groups: Sequence[Sequence[str]],
    reference: tuple[Sequence[str], Tensor] | None,
    config: TextPretrainingConfig,
    log: Callable[[dict[str, float]], None],
) -> None:
    """Train the text tower and its projection, in place.

    Parameters
    ----------
    pairs : texts of equal or near meaning (a word and its gloss, synonyms, a kind and its broader kind)
    phrase_groups : groups of phrases for one sound; two of a group make a pair
    reference : texts and their (K, R) embeddings by a larger text model, whose cosines the tower should copy
    log : receives the losses every 100 steps
    """
    rng = np.random.Generator(np.random.PCG64(config.seed))
    general = TokenTable(tokenizer, [text for pair in pairs for text in pair])
    phrases = [phrase for group in phrase_groups for phrase in group]
    phrase_table = TokenTable(tokenizer, phrases) if phrases else None
    group_bounds = np.cumsum([0, *(len(group) for group in phrase_groups)])
    if reference is not None:
        reference_tokens = tokenize(tokenizer, reference[0], 24, encoder.pad_id)
        centred = functional.normalize(reference[1] - reference[1].mean(dim=0), dim=1)
        reference_cosines = centred @ centred.T
    modules = nn.ModuleList([encoder, projection])
    optimizer = torch.optim.AdamW(modules.parameters(), lr=config.lr, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.lr, total_steps=config.steps)
    log_temperature_inverse = torch.tensor(1 / config.temperature).log()
    n_phrases = round(config.batch_size * config.phrase_share) if phrase_table is not None else 0
    for step in range(config.steps):
        chosen = rng.integers(len(pairs), size=config.batch_size - n_phrases)
        loss = _pair_loss(
            _embed(encoder, projection, general.rows(2 * chosen)),
            _embed(encoder, projection, general.rows(2 * chosen + 1)),
            torch.arange(len(chosen)),
            log_temperature_inverse,
        )
        figures = {"pair_loss": loss.item()}
        if phrase_table is not None:
            groups = rng.integers(len(phrase_groups), size=n_phrases)
            sizes = np.diff(group_bounds)[groups]
            first, second = (group_bounds[groups] + rng.integers(sizes) for _ in range(2))
            phrase_loss = _pair_loss(
                _embed(encoder, projection, phrase_table.rows(first)),
                _embed(encoder, projection, phrase_table.rows(second)),
                torch.from_numpy(groups),
                log_temperature_inverse,
            )
            loss, figures["phrase_loss"] = loss + phrase_loss, phrase_loss.item()
        if reference is not None:
            features = _embed(encoder, projection, reference_tokens)
            similarity_loss = functional.mse_loss(features @ features.T, reference_cosines)
            loss = loss + config.similarity_weight * similarity_loss
            figures["similarity_loss"] = similarity_loss.item()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 100 == 0 or step == config.steps - 1:
            log({"step": step, **figures})


def _embed(encoder: LightTextEncoder, projection: nn.Module, tokens: TextTokens) -> Tensor:
    return functional.normalize(projection(encoder(tokens)), dim=-1)


def _pair_loss(left: Tensor, right: Tensor, groups: Tensor, log_temperature_inverse: Tensor) -> Tensor:
    return infonce_loss(left, right, log_temperature_inverse, groups[:, None] == groups[None])
