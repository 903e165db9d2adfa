"""The model before the first step: new weights, and those of an earlier model in their place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from tokenizers import Tokenizer

from flam.core import ConfigError, ModelError
from flam.hub.hub import resolve
from flam.model.checkpoint import load_checkpoint
from flam.model.towers import TwoTowers
from flam.training.config import TrainConfig
from flam.training.methods import METHODS


def starting_model(config: TrainConfig, notify: Callable[[str], None] = lambda line: None) -> TwoTowers:
    """Build the model of a recipe; equal on all processes.

    Raises
    ------
    ModelError : the model to start from can't be found or read
    ConfigError : its weights don't fit, or no tokenizer is named
    """
    start = config.start
    earlier = None if start.model is None else load_checkpoint(resolve(start.model, notify=notify)).model
    tokenizer = read_tokenizer(start.tokenizer, notify) if start.tokenizer is not None else None
    if tokenizer is None and earlier is not None:
        tokenizer = earlier.tokenizer
    if tokenizer is None:
        raise ConfigError(
            "start.tokenizer: no tokenizer is named and none comes with start.model; name a tokenizer.json"
        )
    torch.manual_seed(config.seed)
    model = METHODS[type(config.model)].build(config.model, tokenizer)
    n_pieces, n_known = tokenizer.get_vocab_size(), config.model.text.vocab_size
    if n_pieces > n_known:
        raise ConfigError(f"model.text.vocab_size {n_known}: the tokenizer has {n_pieces} pieces; set it to that")
    if earlier is not None:
        _take(model, earlier, start.parts, str(start.model))
    return model


def _take(model: TwoTowers, earlier: TwoTowers, parts: tuple[str, ...], name: str) -> None:
    """Copy the weights of ``earlier`` whose names begin with one of ``parts``, all where there are none."""
    given, own = earlier.state_dict(), model.state_dict()
    for part in parts:
        if not any(key.startswith(part) for key in own):
            raise ConfigError(
                f"start.parts: no weight's name begins with {part!r}; use audio_encoder, text_encoder, ..."
            )
    chosen = [key for key in own if not parts or key.startswith(parts)]
    unfit = [key for key in chosen if key not in given or given[key].shape != own[key].shape]
    if unfit:
        raise ConfigError(
            f"start.model {name}: {len(unfit)} weights are missing or of another shape, the first is {unfit[0]}; "
            "name the parts to take in start.parts, or a model of the same sizes"
        )
    model.load_state_dict({key: given[key] for key in chosen}, strict=False)


def read_tokenizer(name: str, notify: Callable[[str], None] = lambda line: None) -> Tokenizer:
    """The tokenizer in a file, or of a model; raises ModelError where there is none."""
    path = Path(name)
    if path.suffix != ".json":
        path = resolve(name, notify=notify) / "tokenizer.json"
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing narrower
        raise ModelError(f"{path}: can't be read as a tokenizer ({error}); name a tokenizer.json") from error
