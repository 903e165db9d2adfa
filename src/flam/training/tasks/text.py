"""Pretraining of the light text tower on pairs of texts that mean the same, before it ever meets a sound.

With an earlier model, every phrase learns what that model makes of its label, so that its audio tower can be trained
further with the new text tower.
Shapes: P pairs, N phrases, G sounds with phrases, R reference texts, D joint dimension.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from flam.core import ConfigError
from flam.data.phrases import load_phrases
from flam.data.texts import TokenizedTexts, ontology_pairs, read_pairs, related_labels, reworded
from flam.hub.hub import resolve
from flam.model.checkpoint import load_checkpoint
from flam.model.text import LightTextConfig, TextTokens, tokenize
from flam.model.towers import TextFeatures, TwoTowers
from flam.training.start import starting_model
from flam.training.task import Notify, Task

if TYPE_CHECKING:
    from flam.training.distribution import World
    from flam.training.recipe import Recipe

ONTOLOGY_WEIGHT = 10  # it is small beside a dictionary, and about sounds
MOST_PAIR_TOKENS, MOST_PHRASE_TOKENS = 24, 40


@dataclass(frozen=True)
class TextSettings:
    """Settings of the task.

    Parameters
    ----------
    pairs : tuple of Path
        Tab-separated files of texts of equal or near meaning, gzipped or not.
    ontology : Path or None
        An ontology in the form of AudioSet's JSON.
    phrases : Path
        Folder of phrase sets.
    reference_texts : Path or None
        An npz of ``labels`` and their ``emb`` by a larger text model, whose cosines the tower should copy.
    earlier : str or None
        Model whose answers to labels the phrases learn.
    batch_size : int
        Pairs and phrases in a step.
    phrase_share, name_share : float
        Part of a step that comes from phrase sets, and part of its phrases that are the label itself.
    drop_share, filled_share : float
        Of the other phrases, see ``flam.data.texts.reworded``.
    temperature : float
        Of the InfoNCE of pairs and phrases.
    """

    phrases: Path
    kind: Literal["text"] = "text"
    pairs: tuple[Path, ...] = ()
    ontology: Path | None = None
    reference_texts: Path | None = None
    earlier: str | None = None
    batch_size: int = 1024
    phrase_share: float = 0.35
    name_share: float = 0.3
    drop_share: float = 0.1
    filled_share: float = 0.3
    temperature: float = 0.06


@dataclass(frozen=True)
class TextCorpus:
    """What the tower reads.

    Parameters
    ----------
    pairs : sequence of (str, str)
        Texts of equal or near meaning.
    groups : sequence of sequences of str
        For each of G sounds its label, then phrases for it.
    reference : (sequence of str, torch.Tensor) or None
        R texts and their (R, size) embeddings by a larger model.
    earlier : TextFeatures or None
        What an earlier model makes of the G labels.
    related : torch.Tensor or None
        (G, G) bool, True where phrases of a group may be true of the other's sound too; needed with ``earlier``.
    """

    pairs: Sequence[tuple[str, str]]
    groups: Sequence[Sequence[str]]
    reference: tuple[Sequence[str], Tensor] | None = None
    earlier: TextFeatures | None = None
    related: Tensor | None = None


class TextBatch(NamedTuple):
    """Both sides of pairs, phrases (a second time where there is no earlier model), and their groups ``(N,)``."""

    left: TextTokens
    right: TextTokens
    phrases: TextTokens | None
    other_phrases: TextTokens | None
    groups: Tensor


class TextTaskFeatures(NamedTuple):
    """``left, right (P, D)``, ``phrases (N, D)`` with scale and bias, ``others (N, D)``, ``reference (R, D)``."""

    left: Tensor
    right: Tensor
    phrases: Tensor | None
    phrase_scale: Tensor | None
    phrase_bias: Tensor | None
    others: Tensor | None
    reference: Tensor | None


@dataclass(frozen=True)
class TextStep:
    """What the losses look at; ``reference_cosines (R, R)`` are those of the larger model."""

    features: TextTaskFeatures
    groups: Tensor
    corpus: TextCorpus
    reference_cosines: Tensor | None
    log_temperature_inverse: Tensor


class TextSide(nn.Module):
    """The text side of a model: tower, projection and heads."""

    def __init__(self, model: TwoTowers, reference: TextTokens | None):
        super().__init__()
        self.model = model
        self._reference = reference

    def forward(self, batch: TextBatch) -> TextTaskFeatures:
        """Describe all texts of a step."""

        def described(tokens: TextTokens) -> TextFeatures:
            return self.model.encode_tokens(tokens)

        left, right = described(batch.left).text_features, described(batch.right).text_features
        phrases: tuple[Tensor | None, Tensor | None, Tensor | None] = (None, None, None)
        if batch.phrases is not None:
            phrases = described(batch.phrases)
        others = None if batch.other_phrases is None else described(batch.other_phrases).text_features
        reference = None if self._reference is None else described(self._reference).text_features
        if batch.other_phrases is not None:  # scale and bias are learnt from an earlier model alone
            phrases = (phrases[0], None, None)
        return TextTaskFeatures(left, right, *phrases, others, reference)


class TextTask(Task):
    """Pretrain a text tower.

    Parameters
    ----------
    model : TwoTowers
        With a light text tower and a tokenizer.
    recipe : Recipe
        Seed and settings.
    corpus : TextCorpus
        What is read.
    """

    settings: ClassVar[type] = TextSettings
    step_class: ClassVar[type] = TextStep

    def __init__(self, model: TwoTowers, recipe: Recipe, corpus: TextCorpus):
        assert model.tokenizer is not None
        self._recipe, self._corpus, self._tokenizer = recipe, corpus, model.tokenizer
        self._pad_id = model.text_encoder.pad_id
        self._pairs = TokenizedTexts(
            self._tokenizer, [text for pair in corpus.pairs for text in pair], MOST_PAIR_TOKENS
        )
        reference, self._reference_cosines = None, None
        if corpus.reference is not None:
            texts, embeddings = corpus.reference
            reference = tokenize(self._tokenizer, texts, MOST_PAIR_TOKENS, self._pad_id)
            centred = functional.normalize(embeddings - embeddings.mean(dim=0), dim=1)
            self._reference_cosines = centred @ centred.T
        self._log_temperature_inverse = torch.tensor(1 / recipe.task.temperature).log()
        self.module = TextSide(model, reference)

    @classmethod
    def check(cls, recipe: Recipe) -> None:
        """As ``Task``."""
        if not isinstance(recipe.model.text, LightTextConfig):
            raise ConfigError("task text pretrains the light text tower; set model.text.kind to light")
        if "copy" in recipe.enabled and recipe.task.earlier is None:
            raise ConfigError("the loss copy needs a model to copy; name it in task.earlier")
        if "similarity" in recipe.enabled and recipe.task.reference_texts is None:
            raise ConfigError("the loss similarity needs texts of a larger model; name them in task.reference_texts")

    @classmethod
    def open(cls, recipe: Recipe, world: World, notify: Notify) -> TextTask:
        """As ``Task``."""
        settings: TextSettings = recipe.task
        sets = load_phrases(settings.phrases)
        pairs = [pair for path in settings.pairs for pair in read_pairs(path)]
        if settings.ontology is not None:
            pairs += ONTOLOGY_WEIGHT * ontology_pairs(settings.ontology)
        if not pairs:
            raise ConfigError("task.pairs and task.ontology are both empty; name a file of pairs")
        reference = earlier = related = None
        if settings.reference_texts is not None:
            with np.load(settings.reference_texts) as arrays:
                embeddings = torch.from_numpy(arrays["emb"].astype(np.float32))
                reference = ([str(text) for text in arrays["labels"]], embeddings)
        if settings.earlier is not None:
            known = load_checkpoint(resolve(settings.earlier, notify=notify)).model
            with torch.no_grad():
                earlier = known.embed_text(list(sets))
            related = torch.from_numpy(related_labels(list(sets), sets))
        groups = [(phrases.label, *phrases.phrases) for phrases in sets.values()]
        return cls(starting_model(recipe, notify), recipe, TextCorpus(pairs, groups, reference, earlier, related))

    def batches(self, first_step: int) -> Iterator[TextBatch]:
        """As ``Task``; texts are drawn one after another, so that a later step needs those before."""
        settings, corpus = self._recipe.task, self._corpus
        rng = np.random.Generator(np.random.PCG64(self._recipe.seed))
        n_phrases = round(settings.batch_size * settings.phrase_share) if corpus.groups else 0
        step = 0
        while True:
            chosen = rng.integers(len(corpus.pairs), size=settings.batch_size - n_phrases)
            groups = rng.integers(len(corpus.groups), size=n_phrases) if n_phrases else np.empty(0, int)
            phrases = [self._drawn(int(group), rng) for group in groups]
            others = [self._drawn(int(group), rng) for group in groups] if corpus.earlier is None else []
            if step >= first_step:
                yield TextBatch(
                    self._pairs.rows(2 * chosen),
                    self._pairs.rows(2 * chosen + 1),
                    self._tokens(phrases),
                    self._tokens(others),
                    torch.from_numpy(groups),
                )
            step += 1

    def n_clips(self, batch: TextBatch) -> int:
        """As ``Task``: texts, here."""
        return len(batch.left.ids) + len(batch.groups)

    def step(self, features: TextTaskFeatures, batch: TextBatch, n_pieces: int) -> TextStep:
        """As ``Task``."""
        return TextStep(features, batch.groups, self._corpus, self._reference_cosines, self._log_temperature_inverse)

    def saved(self, batch: TextBatch) -> dict[str, Any]:
        """As ``Task``."""
        return {"left": batch.left.ids, "right": batch.right.ids, "groups": batch.groups}

    def _drawn(self, group: int, rng: np.random.Generator) -> str:
        settings = self._recipe.task
        name, *phrases = self._corpus.groups[group]
        if not phrases or rng.random() < settings.name_share:
            return name
        return reworded(phrases[rng.integers(len(phrases))], rng, settings.drop_share, settings.filled_share)

    def _tokens(self, texts: Sequence[str]) -> TextTokens | None:
        return tokenize(self._tokenizer, texts, MOST_PHRASE_TOKENS, self._pad_id) if texts else None


TASK = TextTask
