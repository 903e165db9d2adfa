"""Initial models, and models packaged for ``flam detect --model``.

What is trained beside a model, such as the heads of a distillation, is kept in ``training.safetensors`` of the packaged
folder, so that a later run can go on with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor, nn

from flam.core import ConfigError, ModelError, to_mapping
from flam.hub.hub import resolve
from flam.model.checkpoint import MODELS, build_model, load_checkpoint, save_checkpoint
from flam.model.towers import TwoTowers
from flam.training.optimization import MODEL_PREFIX

if TYPE_CHECKING:
    from flam.training.recipe import Recipe

BESIDE_MODEL = "training.safetensors"


def starting_model(recipe: Recipe, notify: Callable[[str], None] = lambda line: None) -> TwoTowers:
    """Build the model of a recipe; equal on all processes.

    Parameters
    ----------
    recipe : Recipe
        Says sizes, seed and where weights come from.
    notify : callable
        Told one line before a model is fetched.

    Returns
    -------
    TwoTowers
        On the CPU.

    Raises
    ------
    ModelError
        The model to start from can't be found or read.
    ConfigError
        Its weights don't fit, or no tokenizer is named.
    """
    start = recipe.start
    earlier = None if start.model is None else load_checkpoint(resolve(start.model, notify=notify)).model
    tokenizer = read_tokenizer(start.tokenizer, notify) if start.tokenizer is not None else None
    if tokenizer is None and earlier is not None:
        tokenizer = earlier.tokenizer
    if tokenizer is None:
        raise ConfigError(
            "start.tokenizer: no tokenizer is named and none comes with start.model; name a tokenizer.json"
        )
    torch.manual_seed(recipe.seed)
    model = MODELS[type(recipe.model)](recipe.model, tokenizer)
    n_pieces, n_known = tokenizer.get_vocab_size(), recipe.model.text.vocab_size
    if n_pieces > n_known:
        raise ConfigError(f"model.text.vocab_size {n_known}: the tokenizer has {n_pieces} pieces; set it to that")
    if earlier is not None:
        _take(model, earlier, start.parts, str(start.model))
    return model


def start_beside_model(module: nn.Module, recipe: Recipe) -> bool:
    """Take what a module holds beside its model from the checkpoint that a recipe starts from.

    Returns
    -------
    bool
        Whether the checkpoint had any of it; what it did not have stays as it is.

    Raises
    ------
    ConfigError
        A weight has another shape.
    """
    if recipe.start.model is None:
        return False
    given = read_beside_model(resolve(recipe.start.model))
    own = {name: value for name, value in module.state_dict().items() if not name.startswith(MODEL_PREFIX)}
    chosen = {name: value for name, value in given.items() if name in own}
    for name, value in chosen.items():
        if value.shape != own[name].shape:
            raise ConfigError(
                f"start.model {recipe.start.model}: {name} has shape {tuple(value.shape)}, not "
                f"{tuple(own[name].shape)}; start from a run with the same sizes"
            )
    module.load_state_dict(chosen, strict=False)
    return bool(chosen)


def read_beside_model(folder: Path) -> dict[str, Tensor]:
    """Read what was trained beside a packaged model, by name; empty where nothing was.

    Raises
    ------
    ModelError
        The file is damaged.
    """
    path = folder / BESIDE_MODEL
    if not path.exists():
        return {}
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: can't be read ({error}); package the run again") from error


def package(
    weights: Mapping[str, Tensor],
    tokenizer: Tokenizer,
    recipe: Recipe,
    folder: Path,
    facts: dict[str, str],
) -> None:
    """Write a trained model as a checkpoint.

    Parameters
    ----------
    weights : mapping of str to torch.Tensor
        Of the module that is trained, whole and on the CPU.
    tokenizer : Tokenizer
        Packaged with the model.
    recipe : Recipe
        Its card and operating point are packaged.
    folder : Path
        Replaced where it holds a checkpoint.
    facts : dict of str to str
        Added to those of the recipe's card.
    """
    own = {name.removeprefix(MODEL_PREFIX): value for name, value in weights.items() if name.startswith(MODEL_PREFIX)}
    model = build_model(recipe.model, own, folder, tokenizer)
    card = replace(recipe.card, facts=recipe.card.facts | facts)
    beside = {name: value for name, value in weights.items() if not name.startswith(MODEL_PREFIX)}
    save_checkpoint(
        model,
        folder,
        card,
        to_mapping(recipe.detection),
        torch.float16 if recipe.record.half_precision else None,
        {BESIDE_MODEL: beside} if beside else {},
    )


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
