"""A trained model as a checkpoint that ``flam detect --model`` takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tokenizers import Tokenizer
from torch import nn

from flam.core import to_mapping
from flam.model.build import build_model
from flam.model.checkpoint import save_checkpoint
from flam.model.export import add_graphs
from flam.training.checkpointing import whole_weights
from flam.training.config import TrainConfig
from flam.training.distribution import World

PREFIX = "model."


def package(
    module: nn.Module, tokenizer: Tokenizer, config: TrainConfig, folder: Path, facts: dict[str, str], world: World
) -> None:
    """Write the model inside an embedder; every process takes part, the first one writes.

    Parameters
    ----------
    module : the embedder, spread or not
    tokenizer : packaged with it
    folder : replaced where it holds a checkpoint
    facts : added to those of the recipe's card
    """
    weights = whole_weights(module)
    if world.is_first:
        own = {name.removeprefix(PREFIX): value for name, value in weights.items()}
        model = build_model(config.model, own, folder, tokenizer)
        card = replace(config.card, facts=config.card.facts | facts)
        save_checkpoint(model, folder, card, to_mapping(config.detection))
        add_graphs(folder)
