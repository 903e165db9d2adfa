"""Pretraining of the light text tower on pairs of texts that mean the same, before it ever meets a sound."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from flam.core import ConfigError, read_text
from flam.losses import infonce_loss
from flam.model.flam import FLAM
from flam.model.text import LightTextEncoder, TextTokens, tokenize
from flam.model.towers import TextFeatures
from flam.training.mini.rewording import reworded


@dataclass(frozen=True)
class TextPretrainingConfig:
    """How the text tower is pretrained.

    Parameters
    ----------
    steps, batch_size, lr : AdamW with a one-cycle schedule, on pairs
    phrase_share : part of every batch that comes from phrase sets rather than from the general pairs
    name_share : part of the phrases drawn that are the label itself
    drop_share, filled_share : of the others, see ``rewording.reworded``
    temperature : of the InfoNCE between the two sides of a pair
    similarity_weight : weight of the loss on reference similarities, where some are given
    copy_weight : weight of the cosine loss on an earlier model's features, where one is given
    keep_tower : begin with the earlier model's word pieces and tower instead of new ones
    seed : of everything random
    """

    steps: int = 3000
    batch_size: int = 1024
    lr: float = 3e-3
    phrase_share: float = 0.35
    name_share: float = 0.3
    drop_share: float = 0.1
    filled_share: float = 0.3
    temperature: float = 0.06
    similarity_weight: float = 20.0
    copy_weight: float = 2.0
    keep_tower: bool = False
    seed: int = 0


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
    model: FLAM,
    tokenizer: Tokenizer,
    pairs: Sequence[tuple[str, str]],
    phrase_groups: Sequence[Sequence[str]],
    reference: tuple[Sequence[str], Tensor] | None,
    config: TextPretrainingConfig,
    log: Callable[[dict[str, float]], None],
    earlier: TextFeatures | None = None,
    related: Tensor | None = None,
) -> None:
    """Train the text tower and its projection, and with an earlier model the heads of scale and bias, in place.

    Parameters
    ----------
    pairs : texts of equal or near meaning (a word and its gloss, synonyms, a kind and its broader kind)
    phrase_groups : for each of G sounds its label, then phrases for it; two of a group make a pair
    reference : texts and their (K, R) embeddings by a larger text model, whose cosines the tower should copy
    log : receives the losses every 100 steps
    earlier : what an earlier model makes of the G labels. Every phrase learns what it said of the label, so that the
        audio tower of that model can be trained further with this text tower
    related : (G, G) bool, True where phrases of a group may be true of the other's sound too; needed with ``earlier``
    """
    rng = np.random.Generator(np.random.PCG64(config.seed))
    encoder = cast(LightTextEncoder, model.text_encoder)
    general = TokenTable(tokenizer, [text for pair in pairs for text in pair])
    if earlier is not None:
        earlier = TextFeatures(*(part.detach().clone() for part in earlier))
    if reference is not None:
        reference_tokens = tokenize(tokenizer, reference[0], 24, encoder.pad_id)
        centred = functional.normalize(reference[1] - reference[1].mean(dim=0), dim=1)
        reference_cosines = centred @ centred.T
    modules = nn.ModuleList([encoder, model.text_projection, model.logit_scale_head, model.logit_bias_head])
    optimizer = torch.optim.AdamW(modules.parameters(), lr=config.lr, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.lr, total_steps=config.steps)
    log_temperature_inverse = torch.tensor(1 / config.temperature).log()
    n_phrases = round(config.batch_size * config.phrase_share) if phrase_groups else 0

    def drawn(group: int) -> str:
        name, *phrases = phrase_groups[group]
        if not phrases or rng.random() < config.name_share:
            return name
        return reworded(phrases[rng.integers(len(phrases))], rng, config.drop_share, config.filled_share)

    def described(groups: np.ndarray) -> TextFeatures:
        return model.encode_tokens(tokenize(tokenizer, [drawn(group) for group in groups], 40, encoder.pad_id))

    def features(table: TokenTable, rows: np.ndarray) -> Tensor:
        return model.encode_tokens(table.rows(rows)).text_features

    for step in range(config.steps):
        chosen = rng.integers(len(pairs), size=config.batch_size - n_phrases)
        left, right = features(general, 2 * chosen), features(general, 2 * chosen + 1)
        losses = {
            "pair_loss": infonce_loss(left, right, log_temperature_inverse, torch.eye(len(chosen), dtype=torch.bool))
        }
        groups = rng.integers(len(phrase_groups), size=n_phrases) if n_phrases else np.empty(0, int)
        if n_phrases and earlier is None:
            left, right = (described(groups).text_features for _ in range(2))
            same = torch.from_numpy(groups[:, None] == groups)
            losses["phrase_loss"] = infonce_loss(left, right, log_temperature_inverse, same)
        elif earlier is not None:
            assert related is not None
            said, right_group = described(groups), functional.one_hot(torch.from_numpy(groups), len(related)).bool()
            losses["phrase_loss"] = infonce_loss(
                said.text_features, earlier.text_features, log_temperature_inverse, right_group, ~related[groups]
            )
            losses["copy_loss"] = config.copy_weight * copy_loss(
                said, TextFeatures(*(part[groups] for part in earlier))
            )
        if reference is not None:
            similar = model.encode_tokens(reference_tokens).text_features
            losses["similarity_loss"] = config.similarity_weight * functional.mse_loss(
                similar @ similar.T, reference_cosines
            )
        optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        optimizer.step()
        schedule.step()
        if step % 100 == 0 or step == config.steps - 1:
            log({"step": step, **{name: round(loss.item(), 4) for name, loss in losses.items()}})


def copy_loss(said: TextFeatures, wanted: TextFeatures) -> Tensor:
    """How far descriptions of K texts are from wanted ones: by the cosine, and by scale and bias."""
    distance = 1 - (said.text_features * wanted.text_features).sum(dim=-1).mean()
    of_scale = (said.logit_scale.log() - wanted.logit_scale.log()).square().mean()
    of_bias = (said.logit_bias - wanted.logit_bias).square().mean()
    return distance + 0.15 * of_scale + 0.05 * of_bias
